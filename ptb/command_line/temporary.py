"""The folder for temporary files, which `tempfile` needs, and TensorFlow for generated code."""

from __future__ import annotations

import os
import tempfile

MEMORY_FOLDER = "/dev/shm"  # of Linux
MIN_BYTES, MIN_FILES = 1_000_000, 50


def choose_temporary_folder() -> None:
    """Chooses a folder in memory if the system's folder is full or cannot be written."""
    try:
        usable = _has_room(tempfile.gettempdir())
    except FileNotFoundError:
        usable = False
    if not usable and os.access(MEMORY_FOLDER, os.W_OK) and _has_room(MEMORY_FOLDER):
        os.environ["TMPDIR"] = tempfile.tempdir = MEMORY_FOLDER


def check_temporary_folder() -> None:
    """Raises ValueError if there is no folder for temporary files, or no room in it."""
    try:
        folder = tempfile.gettempdir()
    except FileNotFoundError:
        raise ValueError(
            "there is no folder for temporary files: set TMPDIR to one that can be written"
        ) from None
    if not _has_room(folder):
        raise ValueError(
            f"the disk of {folder!r} has no room for temporary files: set TMPDIR to another folder"
        )


def _has_room(folder: str) -> bool:
    if not hasattr(os, "statvfs"):  # Windows
        return True
    disk = os.statvfs(folder)
    # Some file systems have no fixed number of files, and say 0.
    return disk.f_bavail * disk.f_frsize >= MIN_BYTES and (
        disk.f_files == 0 or disk.f_favail >= MIN_FILES
    )
