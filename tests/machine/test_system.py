"""Without what Linux has: other systems are simulated by taking it away, and never tried."""

import errno
import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest

from ptb.experiments.benchmarks import serving
from ptb.machine import atomic_file, cores, environment, memory, system
from ptb.runs.lock import Lock


class Windows:
    """`msvcrt.locking`: a process may lock a byte that no other one has locked."""

    LK_NBLCK = 2

    def __init__(self):
        self.locked = {}

    def locking(self, descriptor, mode, count):
        place = os.fstat(descriptor).st_ino, os.lseek(descriptor, 0, os.SEEK_CUR)
        assert (mode, count) == (self.LK_NBLCK, 1)
        if place in self.locked:
            raise OSError(errno.EACCES, "Permission denied")
        self.locked[place] = descriptor


@pytest.fixture
def windows(monkeypatch):
    """Neither fcntl nor resource, and a lock of Windows."""
    locks = Windows()
    for name, module in (("fcntl", None), ("resource", None), ("msvcrt", locks)):
        monkeypatch.setitem(sys.modules, name, module)
    for name in ("sched_getaffinity", "sysconf", "getloadavg", "O_NOFOLLOW", "O_NONBLOCK"):
        monkeypatch.delattr(os, name)
    for module in (system, atomic_file):
        monkeypatch.setattr(module, "WINDOWS", True)
    return locks


def test_windows_locks_a_byte_that_no_lock_file_has(tmp_path, windows):
    lock = Lock(tmp_path)
    assert lock.acquire() is None
    assert lock.is_enforced
    assert [place for _, place in windows.locked] == [system.LOCKED_BYTE]
    assert f"process {os.getpid()}" in (tmp_path / "lock").read_text()
    with pytest.raises(ValueError, match=f"in use by process {os.getpid()}"):
        Lock(tmp_path).acquire()
    windows.locked.clear()
    assert Lock(tmp_path).acquire().startswith(f"process {os.getpid()}")


def test_a_system_without_locks_has_the_file_alone(tmp_path, windows, monkeypatch):
    monkeypatch.setitem(sys.modules, "msvcrt", None)
    lock = Lock(tmp_path)
    lock.acquire()
    assert not lock.is_enforced


def test_windows_is_never_asked_for_a_process_by_a_signal(windows, monkeypatch):
    monkeypatch.setattr(os, "kill", pytest.fail)
    assert system.may_run(1)
    ended = []
    child = SimpleNamespace(terminate=lambda: ended.append(1), send_signal=pytest.fail)
    system.send_signal(child, signal.SIGINT)
    assert ended == [1]


def test_a_process_that_has_ended_does_not_run():
    child = subprocess.Popen([sys.executable, "-c", ""])
    assert system.may_run(child.pid)
    child.wait()
    assert not system.may_run(child.pid)
    assert system.may_run(1)


def test_files_are_replaced_and_the_machine_described_without_linux(tmp_path, windows, monkeypatch):
    atomic_file.write_text_atomically(tmp_path / "file", "é\n")
    assert (tmp_path / "file").read_bytes() == "é\n".encode()
    assert not atomic_file.sync_folder(tmp_path)
    monkeypatch.setattr(environment, "lines_of", lambda path: [])
    assert environment.peak_bytes() == 0
    assert cores.available_cores() == os.cpu_count()
    assert system.machine_bytes() == sys.maxsize
    assert memory.address_space_limit() is None
    assert serving._rounded(system.load_average()) == "unknown"


def test_flags_that_the_system_lacks_are_left_out(windows, monkeypatch):
    monkeypatch.setattr(os, "O_BINARY", 1 << 15, raising=False)
    assert system.open_flags("O_RDWR", "O_NOFOLLOW") == os.O_RDWR | 1 << 15
