"""A child answers from any folder, passes on what it prints, and never outlives its time."""

import os
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest

from ptb.machine import child
from ptb.machine.child import ROOT, Child, ChildFailed, call

TOP = child.__name__.partition(".")[0]
# What a user's own folder may have: of this project's names, and of the standard library's.
NAMES = ("models", "ptb", "train", TOP, "json")


def add(*numbers):
    print("printed")
    return {"sum": sum(numbers), "array": np.arange(3, dtype=np.int32), "scalar": np.float32(0.5)}


def work(first):
    """Adds up what it is told."""
    total = first
    while True:
        (number,) = yield [os.getpid(), total]
        if number is None:
            raise KeyError("no number")
        total += number


def sleep(seconds):
    time.sleep(seconds)


def where():
    import models  # noqa: PLC0415
    import ptb  # noqa: PLC0415

    return [os.path.dirname(os.path.dirname(each.__file__)) for each in (models, ptb)]


def test_a_function_is_called_in_another_process_and_what_it_prints_goes_to_stderr(capfd):
    assert call(add, 1, 2.5) == {"sum": 3.5, "array": [0, 1, 2], "scalar": 0.5}
    assert capfd.readouterr() == ("", "printed\n")


def test_a_generator_answers_each_command_and_children_do_not_share_it():
    with Child(work, 1) as one, Child(work, 10) as other:
        for each in (one, other):
            each.send(5)
        (pid, before), (other_pid, _) = one.receive(), other.receive()
        assert before == 1
        assert one.receive() == [pid, 6]
        assert other.receive() == [other_pid, 15]
        assert one.ask(0.5) == [pid, 6.5]
        assert len({pid, other_pid, os.getpid()}) == 3
    for each in (pid, other_pid):
        with pytest.raises(ProcessLookupError):
            os.kill(each, 0)


def test_a_child_that_fails_says_why(capfd):
    with Child(work, 1, quiet=True) as quiet:
        quiet.receive()
        with pytest.raises(ChildFailed) as raised:
            quiet.ask(None)
        assert raised.value.reason == "KeyError: 'no number'"
        with pytest.raises(ChildFailed):
            quiet.ask(1)
    assert capfd.readouterr().err == ""
    with Child(work, 1) as loud:
        loud.receive()
        with pytest.raises(ChildFailed, match=r"work .*status 1"):
            loud.ask(None)
    assert capfd.readouterr().err.rstrip().endswith("KeyError: 'no number'")


def test_a_child_that_outlives_its_time_is_killed():
    with pytest.raises(ChildFailed, match=r"sleep .*0\.2 s"):
        call(sleep, 60, seconds=0.2)


def test_environment_and_prefix_are_the_childs():
    environment = {"FIRST": "1", "SECOND": "2"}
    prefix = ["env", "SECOND=3"]
    values = [
        call(os.getenv, name, environment=environment, prefix=prefix)
        for name in ("FIRST", "SECOND")
    ]
    assert values == ["1", "3"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working folder: a user's, whose modules have the names of ours."""
    path = tmp_path / "mine"
    path.mkdir()
    for name in NAMES:
        (path / f"{name}.py").write_text("raise SystemExit('the wrong module')\n")
    monkeypatch.chdir(path)
    return path


@pytest.mark.parametrize("first", ["", "."])
def test_a_child_imports_this_project_from_a_folder_with_modules_of_its_names(
    folder, monkeypatch, first
):
    monkeypatch.setattr(sys, "path", [first, *sys.path])
    assert call(where) == [str(ROOT)] * 2


def test_a_child_of_the_installed_project_imports_that(folder, tmp_path):
    site = tmp_path / "site"
    shutil.copytree(ROOT / TOP, site / TOP)
    (site / "program.py").write_text(
        f"import sys, {TOP}\n"
        f"from {child.__name__} import call\n"
        f"def measure(number): return [number, {TOP}.__file__]\n"
        "if __name__ == '__main__': print(sys.argv[1:], call(measure, 7))\n"
    )
    result = subprocess.run(
        [sys.executable, "-P", "-m", "program", "a", "b"],
        env=os.environ | {"PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.stdout == f"['a', 'b'] [7, '{site / TOP / '__init__.py'}']\n", result.stderr
