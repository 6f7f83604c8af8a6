"""One writer a run folder."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path

MOST_BYTES = 200


class Lock:
    """The right to write in `folder`, from `acquire` until `release` or the end of the process.

    The operating system takes the lock from a process that dies, however it dies, so the file that
    it leaves behind never stands in the way. The file says who holds the lock.
    """

    def __init__(self, folder: Path):
        self._path = folder / "lock"
        self._descriptor: int | None = None

    def acquire(self) -> str | None:
        """Takes the lock; returns who died with it, or None.

        Raises ValueError where another process has it, OSError where the file cannot be written.
        """
        import fcntl  # noqa: PLC0415  (not on Windows, where only --save_path needs it)

        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _printable(os.read(descriptor, MOST_BYTES))
            os.close(descriptor)
            raise ValueError(
                f"save_path {str(self._path.parent)!r} is in use by {holder or 'another process'}: "
                "wait for it, stop it, or give another save_path"
            ) from None
        except OSError:
            os.close(descriptor)
            raise
        died = _printable(os.read(descriptor, MOST_BYTES))
        self._descriptor = descriptor
        self._write(_myself())
        return died or None

    @property
    def lost(self) -> bool:
        """Whether the lock was acquired, and is no longer the one in the folder."""
        if self._descriptor is None:
            return False
        try:
            return not os.path.samestat(os.fstat(self._descriptor), self._path.stat())
        except OSError:
            return True

    def release(self) -> None:
        """Gives the lock back. The file stays, empty: to remove it could remove another's."""
        if self._descriptor is not None:
            self._write("")
            os.close(self._descriptor)
            self._descriptor = None

    def _write(self, text: str) -> None:
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, text.encode(), 0)


def _myself() -> str:
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return f"process {os.getpid()} on {platform.node()}, started {now}"


def _printable(text: bytes) -> str:
    """What another process wrote, on one line and without control characters."""
    return "".join(c for c in text.decode("utf-8", "replace") if c.isprintable())
