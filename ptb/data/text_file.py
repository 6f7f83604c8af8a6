"""Reads a text file block by block, and refuses files that are not text."""

from __future__ import annotations

import codecs
import contextlib
import gzip
import hashlib
import io
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

from ptb.machine.escape import escape

# Small enough that the words of a block stay in the processor's cache.
BLOCK_BYTES = 1 << 16
HEAD_BYTES = 1024
BYTE_ORDER_MARK = "\ufeff"
BAD_GZIP = (EOFError, gzip.BadGzipFile, zlib.error)
SECONDS_WITHOUT_BAR = 1
# Where in a file stands what, and what that makes of it.
SIGNATURES = (
    (0, b"PK\x03\x04", "a zip archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (0, b"Rar!\x1a\x07", "a RAR archive"),
    (257, b"ustar", "a tar archive"),
    (4, b"1AY&SY", "compressed by bzip2"),
    (0, b"\xfd7zXZ\x00", "compressed by xz"),
    (0, b"\x28\xb5\x2f\xfd", "compressed by zstd"),
)
GZIP = b"\x1f\x8b"
# The longer ones first, as they begin with a shorter one.
OTHER_MARKS = {
    b"\xff\xfe\0\0": "UTF-32LE",
    b"\0\0\xfe\xff": "UTF-32BE",
    b"\xff\xfe": "UTF-16LE",
    b"\xfe\xff": "UTF-16BE",
}


class TextFile:
    """One UTF-8 file, plain or `.gz`.

    After `blocks` has ended, `sha256` is that of the bytes that were read, and `num_marks` counts
    the byte order marks that were left out, not counting one at the start.
    """

    def __init__(self, path: Path):
        self.path = path
        self.sha256: str | None = None
        self.num_marks = 0
        self._is_gzip = path.suffix == ".gz"

    def blocks(self) -> Iterator[str]:
        """The text in blocks: any line break is `\\n`, and there is no byte order mark.

        Raises ValueError for an archive, a damaged `.gz`, NULs, and bytes that are not UTF-8.
        """
        self._refuse_what_is_no_text()
        utf8 = codecs.getincrementaldecoder("utf-8")()
        line_breaks = io.IncrementalNewlineDecoder(None, translate=True)
        starts = True
        for block in self._bytes():
            text = self._decode(utf8, block)
            if starts and text:
                text, starts = text.removeprefix(BYTE_ORDER_MARK), False
            if BYTE_ORDER_MARK in text:
                self.num_marks += text.count(BYTE_ORDER_MARK)
                text = text.replace(BYTE_ORDER_MARK, "")
            if text := line_breaks.decode(text):
                yield text
        self._decode(utf8, b"", final=True)
        if text := line_breaks.decode("", final=True):
            yield text

    def _bytes(self) -> Iterator[bytes]:
        self._num_bytes = 0
        with self.path.open("rb") as raw, _progress_bar(self.path) as update:
            hashed = _Hashed(raw, update)
            file = gzip.GzipFile(fileobj=hashed) if self._is_gzip else hashed  # type: ignore[call-overload]
            try:
                while block := file.read(BLOCK_BYTES):
                    if (place := block.find(0)) >= 0:
                        self._refuse_nul(block, self._num_bytes + place)
                    self._num_bytes += len(block)
                    yield block
            except BAD_GZIP as error:
                raise ValueError(
                    f"{self.path} is a damaged .gz ({error}): compress the text again"
                ) from None
            while hashed.read(BLOCK_BYTES):  # what follows the end of a .gz
                pass
            self.sha256 = hashed.digest.hexdigest()

    def _decode(self, utf8, block: bytes, final: bool = False) -> str:
        try:
            return utf8.decode(block, final)
        except UnicodeDecodeError as error:
            # The decoder names the place in what it was last handed, which ends at _num_bytes.
            place = self._num_bytes - len(error.object) + error.start
            raise ValueError(
                f"{self.path} is not UTF-8 (byte {place}): convert it, for example with iconv"
            ) from None

    def _refuse_what_is_no_text(self) -> None:
        with self.path.open("rb") as file:
            head = file.read(HEAD_BYTES)
            if self._is_gzip:
                file.seek(0)
                # `blocks` says what is wrong with a damaged one.
                with contextlib.suppress(*BAD_GZIP):
                    head = gzip.GzipFile(fileobj=file).read(HEAD_BYTES)
            elif head.startswith(GZIP):
                raise ValueError(
                    f"{self.path} is compressed by gzip: give it a name that ends in .gz, or, if "
                    "it is a .tgz, unpack it and give the text that is in it"
                )
        for place, signature, what in SIGNATURES:
            if head.startswith(signature, place):
                raise ValueError(
                    f"{self.path} is {what}: unpack it and give the text that is in it"
                )
        for mark, encoding in OTHER_MARKS.items():
            if head.startswith(mark):
                raise ValueError(f"{self.path} is {_remedy(encoding)}")

    def _refuse_nul(self, block: bytes, place: int) -> None:
        # Of text in UTF-16, every other byte is mostly zero.
        zeros = [block[start::2].count(0) * 4 > len(block) for start in (0, 1)]
        encoding = {(False, True): "UTF-16LE", (True, False): "UTF-16BE"}.get(tuple(zeros))
        is_what = f"; it looks like {_remedy(encoding)}" if encoding else ": remove it"
        raise ValueError(f"{self.path} has a NUL (byte {place}){is_what}")


def _remedy(encoding: str) -> str:
    return f"{encoding}, which is not UTF-8: convert it with iconv -f {encoding} -t UTF-8"


class _Hashed:
    """A file that keeps the sha256 of what is read from it."""

    def __init__(self, file, update):
        self._file, self._update = file, update
        self.digest = hashlib.sha256()

    def read(self, size: int) -> bytes:
        block = self._file.read(size)
        self.digest.update(block)
        self._update(len(block))
        return block


@contextlib.contextmanager
def _progress_bar(path: Path):
    """Yields a function to call with the number of bytes read; shows a bar for long files."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield lambda num_bytes: None
        return
    from tqdm import tqdm  # noqa: PLC0415  (takes longer to load than a short text to read)

    with tqdm(
        total=path.stat().st_size,
        desc=f"reading {escape(path.name)}",
        unit="B",
        unit_scale=True,
        delay=SECONDS_WITHOUT_BAR,
        leave=False,
    ) as bar:
        yield bar.update
