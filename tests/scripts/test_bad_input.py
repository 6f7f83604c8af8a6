"""Wrong input ends with one line on stderr, exit status 1, and nothing done.

`tests/faults/inputs.py` has the table of what is wrong.
"""

import os
import signal
import sys

import pytest

from tests.forked import hide_tensorflow, one_line_error, run


@pytest.mark.parametrize(
    ("script", "flag"),
    [
        ("train.py", "--hidden_size"),
        ("evaluate.py", "--save_path"),
        ("ptb generate", "--top_p"),
        ("ptb export", "--export_path"),
        ("ptb serve", "--port"),
        ("ptb explain", "--unroll"),
        ("ptb launch", "--num_workers"),
        ("ptb benchmark", "--rounds"),
    ],
)
def test_help_answers_without_tensorflow(tmp_path, script, flag):
    answer = run(script, "--helpshort", folder=tmp_path, prepare=[hide_tensorflow])
    assert flag in answer.stdout
    assert answer.stderr == ""
    assert ("--hidden_size" in answer.stdout) == (script in ("train.py", "ptb benchmark"))


def fill_the_disk():
    os.dup2(os.open("/dev/full", os.O_WRONLY), 1)


def close_the_pipe():
    reader, writer = os.pipe()
    os.close(reader)
    os.dup2(writer, 1)
    sys.stdout = os.fdopen(1, "w", closefd=False)


def test_what_cannot_be_printed_ends_in_one_line(tmp_path):
    flags = ("--batch_size=2", "--num_steps=3")
    result = run("ptb explain", *flags, folder=tmp_path, prepare=[fill_the_disk])
    one_line_error(result, "ptb explain", "No space left")
    result = run("ptb explain", *flags, folder=tmp_path, prepare=[close_the_pipe])
    assert (result.returncode, result.stderr) == (128 + signal.SIGPIPE, "")


@pytest.fixture
def text(tmp_path):
    """A folder of text, small but whole."""
    folder = tmp_path / "text"
    folder.mkdir()
    for split, times in (("train", 40), ("valid", 12), ("test", 13)):
        (folder / f"{split}.txt").write_text("the cat sat\nthe dog ran\n" * times)
    return folder


def test_a_batch_that_cannot_be_shared_out_binds_no_run_folder(tmp_path, text):
    flags = ["--model=test", f"--data_path={text}", "--save_path=run", "--distribution=mirrored"]
    result = run("train.py", *flags, "--batch_size=4", "--num_devices=3", folder=tmp_path)
    one_line_error(result, "train.py", "batch_size=4 ")
    assert not list((tmp_path / "run").glob("*.json"))


def test_devices_without_mirrored_are_refused(tmp_path):
    result = run("train.py", "--num_devices=2", folder=tmp_path)
    one_line_error(result, "train.py", "--num_devices=2", "--distribution=mirrored")
