"""Programs as `run` has them end, each in a process of its own."""

import os
import signal
import subprocess
import sys
import time

import pytest

from ptb.machine.system import REPEAT_SECONDS
from tests.forked import ROOT

SCRIPTS = sorted(path.name for path in ROOT.glob("*.py"))
TOOLS = ["generate", "table", "study", "study memory"]


def start(*command, folder, **environment):
    return subprocess.Popen(
        [sys.executable, *command],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run_main(main, folder, **environment):
    """Starts `run` with a function of that body."""
    lines = "".join(f"    {line}\n" for line in main)
    program = f"from ptb.command_line.program import *\ndef main():\n{lines}run(main)\n"
    return start("-c", program, folder=folder, **environment)


@pytest.mark.parametrize("script", [*SCRIPTS, *TOOLS])
def test_ctrl_c_during_the_imports_is_quiet(tmp_path, script):
    (tmp_path / "absl.py").write_text("raise KeyboardInterrupt")  # the first that takes a while
    command = (ROOT / script,) if script in SCRIPTS else ("-m", "ptb", *script.split())
    process = start(*command, folder=ROOT, PYTHONPATH=str(tmp_path))
    assert process.communicate() == ("", "")
    assert process.returncode == -signal.SIGINT  # which a shell shows as 130


WAITS_WITH_A_TEMPORARY_FOLDER = [
    "import tempfile, threading",
    "with tempfile.TemporaryDirectory(dir='.'):",
    "    print('waiting', flush=True)",
    "    threading.Event().wait()",
]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_stop_leaves_no_temporary_file(tmp_path, number):
    process = run_main(WAITS_WITH_A_TEMPORARY_FOLDER, tmp_path)
    process.stdout.readline()
    assert len(list(tmp_path.iterdir())) == 1
    process.send_signal(number)
    assert process.communicate() == ("", "")
    assert process.returncode == 128 + number
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("number", "status", "left"),
    [(signal.SIGTERM, -signal.SIGTERM, ""), (signal.SIGHUP, 128 + signal.SIGHUP, "left\n")],
)
def test_a_second_sigterm_ends_what_the_first_does_not_and_a_second_sighup_nothing(
    tmp_path, number, status, left
):
    main = [
        "import threading",
        "try:",
        "    print('waiting', flush=True)",
        "    threading.Event().wait()",
        "finally:",
        "    print('leaving', flush=True)",
        "    threading.Event().wait(2)",
        "    print('left', flush=True)",
    ]
    process = run_main(main, tmp_path)
    for expected in ("waiting\n", "leaving\n"):
        assert process.stdout.readline() == expected
        process.send_signal(number)
    time.sleep(1.1 * REPEAT_SECONDS)
    process.send_signal(number)
    assert process.communicate()[0] == left
    assert process.returncode == status


@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGHUP])
def test_signals_that_come_together_are_one_request(tmp_path, first):
    process = run_main(WAITS_WITH_A_TEMPORARY_FOLDER, tmp_path)
    process.stdout.readline()
    for number in (first, signal.SIGTERM, signal.SIGHUP, signal.SIGTERM):
        process.send_signal(number)
    _, errors = process.communicate()
    assert (process.returncode - 128, errors) in [(signal.SIGTERM, ""), (signal.SIGHUP, "")]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("during", ["with user_errors():", "if True:"], ids=["checks", "work"])
def test_a_full_disk_is_told_from_output_that_cannot_be_printed(tmp_path, during):
    process = run_main([during, "    open('/dev/full', 'w').write('a' * 100_000)"], tmp_path)
    _, errors = process.communicate()
    assert process.returncode == 1
    assert "error: a file cannot be written (No space left on device): make room" in errors
    assert len(errors.splitlines()) == 1


def test_a_full_disk_is_named_by_the_file_that_was_to_be_written(tmp_path):
    main = [
        "from pathlib import Path",
        "from ptb.machine.atomic_file import write_atomically",
        "def write(file):",
        "    raise OSError(errno.ENOSPC, 'No space left on device')",
        "write_atomically(Path('picture.png'), write)",
    ]
    process = run_main(main, tmp_path)
    _, errors = process.communicate()
    assert process.returncode == 1
    assert "error: 'picture.png' cannot be written (No space left on device)" in errors
    assert len(errors.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_other_failures_of_the_disk_keep_their_traceback(tmp_path):
    process = run_main(["raise OSError(errno.EIO, 'broken')"], tmp_path)
    assert "Traceback" in process.communicate()[1]


def test_a_child_that_fails_ends_in_one_line_after_its_own(tmp_path):
    main = ["from ptb.machine.child import call", "import os", "call(os.path.getsize, 'nowhere')"]
    process = run_main(main, tmp_path)
    _, errors = process.communicate()
    assert process.returncode == 1
    *_, of_child, last = errors.splitlines()
    assert "FileNotFoundError" in of_child
    assert "error: " in last
    assert "gave no answer: exit status 1" in last
