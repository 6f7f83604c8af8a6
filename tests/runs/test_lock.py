import errno
import fcntl
import multiprocessing
import os
import re
import subprocess

import pytest

from ptb.runs import lock as lock_module
from ptb.runs.lock import MARK, Lock, is_lock


def hold(folder, ready):
    Lock(folder).acquire()
    ready.set()
    multiprocessing.Event().wait()


def raise_unsupported(descriptor, operation):
    raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock."""
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    process = context.Process(target=hold, args=(tmp_path, ready), daemon=True)
    process.start()
    assert ready.wait(60)
    yield process
    process.kill()
    process.join()


def test_a_second_writer_is_refused_until_the_first_one_dies(tmp_path, holder):
    lock = Lock(tmp_path)
    with pytest.raises(ValueError, match=rf"process {holder.pid} .*started \d{{4}}"):
        lock.acquire()
    holder.kill()
    holder.join()
    assert re.match(rf"process {holder.pid} on .*, started", lock.acquire())
    assert f"process {os.getpid()} on" in (tmp_path / "lock").read_text()
    lock.release()


def test_the_next_writer_learns_the_token_of_the_one_that_died(tmp_path, holder):
    token = (tmp_path / "lock").read_text().split()[-1]
    assert re.fullmatch("[0-9a-f]{32}", token)
    holder.kill()
    holder.join()
    tokens, lock = [], Lock(tmp_path)
    lock.acquire(tokens.append)
    assert tokens == [token]
    assert lock.token not in (None, token)
    lock.release()
    Lock(tmp_path).acquire(tokens.append)
    assert tokens == [token]


def test_a_lock_that_cannot_be_signed_is_not_left(tmp_path, monkeypatch):
    def full(descriptor, content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(lock_module.os, "write", full)
    with pytest.raises(OSError, match="No space left"):
        Lock(tmp_path).acquire()
    assert list(tmp_path.iterdir()) == []


def test_a_lock_is_known_by_its_content(tmp_path):
    lock = Lock(tmp_path)
    lock.acquire()
    assert is_lock(tmp_path / "lock")
    lock.release()
    assert is_lock(tmp_path / "lock")
    for content in ("", "process 7 on host, started 2026-11-26 12:00:00 UTC"):
        (tmp_path / "lock").write_text(content)
        assert is_lock(tmp_path / "lock")
    for content in ("data\n", MARK + "data\n", MARK[:-1]):
        (tmp_path / "lock").write_text(content)
        assert not is_lock(tmp_path / "lock")
    (tmp_path / "link").write_text(MARK)
    (tmp_path / "lock").unlink()
    (tmp_path / "lock").symlink_to("link")
    assert not is_lock(tmp_path / "lock")


@pytest.fixture(params=[errno.EINVAL, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def no_locks(request, monkeypatch):
    """A file system without locks."""

    def flock(descriptor, operation):
        raise OSError(request.param, os.strerror(request.param))

    monkeypatch.setattr(fcntl, "flock", flock)


def test_without_locks_a_process_that_runs_is_respected_and_a_dead_one_is_not(
    tmp_path, no_locks, monkeypatch
):
    child = subprocess.Popen(["sleep", "60"])
    monkeypatch.setattr(lock_module.os, "getpid", lambda: child.pid)
    theirs = Lock(tmp_path)
    assert theirs.acquire() is None
    assert not theirs.is_enforced
    monkeypatch.undo()
    monkeypatch.setattr(fcntl, "flock", raise_unsupported)
    with pytest.raises(ValueError, match=f"process {child.pid} .*no locks"):
        Lock(tmp_path).acquire()
    child.kill()
    child.wait()
    assert Lock(tmp_path).acquire().startswith(f"process {child.pid} on ")


def test_without_locks_a_process_of_another_machine_is_respected(tmp_path, no_locks, monkeypatch):
    monkeypatch.setattr(lock_module.platform, "node", lambda: "elsewhere")
    Lock(tmp_path).acquire()
    monkeypatch.undo()
    monkeypatch.setattr(fcntl, "flock", raise_unsupported)
    with pytest.raises(ValueError, match=r"elsewhere, .*no locks"):
        Lock(tmp_path).acquire()


def test_without_locks_the_first_of_two_that_start_at_once_finds_its_lock_lost(tmp_path, no_locks):
    first, second = Lock(tmp_path), Lock(tmp_path)
    first.acquire()
    assert not first.lost
    second.acquire()  # of the same process, as if neither had seen the other
    assert first.lost
    assert not second.lost
    first.release()
    assert not second.lost


def test_another_error_of_the_lock_is_none_of_a_file_system_without_locks(tmp_path, monkeypatch):
    monkeypatch.setattr(fcntl, "flock", lambda *_: os.stat("/nowhere"))
    with pytest.raises(FileNotFoundError):
        Lock(tmp_path).acquire()


def test_a_released_lock_leaves_no_trace_of_a_writer(tmp_path):
    for _ in range(2):
        lock = Lock(tmp_path)
        assert lock.acquire() is None
        assert not lock.lost
        lock.release()
    assert (tmp_path / "lock").read_text() == MARK


def test_whatever_stands_in_a_lock_that_nobody_holds_is_shown_as_plain_text(tmp_path):
    (tmp_path / "lock").write_bytes(b"\x1b[31m\xff\n" + b"x" * 10_000)
    lock = Lock(tmp_path)
    assert lock.acquire() == "[31m\N{REPLACEMENT CHARACTER}" + "x" * 193
    lock.release()


def test_a_lock_that_is_a_pipe_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "lock")
    with pytest.raises(OSError, match="regular"):
        Lock(tmp_path).acquire()


def test_a_lock_that_is_a_link_is_not_followed(tmp_path):
    (tmp_path / "precious").write_text("data")
    (tmp_path / "lock").symlink_to("precious")
    with pytest.raises(OSError, match="symbolic links"):
        Lock(tmp_path).acquire()
    assert (tmp_path / "precious").read_text() == "data"
