"""Saves and loads a checkpoint: weights, optimizer state and progress in one file.

The file is either complete or absent.

A checkpoint is a safetensors file, sealed with a sha256 (`tensor_file`):

    metadata     `format`, `run`: which run it is of, and `progress`: its `Progress` as JSON
    weights/*    each weight under its path in the model; in older files, under its TF1 name
    slots/*      what an optimizer keeps; plain SGD keeps nothing. Of averaged weights, each average
                 as `average/NAME` (but see `averages_by_position`)
    state/*      the recurrent state of the whole batch, float32 `[B, H]` each, in the order in
                 which `tf.nest` flattens it

Format 2, `*.npz`, is read too (`checkpoint_format_2`).
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from models import tf1_names
from ptb.machine.atomic_file import write_atomically
from ptb.machine.memory import memory_bytes
from ptb.machine.untrusted import open_regular, parse_json
from ptb.runs import checkpoint_format_2, tensor_file
from ptb.training.progress import Progress
from ptb.training.state import Snapshot, of_kind

FORMAT = 3
SUFFIX, SUFFIX_2 = ".safetensors", ".npz"
BLOCK_BYTES = 1 << 20
# What `save_checkpoint` begins a file with.
HEAD_BYTES = 1 << 12
HEAD = re.compile(
    rb'.{8}\{"__metadata__":\{"format":"\d+","run":"([0-9a-f]{64})"',
    re.DOTALL,
)


class Damaged(ValueError):
    """The file is no whole checkpoint."""


class Unreadable(ValueError):
    """The file cannot be read here. It may be a whole checkpoint."""


@dataclass(frozen=True, kw_only=True)
class Checkpoint(Snapshot):
    """Everything that a run needs to resume. `run_id` identifies the config and the text."""

    run_id: str


def save_checkpoint(path: Path, checkpoint: Checkpoint, token: str | None = None) -> None:
    """Writes the checkpoint to `path` atomically. Raises OSError if that fails.

    `token` is that of `write_atomically`.
    """
    metadata = {
        "format": str(FORMAT),
        "run": checkpoint.run_id,
        "progress": json.dumps(dataclasses.asdict(checkpoint.progress)),
    }
    tensors = {f"weights/{name}": value for name, value in checkpoint.weights.items()}
    tensors |= {f"slots/{name}": value for name, value in checkpoint.slots.items()}
    tensors |= {f"state/{i:03}": np.asarray(value) for i, value in enumerate(checkpoint.state)}
    write_atomically(path, lambda file: tensor_file.write(file, metadata, tensors), token)


def run_id_of(path: Path) -> str | None:
    """The run id in the first bytes of a checkpoint; None for any other file.

    Reads only these bytes, so it works for truncated and damaged checkpoints too. Raises OSError.
    """
    head = checkpoint_format_2.HEAD if path.suffix == SUFFIX_2 else HEAD
    with _opened(path) as file:
        named = head.match(file.read(HEAD_BYTES)) if file else None
    return named[1].decode() if named else None


def is_blank(path: Path) -> bool:
    """Whether a file is empty or all zeros, as after a crash of the machine."""
    with _opened(path) as file:
        if not file:
            return False
        return not any(any(block) for block in iter(lambda: file.read(BLOCK_BYTES), b""))


def _opened(path: Path) -> contextlib.AbstractContextManager[BinaryIO | None]:
    """Opens a regular file; None for anything else, and if there is none or it is gone by now."""
    if path.is_file() and not path.is_symlink():
        with contextlib.suppress(FileNotFoundError):
            return path.open("rb")
    return contextlib.nullcontext()


def load_checkpoint(path: Path) -> Checkpoint:
    """Loads a checkpoint of `save_checkpoint`, or of the older format 2.

    Raises Damaged if the file is damaged or of another format, Unreadable if it cannot be read
    here, and ValueError if it is missing.
    """
    read = checkpoint_format_2.read if path.suffix == SUFFIX_2 else _read
    try:
        with open_regular(path) as file:
            if os.fstat(file.fileno()).st_size > memory_bytes():
                raise MemoryError
            meta, arrays = read(file)
        for name, array in arrays.items():
            is_slot = name.startswith("slots/") and not name.startswith("slots/average/")
            if not is_slot and array.dtype != np.float32:
                raise ValueError("it has weights, averages or states that are not float32")
            if array.dtype == np.float32 and not np.isfinite(array).all():
                raise ValueError(f"{name} has values that are NaN or infinite")
        parts = {part: of_kind(part, arrays) for part in ("weights", "slots", "state")}
        return Checkpoint(
            run_id=str(meta.get("run")),
            progress=Progress.from_dict(meta.get("progress")),
            weights=tf1_names.renamed(parts["weights"]),
            state=[parts["state"][name] for name in sorted(parts["state"])],
            slots=parts["slots"],
        )
    except FileNotFoundError:
        raise ValueError(f"there is no checkpoint {path}") from None
    except OSError as error:
        raise Unreadable(f"the checkpoint {path} cannot be read ({error.strerror})") from None
    except MemoryError:
        raise Unreadable(f"the checkpoint {path} does not fit into memory") from None
    # safetensors, NumPy and zipfile have many ways to say that a file is not what it should be.
    except Exception as error:
        reason = str(error).splitlines()[0][:100] if str(error) else type(error).__name__
        raise Damaged(f"the checkpoint {path} is damaged ({reason})") from None


def _read(file: BinaryIO) -> tuple[dict, dict[str, np.ndarray]]:
    """Reads the metadata and the tensors of a file of the current format."""
    metadata, tensors = tensor_file.read(file)
    if metadata.get("format") != str(FORMAT):
        raise ValueError(f"its format is not {FORMAT}")
    return metadata | {"progress": parse_json(metadata["progress"])}, tensors
