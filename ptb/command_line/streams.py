"""Makes printing to the standard streams safe: closed streams, narrow encodings, full disks."""

from __future__ import annotations

import io
import os
import sys

OUTPUT = "the output"


def prepare_streams() -> None:
    """Opens the streams that the caller closed, and has every stream take every character.

    What the encoding of a stream lacks is written as an escape, such as \\xe9. An OSError from
    printing has the `filename` OUTPUT, which tells it from an error of any other file.
    """
    # A file that took the number of a closed stream would get what is printed.
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115  (until the end)
    sys.stdout = _tolerant(sys.stdout, 1)
    sys.stderr = _tolerant(sys.stderr, 2)


def discard_output() -> None:
    """Discards what is left in the buffers, so that Python does not try to write it at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):
        if not _can_flush(sys.stdout if number == 1 else sys.stderr):
            os.dup2(nowhere, number)
    os.close(nowhere)


def _can_flush(stream) -> bool:
    try:
        stream.flush()
    except OSError:
        return False
    return True


def _tolerant(stream, number: int):
    """A stream to the same place."""
    file = _Output(number, "wb", closefd=False)
    if stream is None:
        return io.TextIOWrapper(io.BufferedWriter(file), "utf-8", line_buffering=True)
    stream.flush()
    unbuffered = stream.write_through  # python3 -u
    return io.TextIOWrapper(
        file if unbuffered else io.BufferedWriter(file),
        stream.encoding,
        "backslashreplace",
        line_buffering=stream.line_buffering,
        write_through=unbuffered,
    )


class _Output(io.FileIO):
    """Names itself in the errors of writing."""

    def write(self, data):
        try:
            return super().write(data)
        except OSError as error:
            error.filename = OUTPUT
            raise
