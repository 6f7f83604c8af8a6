import os
import re
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from ptb.machine.environment import commit, machine, peak_bytes, versions, versions_in_words


def test_peak_memory_never_falls():
    before = peak_bytes()
    block = np.ones(20_000_000)
    assert peak_bytes() >= before + 0.9 * block.nbytes or before > 5e8
    del block
    assert peak_bytes() >= before


def test_the_versions_are_those_that_run():
    found = versions()
    assert found["python"] == sys.version.split()[0]
    assert (found["tensorflow"], found["keras"]) == (tf.__version__, keras.__version__)
    assert versions_in_words().startswith(
        f"Python {found['python']}, tensorflow {tf.__version__}, "
    )
    assert versions_in_words().endswith(f"numpy {np.__version__}")


def test_the_units_of_a_processor_are_read_from_its_flags(tmp_path):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("model name\t: A\nflags\t\t: sse avx2 avx512f amx_bf16\nmodel name\t: B\n")
    found = machine(cpuinfo)
    assert (found["processor"], found["units"]) == ("A", ["AVX2", "AVX-512", "AMX bfloat16"])
    assert machine(tmp_path / "none")["units"] == []


def test_a_processor_has_its_family_and_model_where_the_system_has_them(tmp_path):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("cpu family\t: 25\nmodel\t\t: 17\nmodel name\t: A\n")
    assert machine(cpuinfo)["processor"] == "A (family 25, model 17)"


def test_the_commit_is_that_of_this_tree(monkeypatch, tmp_path):
    found = commit()
    assert found is None or re.fullmatch(r"(.+-g)?[0-9a-f]{12,40}(-dirty)?|v[\d.]+(-dirty)?", found)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert commit() is None


def test_a_folder_inside_another_git_tree_has_no_commit(tmp_path):
    def git(*arguments):
        subprocess.run(["git", *arguments], cwd=tmp_path, check=True, capture_output=True)

    git("init")
    git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "--allow-empty", "-m", "first")
    inside = tmp_path / "site-packages"
    inside.mkdir()
    assert re.fullmatch("[0-9a-f]{12,40}", commit(tmp_path))
    assert commit(inside) is None


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no way to leave a core out")
def test_a_machine_has_the_cores_that_the_process_may_use():
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert machine()["cores"] == 1
    finally:
        os.sched_setaffinity(0, before)
    assert machine()["cores"] == len(before)
