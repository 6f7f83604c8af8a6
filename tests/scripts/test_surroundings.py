"""The scripts where a container, a shell or a terminal offers little."""

import os
import pwd
import signal
import sys
import tempfile

import pytest

from tests.faults import disk
from tests.forked import one_line_error, run
from tests.scripts.test_serving import saved_run  # noqa: F401  (a fixture)
from tests.scripts.test_train_and_evaluate import text  # noqa: F401  (a fixture)


def no_user():
    """Neither a home folder nor a name."""

    def getpwuid(uid):
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    for name in ("HOME", "USER", "LOGNAME", "USERNAME", "XDG_CACHE_HOME", "MPLCONFIGDIR"):
        os.environ.pop(name, None)
    pwd.getpwuid = getpwuid


def ascii_streams():
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="ascii", errors="strict")


def closed_streams():
    sys.stdin = sys.stdout = None
    os.close(0)
    os.close(1)


def without_linux():
    """Another system, as far as Python tells: what only Linux and other Unixes have is gone."""
    for name in ("fcntl", "resource"):
        sys.modules[name] = None
    for name in ("sched_getaffinity", "sysconf", "memfd_create", "statvfs", "getloadavg"):
        delattr(os, name)
    for name in ("O_NOFOLLOW", "O_NONBLOCK"):
        delattr(os, name)
    del signal.SIGKILL


def succeed(*command, folder, prepare=(no_user, ascii_streams)):
    result = run(*command, folder=folder, prepare=prepare)
    assert result.returncode == 0, result.stderr
    assert "Matplotlib" not in result.stderr
    return result.stdout


@pytest.mark.slow
def test_a_run_without_a_user_in_a_folder_whose_name_the_terminal_lacks(tmp_path):
    (tmp_path / "é中").mkdir()
    for split in ("train", "valid", "test"):
        (tmp_path / "é中" / f"{split}.txt").write_text("中 b c\n" * 40)
    flags = ("--data_path=é中", "--save_path=é中/run", "--model=test", "--num_epochs=1")
    printed = succeed("train.py", *flags, folder=tmp_path)
    assert r"corpus \xe9\u4e2d: vocabulary of 4 words" in printed
    assert (tmp_path / "é中" / "run" / "learning_curve.png").exists()
    assert not (tmp_path / "~").exists()
    result = run("train.py", "--data_path=nö", folder=tmp_path, prepare=[ascii_streams])
    one_line_error(result, "train.py", r"'n\xf6' is not a folder")


@pytest.mark.slow
@pytest.mark.parametrize("prepare", [no_user, ascii_streams, closed_streams, without_linux])
@pytest.mark.parametrize(
    ("command", "file"),
    [
        (("evaluate.py", "--save_path=run"), None),
        (("ptb generate", "--save_path=run", "--num_words=3"), None),
        (("ptb generate", "--save_path=run", "--score=the a w", "--plot=a.png"), "a.png"),
        (("ptb export", "--save_path=run", "--export_path=out"), "out/1/saved_model.pb"),
        (("ptb explain", "--png=a.png"), "a.png"),
    ],
    ids=lambda value: " ".join(value[:3]) if isinstance(value, tuple) else "",
)
def test_every_script_makes_do(tmp_path, saved_run, command, file, prepare):  # noqa: F811
    printed = succeed(*command, folder=tmp_path, prepare=[prepare])
    assert bool(printed) == (prepare is not closed_streams)
    assert file is None or (tmp_path / file).exists()
    assert not (tmp_path / "~").exists()


@pytest.mark.slow
def test_a_home_folder_is_needed_only_for_penn_treebank(tmp_path):
    result = run("train.py", "--dataset=ptb", folder=tmp_path, prepare=[no_user])
    one_line_error(result, "train.py", "no home folder", "--data_dir")


@pytest.mark.slow
@pytest.mark.parametrize("size", ["8k", "40k", "120k"])
def test_an_export_to_a_full_disk_is_one_line_and_leaves_nothing(tmp_path, saved_run, size):  # noqa: F811
    if not disk.mount(tmp_path / "disk", size):
        pytest.skip("nobody may mount a disk here")
    try:
        result = run("ptb export", "--save_path=run", "--export_path=disk/out", folder=tmp_path)
        one_line_error(result, "ptb export", "'disk/out' cannot be written")
        assert list((tmp_path / "disk" / "out").iterdir()) == []
    finally:
        disk.unmount(tmp_path / "disk")


@pytest.mark.slow
def test_a_full_disk_of_temporary_files_is_not_used(tmp_path, saved_run, monkeypatch):  # noqa: F811
    if not disk.mount(tmp_path / "disk", "4k"):
        pytest.skip("nobody may mount a disk here")
    monkeypatch.setenv("TMPDIR", str(tmp_path / "disk"))
    flags = ("--save_path=run", "--num_words=3")
    try:
        assert succeed("ptb generate", *flags, folder=tmp_path, prepare=[forget_folder])
        prepare = [forget_folder, no_memory_folder]
        result = run("ptb generate", *flags, folder=tmp_path, prepare=prepare)
        one_line_error(result, "ptb generate", f"'{tmp_path / 'disk'}' has no room")
    finally:
        disk.unmount(tmp_path / "disk")


def forget_folder():
    """The process that this one was forked from has chosen one."""
    tempfile.tempdir = None


def no_memory_folder():
    from ptb.command_line import temporary  # noqa: PLC0415

    temporary.MEMORY_FOLDER = "/nowhere"


@pytest.mark.slow
def test_a_run_is_trained_and_resumed_on_another_system(tmp_path):
    (tmp_path / "text.txt").write_text("a b c\n" * 40)
    flags = ("--model=test", "--batch_size=4", "--data_path=text.txt", "--save_path=run")
    for epochs in (1, 2):
        command = "train.py", *flags, f"--num_epochs={epochs}"
        succeed(*command, folder=tmp_path, prepare=[without_linux])
        assert len((tmp_path / "run" / "metrics.csv").read_text().splitlines()) == 1 + epochs
