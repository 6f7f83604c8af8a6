"""Functions that only some operating systems have, with a substitute for the others.

The program is tested on Linux. For macOS and Windows, tests take away here what those systems
lack. Other guards are beside their only caller: cores (`cores.py`), memory
(`memory.py`, `environment.py`), folders (`atomic_file.py`), temporary files
(`ptb/command_line/temporary.py`, `devices.py`).
"""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

WINDOWS = os.name == "nt"
SIGKILL = getattr(signal, "SIGKILL", signal.SIGTERM)
HANGUP: int | None = getattr(signal, "SIGHUP", None)  # the terminal was closed
# So soon after the first, a signal is no second request: `timeout` sends each to the process and to
# its group.
REPEAT_SECONDS = 0.5
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, *([HANGUP] if HANGUP else []))
# How file systems say that they cannot do what was asked, whatever the file.
UNSUPPORTED = {errno.EINVAL, errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}
# Of a lock: Windows locks a part of a file, which nobody else can read. No lock file is as long.
LOCKED_BYTE = 1 << 30


def open_flags(*names: str) -> int:
    """The flags of `os.open` with these names, as far as the system has them.

    Without O_BINARY, which only Windows has, Windows turns a line break into two characters.
    """
    flags = 0
    for name in ("O_BINARY", *names):
        flags |= getattr(os, name, 0)
    return flags


def lock_file(descriptor: int) -> bool:
    """Locks an open file until it is closed; False if the system or its file system cannot.

    Raises BlockingIOError if another process has locked it.
    """
    try:
        import fcntl  # noqa: PLC0415  (not on Windows)
    except ImportError:
        return _lock_byte(descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
        return False
    return True


def _lock_byte(descriptor: int) -> bool:
    try:
        import msvcrt  # noqa: PLC0415  (on Windows alone)
    except ImportError:
        return False
    os.lseek(descriptor, LOCKED_BYTE, os.SEEK_SET)
    try:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EDEADLK):
            raise
        raise BlockingIOError(error.errno, "it is locked") from None
    finally:
        os.lseek(descriptor, 0, os.SEEK_SET)
    return True


def may_run(pid: int) -> bool:
    """Whether a process with this number may exist; always true on Windows, which cannot tell."""
    if WINDOWS:  # `os.kill(pid, 0)` would send it a Ctrl-C
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def ends_at_once(number: int, first: float) -> bool:
    """Whether a signal to stop, after one at the time `first` (`time.monotonic`), ends the process.

    SIGHUP never does: when a terminal is closed, the shell and the system may each send one.
    """
    return number != HANGUP and time.monotonic() > first + REPEAT_SECONDS


def handle_stop_signals(handler) -> dict:
    """Makes `handler` handle STOP_SIGNALS, but for those that are ignored, as SIGHUP under nohup.

    Returns what handled each of them before, for `restore_handlers`.
    """
    handled = [n for n in STOP_SIGNALS if signal.getsignal(n) is not signal.SIG_IGN]
    return {number: signal.signal(number, handler) for number in handled}


def restore_handlers(handlers: dict) -> None:
    """Sets the handler of each signal."""
    for number, handler in handlers.items():
        signal.signal(number, handler)


def send_signal(process: subprocess.Popen, number: int) -> None:
    """Sends a signal to a child process. On Windows, which has no signals, ends the child."""
    if WINDOWS:
        process.terminate()
    else:
        process.send_signal(number)


def lines_of(path: Path) -> list[str]:
    """The lines of a file in which Linux describes itself; empty if it cannot be read.

    Names in it, such as that of a control group, need not be UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def machine_bytes() -> int:
    """The memory of this machine in bytes; `sys.maxsize` if unknown, as on Windows."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return sys.maxsize


def load_average() -> float | None:
    """The average number of busy processes in the last minute; None on Windows."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None
