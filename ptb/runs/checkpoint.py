"""Weights and the place in the run, in one file that is either whole or not there.

A checkpoint is an uncompressed NumPy archive, so `np.load` reads it, without pickle:

    meta.npy         JSON: the format, which run it is of, and its `Progress`
    weights/*.npy    each weight under its TF1 name
    slots/*.npy      what an optimizer keeps; plain SGD keeps nothing. Of averaged weights, each
                     average as `average/NAME` (but see `averages_by_position`)
    state/*.npy      the recurrent state of the whole batch, float32 `[B, H]` each, in the order in
                     which `tf.nest` flattens it

The archive's comment, which is the end of the file, is the sha256 of all before it, in hexadecimal.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ptb.machine.atomic_file import write_atomically
from ptb.machine.memory import memory_bytes
from ptb.machine.untrusted import open_regular, parse_json
from ptb.training.progress import Progress
from ptb.training.state import Snapshot

FORMAT = 2
DIGEST_BYTES = 64
BLOCK_BYTES = 1 << 20
# What `save_checkpoint` begins a file with: the archive's first member and its JSON.
HEAD_BYTES = 1 << 12
HEAD = re.compile(
    rb"PK\x03\x04.{26}meta\.npy.{0,64}?\x93NUMPY.{4}\{[^\n]*\n"
    rb'\{"format": \d+, "run": "([0-9a-f]{64})"',
    re.DOTALL,
)


@dataclass(frozen=True, kw_only=True)
class Checkpoint(Snapshot):
    """All that a run resumes from. `run` names the run: its config and its text."""

    run: str


def save_checkpoint(path: Path, checkpoint: Checkpoint, token: str | None = None) -> None:
    """Writes the checkpoint to `path`, all at once. Raises OSError where that fails.

    `token` is that of `write_atomically`.
    """
    meta = {"format": FORMAT, "run": checkpoint.run} | {
        "progress": dataclasses.asdict(checkpoint.progress)
    }
    arrays = {"meta": np.frombuffer(json.dumps(meta).encode(), np.uint8)}
    arrays |= {f"weights/{name}": value for name, value in checkpoint.weights.items()}
    arrays |= {f"slots/{name}": value for name, value in checkpoint.slots.items()}
    arrays |= {f"state/{i:03}": np.asarray(value) for i, value in enumerate(checkpoint.state)}
    write_atomically(path, lambda file: _write_archive(file, arrays), token)


def run_of(path: Path) -> str | None:
    """The run that a checkpoint names in its first bytes; None for any other file.

    Reads no more, so that it is known of a truncated or damaged checkpoint too. Raises OSError.
    """
    if not _is_regular(path):
        return None
    with path.open("rb") as file:
        named = HEAD.match(file.read(HEAD_BYTES))
    return named[1].decode() if named else None


def is_blank(path: Path) -> bool:
    """Whether a file is empty or has nothing but zeros, as after a crash of the machine."""
    if not _is_regular(path):
        return False
    with path.open("rb") as file:
        return not any(any(block) for block in iter(lambda: file.read(BLOCK_BYTES), b""))


def _is_regular(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def load_checkpoint(path: Path) -> Checkpoint:
    """What `save_checkpoint` wrote.

    Raises ValueError where the file is missing, damaged, or of another format.
    """
    try:
        with open_regular(path) as file:
            arrays = _read_archive(file)
        meta = parse_json(arrays.pop("meta").tobytes().decode())
        if not isinstance(meta, dict) or meta.get("format") != FORMAT:
            raise ValueError(f"its format is not {FORMAT}")
        for name, array in arrays.items():
            if not name.startswith("slots/") and array.dtype != np.float32:
                raise ValueError("it has weights or states that are not float32")
            if array.dtype == np.float32 and not np.isfinite(array).all():
                raise ValueError(f"{name} has values that are no number or infinite")
        parts = {part: _with_prefix(arrays, f"{part}/") for part in ("weights", "slots", "state")}
        return Checkpoint(
            run=str(meta.get("run")),
            progress=Progress.from_dict(meta.get("progress")),
            weights=parts["weights"],
            state=[parts["state"][name] for name in sorted(parts["state"])],
            slots=parts["slots"],
        )
    except FileNotFoundError:
        raise ValueError(f"there is no checkpoint {path}") from None
    except OSError as error:
        raise ValueError(f"the checkpoint {path} cannot be read ({error.strerror})") from None
    except MemoryError:
        raise ValueError(f"the checkpoint {path} does not fit into memory") from None
    # NumPy and zipfile have many ways to say that a file is not what it should be.
    except Exception as error:
        reason = str(error).splitlines()[0][:100] if str(error) else type(error).__name__
        raise ValueError(f"the checkpoint {path} is damaged ({reason})") from None


def _write_archive(file: BinaryIO, arrays: Mapping[str, np.ndarray]) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.comment = b"0" * DIGEST_BYTES
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
    digest = _digest(file)
    file.seek(-DIGEST_BYTES, os.SEEK_END)
    file.write(digest)


def _read_archive(file: BinaryIO) -> dict[str, np.ndarray]:
    """Raises ValueError, among others, for what `_write_archive` did not write."""
    if os.fstat(file.fileno()).st_size > memory_bytes():
        raise MemoryError
    digest = _digest(file)
    if file.read() != digest:
        raise ValueError("its checksum is wrong")
    size = file.tell()
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        # Nothing is compressed, so what is read is never more than the file holds.
        stored = all(each.compress_type == zipfile.ZIP_STORED for each in members)
        if not stored or sum(each.file_size for each in members) > size:
            raise ValueError("it is not a plain archive")
        return {each.filename.removesuffix(".npy"): _read_array(archive, each) for each in members}


def _read_array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    """An array whose header does not promise more than the member holds."""
    with archive.open(member) as content:
        version = np.lib.format.read_magic(content)
        if version != (1, 0):
            raise ValueError(f"{member.filename} has the version {version}")
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(content)
        values = content.read()
    if dtype.hasobject:
        raise ValueError(f"{member.filename} has objects in it")
    array = np.frombuffer(values, dtype)
    return array.reshape(shape, order="F" if fortran else "C").copy()


def _digest(file: BinaryIO) -> bytes:
    """The sha256 of all but the last DIGEST_BYTES of a file, which is left standing there."""
    left = file.seek(0, os.SEEK_END) - DIGEST_BYTES
    if left < 0:
        raise ValueError("it is too short")
    file.seek(0)
    digest = hashlib.sha256()
    while left:
        block = file.read(min(left, BLOCK_BYTES))
        if not block:
            raise ValueError("it became shorter")
        digest.update(block)
        left -= len(block)
    return digest.hexdigest().encode()


def _with_prefix(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {n.removeprefix(prefix): a for n, a in arrays.items() if n.startswith(prefix)}
