"""Reads files from untrusted sources: the size is bounded, and so are the values of JSON."""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path
from typing import BinaryIO

from ptb.machine.system import open_flags

# Files are read whole into memory before anything in them is known.
MAX_BYTES = 1_000_000
# Integers of as many digits fit into 64 bits.
MAX_DIGITS = 18
MAX_DEPTH = 20


def open_regular(path: Path) -> BinaryIO:
    """Opens a file to read it. Raises OSError for a pipe or a device, which may be endless."""
    return open(path, "rb", opener=_open_regular)


def _open_regular(path: str, flags: int) -> int:
    descriptor = os.open(path, flags | open_flags("O_NONBLOCK"))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    return descriptor


def read_text(path: Path, max_bytes: int = MAX_BYTES) -> str:
    """Reads a UTF-8 file of bounded size. Raises OSError or ValueError."""
    with open_regular(path) as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise ValueError(f"it is larger than {max_bytes:,} bytes")
    return content.decode()


def read_json(path: Path):
    """Reads a JSON file with `parse_json`. Raises OSError or ValueError."""
    return parse_json(read_text(path))


def parse_json(text: str):
    """Parses JSON.

    Raises ValueError for invalid JSON (NaN and Infinity included), for a number beyond the range of
    a float, for an integer of more than MAX_DIGITS digits, and for more than MAX_DEPTH nested lists
    or objects.
    """
    try:
        value = json.loads(
            text, parse_int=_integer, parse_float=_float, parse_constant=_refuse_constant
        )
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    _check_depth(value, MAX_DEPTH)
    return value


def _integer(digits: str) -> int:
    if len(digits.lstrip("-")) > MAX_DIGITS:
        raise ValueError(f"it has an integer of {len(digits)} digits")
    return int(digits)


def _float(digits: str) -> float:
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"it has the number {digits[:20]}, which is too large")
    return value


def _refuse_constant(name: str):
    raise ValueError(f"it has {name}, which is not JSON")


def _check_depth(value, left: int) -> None:
    if isinstance(value, dict | list):
        if not left:
            raise ValueError("it is nested too deeply")
        for each in value.values() if isinstance(value, dict) else value:
            _check_depth(each, left - 1)
