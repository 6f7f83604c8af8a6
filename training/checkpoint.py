"""Weights and the place in the run, in one file that is either whole or not there.

A checkpoint is an uncompressed NumPy archive: each weight under its TF1 name, and `meta`, a JSON
text. NumPy reads it without pickle, so reading runs nothing.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np

FORMAT = 1
REMEDY = "train with another save_path, or delete the folder checkpoints in this one and train anew"


def save_checkpoint(path: Path, weights: dict[str, np.ndarray], meta: dict) -> None:
    """Writes `weights` and the JSON-compatible `meta` to `path`, all at once."""
    text = np.frombuffer(json.dumps(meta | {"format": FORMAT}).encode(), np.uint8)
    write_atomically(path, lambda file: np.savez(file, meta=text, **weights))


def load_checkpoint(path: Path) -> tuple[dict[str, np.ndarray], dict]:
    """The weights and meta that `save_checkpoint` wrote.

    Raises ValueError where the file is missing, damaged, or of another format.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            weights = {name: archive[name] for name in archive.files}
        meta = json.loads(weights.pop("meta").tobytes())
    except FileNotFoundError:
        raise ValueError(f"there is no checkpoint {path}: {REMEDY}") from None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"the checkpoint {path} is damaged ({type(error).__name__}): {REMEDY}"
        ) from None
    if not isinstance(meta, dict) or meta.get("format") != FORMAT:
        raise ValueError(f"the checkpoint {path} has another format than {FORMAT}")
    return weights, meta


def write_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Has `write` fill a temporary file beside `path`, syncs it, and renames it to `path`."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
