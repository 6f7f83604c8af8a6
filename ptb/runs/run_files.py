"""Lists the files of a run folder, and refuses a folder that has any other file."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from ptb.machine.own_folder import PNG, refuse_foreign
from ptb.machine.untrusted import read_text
from ptb.runs.description import read_description
from ptb.runs.lock import is_lock

# What is written whole, in the folder itself.
FILES = ("config.json", "vocabulary.txt", "metrics.csv", "timing.csv", "learning_curve.png")
BEGINS = {
    "config.json": b"{",
    "metrics.csv": b"epoch,",
    "timing.csv": b"epoch,",
    "learning_curve.png": PNG,
}
# What `ptb.experiments.records.record` writes beside copies of FILES.
RECORD = ("result.json", "train.log", "unfinished")
# `Config` allows ten million words at most, and those of natural text are short.
MAX_VOCABULARY_BYTES = 200_000_000


def refuse_all_but_a_start(folder: Path) -> None:
    """Raises ValueError if the folder has a file that a run stopped at its start cannot leave."""
    refuse_foreign(folder, _named(folder), lambda path: _is_of_a_start(folder, path))


def refuse_all_but_a_run(folder: Path) -> None:
    """Raises ValueError if a file has the name of a run's file, but no run wrote it.

    The folder has a `config.json` but no checkpoint, so it may be a record or a user's folder.
    """
    refuse_foreign(folder, _named(folder), lambda path: _may_stand_here(folder, path))


def sha256(text: str) -> str:
    """The sha256 of a text in UTF-8, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def is_events(path: Path) -> bool:
    """Whether the file begins like one of TensorBoard's writer."""
    with path.open("rb") as file:
        return b"brain.Event:" in file.read(64)


def _named(folder: Path) -> str:
    return f"save_path {str(folder)!r}"


def _is_of_a_start(folder: Path, path: Path) -> bool:
    """Whether a run that died before it wrote `config.json` may leave this file."""
    if path.name == "lock":
        return is_lock(path)
    if path.name == "checkpoints":
        return path.is_dir() and not path.is_symlink() and not any(path.iterdir())
    left = re.fullmatch(r"\.config\.json\.([0-9a-f]{32})", path.name)
    lock = folder / "lock"
    return (
        left is not None
        and is_lock(lock)
        and left[1] in lock.read_text(encoding="utf-8", errors="replace")
    )


def _may_stand_here(folder: Path, path: Path) -> bool:
    """Whether a run without a checkpoint may leave this file, or does not touch it."""
    if path.name in RECORD:
        return False
    if path.name not in ("lock", *FILES):
        return True
    if path.is_symlink() or not path.is_file():
        return False
    if path.name == "lock":
        return is_lock(path)
    if path.name == "vocabulary.txt":
        text = read_text(path, MAX_VOCABULARY_BYTES)
        corpus = read_description(folder / "config.json")["corpus"]
        return sha256(text) == corpus.get("vocabulary_sha256")
    with path.open("rb") as file:
        return file.read(len(BEGINS[path.name])) == BEGINS[path.name]
