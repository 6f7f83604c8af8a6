"""Nothing that is printed is a line of TensorFlow's log, nor of TFDS's.

Each command is a process of its own: the scripts of other tests share one that has imported
TensorFlow.
"""

import os
import re
import subprocess
import sys

import pytest

from tests.data.test_tfds_text import folder, load  # noqa: F401  (a fixture)
from tests.forked import ROOT

# "I0000 00:00:1795734551.362781    5163 port.cc:153] ...", "W1126 23:04:46.123456 ...",
# "2026-11-26 23:04:46.1: W tensorflow/...", "INFO:tensorflow:...", "WARNING:absl:..."
LOG = re.compile(r"[IWEF]\d{4} |\d{4}-\d\d-\d\d [\d:.]+: [IWEF] |(INFO|WARNING|ERROR):")


def ptb(*arguments, cwd):
    """What a command writes to stdout and stderr."""
    known = {n: v for n, v in os.environ.items() if n != "TF_CPP_MIN_LOG_LEVEL"}
    result = subprocess.run(
        [sys.executable, "-m", "ptb", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        env=known | {"PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout + result.stderr


@pytest.mark.slow
def test_no_command_prints_a_line_of_a_log(tmp_path, folder):  # noqa: F811
    load(folder, "tfds:made_text")  # prepares it
    train = ("train", "--model=test", "--batch_size=2", "--save_path=run")
    dataset = ("--dataset=tfds:made_text", f"--data_dir={folder}")
    for command in (
        (*train, *dataset, "--sample_every=1"),
        ("evaluate", "--save_path=run"),
        ("generate", "--save_path=run", "--num_words=3"),
        ("export", "--save_path=run", "--export_path=export"),
        ("benchmark", "--export_path=export", "--seconds=0.2"),
        ("explain", "--inside", "--save_path=run", "--text=a a a"),
    ):
        written = ptb(*command, cwd=tmp_path)
        assert [line for line in written.splitlines() if LOG.match(line)] == []
