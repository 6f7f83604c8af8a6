"""Text to numbers, fast and in little memory: UTF-8 files become int32 arrays, block by block.

Which id a word gets depends on how often it occurs, which is known only at the end of the text. So
a lexicon numbers the tokens in the order in which they appear, and the corpus renumbers the whole
array once the vocabulary is known. No list of all words is ever held.

A word is what lies between white space. The characters of a line are those of its words, with one
space between two words. Either way `<eos>` ends each line, whatever the line ends in.
"""

from __future__ import annotations

import codecs
import gzip
import io
import itertools
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from ptb.vocabulary import EOS

TOKENS = ("word", "char")
# Small enough that the words of a block stay in the processor's cache.
BLOCK_BYTES = 1 << 16
PART_TOKENS = 1 << 22
NUM_CODE_POINTS = 0x110000


class WordLexicon:
    """Numbers words from 0 in the order in which they first appear."""

    def __init__(self):
        self._ids = defaultdict(itertools.count().__next__)

    @property
    def tokens(self) -> list[str]:
        """The words, in the order of their numbers."""
        return list(self._ids)

    def encode(self, text: str) -> np.ndarray:
        """The numbers of the words of whole lines, int32 `[N]`."""
        # With spaces around it, <eos> cannot stick to a word.
        words = text.replace("\n", f" {EOS} ").split()
        return np.fromiter(map(self._ids.__getitem__, words), np.int32, len(words))


class CharLexicon:
    """Numbers characters from 0; a line break is `<eos>`."""

    def __init__(self):
        self.tokens: list[str] = []
        self._ids = np.full(NUM_CODE_POINTS, -1, np.int32)

    def encode(self, text: str) -> np.ndarray:
        """The numbers of the characters of whole lines, int32 `[N]`."""
        lines = "\n".join(" ".join(line.split()) for line in text.split("\n"))
        code_points = np.frombuffer(lines.encode("utf-32-le"), np.uint32)
        ids = self._ids[code_points]
        if (ids < 0).any():
            new = np.unique(code_points[ids < 0])
            self._ids[new] = np.arange(len(self.tokens), len(self.tokens) + len(new))
            self.tokens += [EOS if point == ord("\n") else chr(point) for point in new]
            ids = self._ids[code_points]
        return ids


def lexicon(tokens: str) -> WordLexicon | CharLexicon:
    """An empty lexicon of `tokens`, "word" or "char". Raises ValueError for anything else."""
    if tokens not in TOKENS:
        raise ValueError(f"tokens={tokens} is unknown: choose from {', '.join(TOKENS)}")
    return WordLexicon() if tokens == "word" else CharLexicon()


def read(path: Path, numbers: WordLexicon | CharLexicon, lowercase: bool = False) -> np.ndarray:
    """The tokens of a UTF-8 text, plain or `.gz`, as numbers int32 `[N]` of the lexicon.

    Raises ValueError where the file is not UTF-8, is a damaged `.gz`, or has fewer than two lines.
    """
    ids = encode_blocks(_blocks(path), numbers, lowercase)
    num_lines = int((ids == numbers.tokens.index(EOS)).sum()) if len(ids) else 0
    if num_lines == len(ids):
        raise ValueError(f"{path} is empty: it needs at least two lines of text")
    if num_lines < 2:
        raise ValueError(f"{path} has one line only: put one sentence on each line")
    return ids


def encode_blocks(
    blocks: Iterable[str], numbers: WordLexicon | CharLexicon, lowercase: bool = False
) -> np.ndarray:
    """The tokens of blocks of whole lines, as numbers int32 `[N]` of the lexicon."""
    parts = [numbers.encode(block.lower() if lowercase else block) for block in blocks]
    return np.concatenate([np.empty(0, np.int32), *parts])


def count(ids: np.ndarray, num_types: int) -> np.ndarray:
    """How often each of the numbers below `num_types` occurs, int64 `[num_types]`."""
    counts = np.zeros(num_types, np.int64)
    for part in _parts(ids):
        counts += np.bincount(part, minlength=num_types)
    return counts


def renumber(ids: np.ndarray, table: np.ndarray) -> None:
    """Puts `table[i]` in the place of each number i, in the array itself."""
    for part in _parts(ids):
        part[:] = table[part]


def _parts(ids: np.ndarray) -> Iterator[np.ndarray]:
    """Views of the array. NumPy widens indices to 64 bits: here never those of a whole text."""
    for start in range(0, len(ids), PART_TOKENS):
        yield ids[start : start + PART_TOKENS]


def _blocks(path: Path) -> Iterator[str]:
    """The text in blocks of whole lines; any line break becomes `\\n`, a byte order mark goes."""
    utf8 = codecs.getincrementaldecoder("utf-8-sig")()
    decoder = io.IncrementalNewlineDecoder(utf8, translate=True)
    rest, num_bytes = "", 0
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
            while block := file.read(BLOCK_BYTES):
                num_bytes += len(block)
                lines, line_break, rest = (rest + decoder.decode(block)).rpartition("\n")
                yield lines + line_break
        rest += decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        # The decoder names the place in what it was last handed, which ends at num_bytes.
        place = num_bytes - len(error.object) + error.start
        raise ValueError(
            f"{path} is not UTF-8 (byte {place}): convert it, for example with iconv"
        ) from None
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{path} is a damaged .gz ({error}): compress the text again") from None
    if rest:
        yield rest if rest.endswith("\n") else f"{rest}\n"
