"""The files of a run folder, and whether what stands in a folder can be a run's.

A folder that has anything else in it is refused before any write.
"""

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
    """Raises ValueError if something is in the folder that no run left which died as it started."""
    refuse_foreign(folder, _named(folder), lambda path: _is_of_a_start(folder, path))


def refuse_all_but_a_run(folder: Path) -> None:
    """Raises ValueError if a file of a run's name in the folder is not what a run wrote there.

    The folder has a `config.json` and no checkpoint, so it may be a record or a user's own.
    """
    refuse_foreign(folder, _named(folder), lambda path: _may_stand_here(folder, path))


def sha256(text: str) -> str:
    """Of its UTF-8, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def is_events(path: Path) -> bool:
    """Whether TensorBoard's writer began the file."""
    with path.open("rb") as file:
        return b"brain.Event:" in file.read(64)


def _named(folder: Path) -> str:
    return f"save_path {str(folder)!r}"


def _is_of_a_start(folder: Path, path: Path) -> bool:
    """Whether a start leaves this that died before it wrote `config.json`."""
    if path.name == "lock":
        return is_lock(path)
    if path.name == "checkpoints":
        return path.is_dir() and not path.is_symlink() and not any(path.iterdir())
    left = re.fullmatch(r"\.config\.json\.([0-9a-f]{32})", path.name)
    lock = folder / "lock"
    return (
        bool(left)
        and is_lock(lock)
        and left[1] in lock.read_text(encoding="utf-8", errors="replace")
    )


def _may_stand_here(folder: Path, path: Path) -> bool:
    """Whether a run leaves this that has no checkpoint yet, or does not touch it."""
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
