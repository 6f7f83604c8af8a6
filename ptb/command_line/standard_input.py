"""Reads a text from standard input in place of a file."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

# The name that stands for standard input among files.
STANDARD_INPUT = "-"
BLOCK_BYTES = 1 << 20
MAX_FILE_BYTES = 1 << 34


def read_standard_input(max_bytes: int, remedy: str) -> bytes:
    """Reads all of standard input. Raises ValueError beyond `max_bytes`, or if it is not UTF-8."""
    text = sys.stdin.buffer.read(max_bytes + 1)
    if len(text) > max_bytes:
        raise ValueError(f"standard input has more than {max_bytes:,} bytes: {remedy}")
    try:
        text.decode()
    except UnicodeDecodeError as error:
        raise ValueError(
            f"standard input is not UTF-8 (byte {error.start}): convert it, for example with iconv"
        ) from None
    return text


@contextlib.contextmanager
def standard_input_file() -> Iterator[str]:
    """Copies standard input into a temporary file, which can be read more than once.

    Raises ValueError for more than MAX_FILE_BYTES or a full disk.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "standard input"
        num_bytes = 0
        try:
            with path.open("wb") as file:
                while block := sys.stdin.buffer.read1(BLOCK_BYTES):
                    num_bytes += len(block)
                    if num_bytes > MAX_FILE_BYTES:
                        raise ValueError(
                            f"standard input has more than {MAX_FILE_BYTES:,} bytes: give a file"
                        )
                    file.write(block)
        except OSError as error:
            error.filename = folder  # the disk, which is what matters
            raise
        yield str(path)
