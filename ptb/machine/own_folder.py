"""Refuses to overwrite files that this program did not make."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

SHOWN = 3
PNG = b"\x89PNG"  # how a picture begins


def refuse_foreign(
    folder: Path, named: str, is_own: Callable[[Path], bool] = lambda path: False
) -> None:
    """Raises ValueError if a folder has foreign files; the message calls the folder `named`.

    Raises OSError if it cannot be read. A missing folder counts as empty.
    """
    try:
        foreign = sorted(path.name for path in folder.iterdir() if not is_own(path))
    except FileNotFoundError:
        return
    if foreign:
        more = ", ..." if len(foreign) > SHOWN else ""
        raise ValueError(
            f"{named} has files that this program did not make ({', '.join(foreign[:SHOWN])}"
            f"{more}): nothing was changed; give a new folder or an empty one"
        )


def refuse_existing(path: str) -> None:
    """Raises ValueError if something has the name `path`."""
    if os.path.lexists(path):
        raise ValueError(f"{path} exists: give another name")


def refuse_other_content(path: Path, named: str, begins: bytes) -> None:
    """Raises ValueError if a file exists and begins with other bytes; errors call it `named`.

    Raises OSError if it cannot be read. An empty file may be replaced.
    """
    try:
        with path.open("rb") as file:
            content = file.read(len(begins))
    except FileNotFoundError:
        return
    if content not in (begins, b""):
        raise ValueError(f"{named} exists with other content: give another name")


def refuse_no_name(prefix: str) -> None:
    """Raises ValueError for a path of a checkpoint that is a folder's."""
    if os.path.basename(prefix) in ("", ".", "..") or os.path.isdir(prefix):
        raise ValueError(f"{prefix!r} names no checkpoint: give a path such as FOLDER/model")
