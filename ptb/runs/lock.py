"""A lock, so that only one process writes in a run folder."""

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
    """The process that holds a lock, or died with it. `token` names its temporary files."""

    name: str
    token: str | None = None


class Lock:
    """The right to write in `folder`, from `acquire` until `release` or the end of the process.

    The operating system releases the lock when the process dies in any way, so a file that is left
    behind does no harm. The file says who holds the lock.

    On a file system without locks the file alone must do. A process that it names is respected if
    it runs on this machine, or if it belongs to another machine. If two processes start at the same
    moment, the first one finds its lock `lost`.
    """

    def __init__(self, folder: Path):
        self._path = folder / "lock"
        self._descriptor: int | None = None
        self._content = b""
        self.token: str | None = None
        self.is_enforced = True

    def acquire(self, remove_temporary: Callable[[str], None] = lambda token: None) -> str | None:
        """Takes the lock and writes the file; returns the process that died with the lock, or None.

        `remove_temporary` is called with the token of the process that died, before the file with
        the token is overwritten.

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
        """Writes into the file who has the lock, and the token of temporary files."""
        self.token = new_token()
        now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        self._write(
            f"{MARK}process {os.getpid()} on {platform.node()}, started {now}\n"
            f"temporary files: {self.token}\n"
        )

    @property
    def lost(self) -> bool:
        """Whether the lock was acquired, but another file has replaced it."""
        if self._descriptor is None:
            return False
        try:
            if not os.path.samestat(os.fstat(self._descriptor), self._path.stat()):
                return True
            return not self.is_enforced and self._path.read_bytes() != self._content
        except OSError:
            return True

    def release(self) -> None:
        """Releases the lock. The file stays: removing it could remove another process's lock."""
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
    """Whether `Lock` wrote this file, held or not, or was about to write it."""
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        content = file.read(MAX_BYTES).decode(errors="replace")
    return content in (MARK, "") or any(each.fullmatch(content) for each in (SIGNED, EARLIER))


def _holder(content: bytes) -> Holder | None:
    """The process named in a lock file, on one line without control characters; None if none."""
    text = content.decode(errors="replace")
    if text == MARK:
        return None
    signed = SIGNED.fullmatch(text)
    name = "".join(c for c in (signed[1] if signed else text[:200]) if c.isprintable())
    return Holder(name, signed and signed[2]) if name else None


def _may_live(name: str) -> bool:
    """Whether the process may still run: it is alive on this machine, or on another machine."""
    signed = re.match(r"process (\d{1,9}) on (.*), started", name)
    if not signed:
        return False
    if signed[2] != platform.node():
        return True
    if int(signed[1]) == os.getpid():
        return False
    return may_run(int(signed[1]))
