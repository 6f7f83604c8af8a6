"""Wrong input ends with one line on stderr, exit status 1, and nothing done.

`tests/faults/inputs.py` has the table of what is wrong.
"""

import os
import re
import subprocess
import sys

import pytest

from tests.forked import ROOT, run


def one_line_error(result, script):
    assert result.returncode == 1
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith(f"{script}: error: ")
    return lines[0]


@pytest.fixture
def text(tmp_path):
    """A folder of text, small but whole."""
    folder = tmp_path / "text"
    folder.mkdir()
    for split, times in (("train", 40), ("valid", 12), ("test", 12)):
        (folder / f"{split}.txt").write_text("the cat sat\nthe dog ran\n" * times)
    return folder


def test_a_run_of_another_config_or_text_is_refused_and_kept(tmp_path, text):
    first = ["--model=test", f"--data_path={text}", "--save_path=run"]
    assert run("train.py", *first, folder=tmp_path).returncode == 0
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}

    message = one_line_error(
        run("train.py", *first, "--hidden_size=3", "--seed=2", folder=tmp_path), "train.py"
    )
    assert "hidden_size was 2 and is now 3; seed was 1 and is now 2" in message
    (text / "train.txt").write_text("the cat ran\nthe dog sat\n" * 40)
    message = one_line_error(run("train.py", *first, folder=tmp_path), "train.py")
    assert re.search(r"the corpus was text \(\w{12}\) and is now text \(\w{12}\)", message)

    after = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    assert after == before


def test_help_answers_without_tensorflow(tmp_path):
    hidden = tmp_path / "tensorflow"
    hidden.mkdir()
    (hidden / "__init__.py").write_text("raise SystemExit('TensorFlow was imported')")
    for script in ("train.py", "evaluate.py"):
        result = subprocess.run(
            [sys.executable, str(ROOT / script), "--helpshort"],
            env={**os.environ, "PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert "--save_path" in result.stdout
        assert ("--hidden_size" in result.stdout) == (script == "train.py")
        assert "TensorFlow was imported" not in result.stdout + result.stderr


def test_a_batch_that_cannot_be_shared_out_binds_no_run_folder(tmp_path, text):
    flags = ["--model=test", f"--data_path={text}", "--save_path=run", "--distribution=mirrored"]
    result = run("train.py", *flags, "--batch_size=4", "--num_devices=3", folder=tmp_path)
    message = one_line_error(result, "train.py")
    assert "batch_size=4 is not a multiple of the 3 replicas" in message
    assert not list((tmp_path / "run").glob("*.json"))


def test_devices_without_mirrored_are_refused(tmp_path):
    result = run("train.py", "--num_devices=2", folder=tmp_path)
    message = one_line_error(result, "train.py")
    assert "--num_devices=2 needs --distribution=mirrored" in message
