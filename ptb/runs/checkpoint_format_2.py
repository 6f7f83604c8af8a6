"""Reads the checkpoints of format 2, `*.npz`, which are no longer written.

Such a file is an uncompressed NumPy archive of `meta.npy`, JSON as bytes, and of the arrays that
`checkpoint` names. The archive's comment, which is the end of the file, is the sha256 of all before
it, in hexadecimal.
"""

from __future__ import annotations

import hashlib
import os
import re
import zipfile
from typing import BinaryIO

import numpy as np

from ptb.machine.untrusted import parse_json

FORMAT = 2
DIGEST_BYTES = 64
BLOCK_BYTES = 1 << 20
# How a file begins: the archive's first member and its JSON.
HEAD = re.compile(
    rb"PK\x03\x04.{26}meta\.npy.{0,64}?\x93NUMPY.{4}\{[^\n]*\n"
    rb'\{"format": \d+, "run": "([0-9a-f]{64})"',
    re.DOTALL,
)


def read(file: BinaryIO) -> tuple[dict, dict[str, np.ndarray]]:
    """Reads the metadata (`format`, `run`, `progress`) and the arrays.

    Raises ValueError, among others, for a file that no run wrote.
    """
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
        arrays = {
            each.filename.removesuffix(".npy"): _read_array(archive, each) for each in members
        }
    meta = parse_json(arrays.pop("meta").tobytes().decode())
    if not isinstance(meta, dict) or meta.get("format") != FORMAT:
        raise ValueError(f"its format is not {FORMAT}")
    return meta, arrays


def _read_array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    """Reads an array, and checks that the header claims no more bytes than there are."""
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
    """The sha256 of all but the last DIGEST_BYTES of a file; leaves the file at that place."""
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
