"""One writer a run folder."""

from __future__ import annotations

import errno
import os
import platform
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ptb.machine.atomic_file import new_token
from ptb.machine.system import lock_file, may_run, open_flags

MAX_BYTES = 500
MARK = "lock of a run folder: one process at a time writes here\n"
SIGNED = re.compile(re.escape(MARK) + r"(process .*)\ntemporary files: ([0-9a-f]{32})\n")
# What earlier versions wrote.
EARLIER = re.compile(r"process \d+ on .*, started [\d: -]* UTC")


@dataclass(frozen=True)
class Holder:
    """Who holds a lock, or died with it. `token` names its temporary files; None if unknown."""

    name: str
    token: str | None = None


class Lock:
    """The right to write in `folder`, from `acquire` until `release` or the end of the process.

    The operating system takes the lock from a process that dies, however it dies, so the file that
    it leaves behind never stands in the way. The file says who holds the lock.

    Some file systems have no such locks. There the file alone must do: a process that it names and
    that runs on this machine is respected, one of another machine likewise, and of two that start
    at the same moment the first one finds its lock `lost`.
    """

    def __init__(self, folder: Path):
        self._path = folder / "lock"
        self._descriptor: int | None = None
        self._content = b""
        self.token: str | None = None
        self.is_enforced = True

    def acquire(self, remove_temporary: Callable[[str], None] = lambda token: None) -> str | None:
        """Takes the lock and says so in the file; returns who died with it, or None.

        `remove_temporary` is called with the token of the writer that died, which nobody knows
        any more once the file is written.

        Raises ValueError if another process has it, OSError if the file cannot be written.
        """
        flags = open_flags("O_RDWR", "O_CREAT", "O_NOFOLLOW")
        descriptor = os.open(self._path, flags, 0o644)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):  # a pipe would be read without end
                raise OSError(errno.EINVAL, "its lock is no regular file")
            self.is_enforced = lock_file(descriptor)
            content = os.read(descriptor, MAX_BYTES)
            holder = _holder(content)
            if not self.is_enforced and holder and _may_live(holder.name):
                raise ValueError(
                    f"save_path {str(self._path.parent)!r} seems to be in use by {holder.name} "
                    f"(the file system has no locks): if that process has ended, "
                    f"delete {str(self._path)!r}"
                )
        except BlockingIOError:
            holder = _holder(os.read(descriptor, MAX_BYTES))
            os.close(descriptor)
            raise ValueError(
                f"save_path {str(self._path.parent)!r} is in use by "
                f"{holder.name if holder else 'another process'}: "
                "wait for it, stop it, or give another save_path"
            ) from None
        except (OSError, ValueError):
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        if holder and holder.token:
            remove_temporary(holder.token)
        try:
            self._sign()
        except OSError:
            if not content:
                self._path.unlink()  # an empty file would not be known as a lock
            raise
        return holder.name if holder else None

    def _sign(self) -> None:
        """Says in the file who has the lock, and what its temporary files are named after."""
        self.token = new_token()
        now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        self._write(
            f"{MARK}process {os.getpid()} on {platform.node()}, started {now}\n"
            f"temporary files: {self.token}\n"
        )

    @property
    def lost(self) -> bool:
        """Whether the lock was acquired, and is no longer the one in the folder."""
        if self._descriptor is None:
            return False
        try:
            if not os.path.samestat(os.fstat(self._descriptor), self._path.stat()):
                return True
            return not self.is_enforced and self._path.read_bytes() != self._content
        except OSError:
            return True

    def release(self) -> None:
        """Gives the lock back. The file stays: to remove it could remove another's."""
        if self._descriptor is not None:
            if not self.lost:
                self._write(MARK)
            os.close(self._descriptor)
            self._descriptor = None

    def _write(self, text: str) -> None:
        self._content = text.encode(errors="replace")
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        os.write(self._descriptor, self._content)
        # Last: whoever dies in between leaves a file that begins with the mark.
        os.ftruncate(self._descriptor, len(self._content))


def is_lock(path: Path) -> bool:
    """Whether a file is a lock that `Lock` wrote, held or not, or was about to write."""
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        content = file.read(MAX_BYTES).decode(errors="replace")
    return content in (MARK, "") or any(each.fullmatch(content) for each in (SIGNED, EARLIER))


def _holder(content: bytes) -> Holder | None:
    """Who signed a lock, on one line and without control characters; None if nobody did."""
    text = content.decode(errors="replace")
    if text == MARK:
        return None
    signed = SIGNED.fullmatch(text)
    name = "".join(c for c in (signed[1] if signed else text[:200]) if c.isprintable())
    return Holder(name, signed and signed[2]) if name else None


def _may_live(name: str) -> bool:
    """Whether the process may still run: it does on this machine, or it is on another one."""
    signed = re.match(r"process (\d{1,9}) on (.*), started", name)
    if not signed:
        return False
    if signed[2] != platform.node():
        return True
    if int(signed[1]) == os.getpid():
        return False
    return may_run(int(signed[1]))
