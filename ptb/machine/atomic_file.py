"""Writes files atomically: a reader sees the old content or the new, never a part."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from ptb.machine.system import UNSUPPORTED, WINDOWS

# Characters, each of at most 4 bytes: beside the token they fit into the 255 bytes of a file name.
MAX_NAME = 50


def new_token() -> str:
    """32 hexadecimal digits that nobody can guess."""
    return secrets.token_hex(16)


def write_atomically(
    path: Path, write: Callable[[BinaryIO], object], token: str | None = None
) -> None:
    """Calls `write` with a new file beside `path`, syncs it, and renames it to `path`.

    The new file is called `.NAME.TOKEN`, with a new token if none is given, and only the first
    characters of a long NAME.
    """
    temporary = path.with_name(f".{path.name[:MAX_NAME]}.{token or new_token()}")
    # "x": a file that has this name already is not ours. It is not written through, and it stays.
    file = temporary.open("x+b")
    try:
        with file:
            write(file)
            file.flush()
            sync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)
        raise
    sync_folder(path.parent)


def write_text_atomically(path: Path, text: str, token: str | None = None) -> None:
    """Writes `text` in UTF-8 to `path`, as `write_atomically` does."""
    write_atomically(path, lambda file: file.write(text.encode()), token)


def why_not_written(error: Exception) -> str:
    """The reason in an OSError, or in TensorFlow's error for a file that it cannot write."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    # "{...} FILE; No space left on device [Op:...]"
    return str(error).rpartition("; ")[2].partition(" [Op:")[0]


def sync(descriptor: int) -> bool:
    """Waits until a file or folder is on the disk; False if the file system cannot do that."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
        return False
    return True


def sync_folder(folder: Path) -> bool:
    """Syncs the names in a folder: without that, a crash can undo a rename.

    False if the file system cannot do that.
    """
    if WINDOWS:  # where a folder cannot be opened
        return False
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        return sync(descriptor)
    finally:
        os.close(descriptor)
