import multiprocessing
import os
import re

import pytest

from training.lock import Lock


def hold(folder, ready):
    Lock(folder).acquire()
    ready.set()
    multiprocessing.Event().wait()


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
    with pytest.raises(ValueError, match=rf"in use by process {holder.pid} on .*, started \d{{4}}"):
        lock.acquire()
    holder.kill()
    holder.join()
    assert re.match(rf"process {holder.pid} on .*, started", lock.acquire())
    assert f"process {os.getpid()} on" in (tmp_path / "lock").read_text()
    lock.release()


def test_a_released_lock_leaves_no_trace_of_a_writer(tmp_path):
    for _ in range(2):
        lock = Lock(tmp_path)
        assert lock.acquire() is None
        assert not lock.lost
        lock.release()
    assert (tmp_path / "lock").read_text() == ""


def test_whatever_stands_in_a_lock_that_nobody_holds_is_shown_as_plain_text(tmp_path):
    (tmp_path / "lock").write_bytes(b"\x1b[31m\xff\n" + b"x" * 10_000)
    lock = Lock(tmp_path)
    assert lock.acquire() == "[31m\N{REPLACEMENT CHARACTER}" + "x" * 193
    lock.release()


def test_a_lock_that_is_a_link_is_not_followed(tmp_path):
    (tmp_path / "precious").write_text("data")
    (tmp_path / "lock").symlink_to("precious")
    with pytest.raises(OSError, match="symbolic links"):
        Lock(tmp_path).acquire()
    assert (tmp_path / "precious").read_text() == "data"
