"""Named tensors and text in one safetensors file, sealed with a sha256.

The file is a plain safetensors file, which any reader of that format opens unchanged:

    8 bytes      the length of the header
    the header   JSON: `__metadata__`, then each tensor's dtype, shape and place
    the rest     the tensors' bytes

The metadata has the texts given to `write`, and `sha256`: the digest of the whole file with 64
zeros in place of the digest. The digest cannot stand at the end: the format allows nothing after
the tensors, and other readers would take an extra tensor for a weight. `read` computes the digest
from the bytes it has read, since the file may have been replaced in the meantime.

`safetensors` reads; this module writes. Its own writer makes a copy of all tensors in memory
(`serialize`), or writes to a temporary file of its own naming, which a kill would leave behind
(`serialize_file`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import BinaryIO

import numpy as np
from safetensors import safe_open

ALIGNMENT = 8
NO_DIGEST = "0" * 64
DTYPES = {"<f8": "F64", "<f4": "F32", "<i8": "I64", "<i4": "I32", "|u1": "U8", "|b1": "BOOL"}

Tensors = Mapping[str, np.ndarray]


def write(file: BinaryIO, metadata: Mapping[str, str], tensors: Tensors) -> None:
    """Writes the metadata and the tensors, which are not copied. Raises ValueError for a dtype that
    is not in DTYPES.
    """
    for block in _blocks(_sealed(metadata, tensors), tensors):
        file.write(block)


def read(file: BinaryIO) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    """Reads the metadata and the tensors of a file that `write` wrote.

    Raises ValueError if its digest is wrong, SafetensorError if it is no safetensors file at all.
    """
    # Not mapped into memory: an error of the disk would end the process there.
    with safe_open(file.name, "np", backend="pread") as opened:
        metadata = opened.metadata() or {}
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    digest = metadata.pop("sha256", None)
    if digest != _sealed(metadata, tensors)["sha256"]:
        raise ValueError("its checksum is wrong")
    return metadata, tensors


def _sealed(metadata: Mapping[str, str], tensors: Tensors) -> dict[str, str]:
    """The metadata with the digest."""
    digest = hashlib.sha256()
    for block in _blocks({**metadata, "sha256": NO_DIGEST}, tensors):
        digest.update(block)
    return {**metadata, "sha256": digest.hexdigest()}


def _blocks(metadata: Mapping[str, str], tensors: Tensors) -> Iterator[bytes | memoryview]:
    """The bytes of the file; the order of the arguments does not change them.

    Short texts come first, so that the first bytes tell the most; and wide values, so that each
    tensor is aligned.
    """
    names = sorted(tensors, key=lambda name: (-tensors[name].itemsize, name))
    texts = sorted(metadata.items(), key=lambda item: (len(item[1]), item[0]))
    header: dict[str, Mapping] = {"__metadata__": dict(texts)}
    end = 0
    for name in names:
        array, begin = tensors[name], end
        end += array.nbytes
        if array.dtype.str not in DTYPES:
            raise ValueError(f"{name} has the dtype {array.dtype}")
        header[name] = {
            "dtype": DTYPES[array.dtype.str],
            "shape": array.shape,
            "data_offsets": (begin, end),
        }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    yield len(text).to_bytes(8, "little")
    yield text
    for name in names:
        yield np.asarray(tensors[name], order="C").reshape(-1).view(np.uint8).data
