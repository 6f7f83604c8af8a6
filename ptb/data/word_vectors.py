"""Word vectors as text, as word2vec and GloVe write them: a word and its numbers on each line.

Axis letters: R = words, H = numbers of a vector.

word2vec's files begin with a line of R and H; GloVe's do not. Both are read, and word2vec's form is
written. The numbers are the last H of a line, so a word may have a space in it, or be one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from ptb.data.text_file import TextFile

MAX_VALUES = 8192
MAX_LINE = 1 << 20


def lines(words: Iterable[str], vectors: np.ndarray) -> Iterator[str]:
    """The lines of a file with these `words` and their vectors `[R, H]`, with the line of R and H.

    Each number has the fewest digits that read back as the same float32.
    """
    yield f"{vectors.shape[0]} {vectors.shape[1]}\n"
    for word, vector in zip(words, vectors.astype(np.float32), strict=True):
        yield f"{word} {' '.join(map(str, vector))}\n"


def read(path: str | Path, wanted) -> tuple[tuple[str, ...], np.ndarray]:
    """The words of a file that are in `wanted`, and their vectors float32 `[R, H]`.

    Raises ValueError for a file that is no such text, or has none of the words.
    """
    words, rows, size, promised, number = [], [], None, 0, 0
    seen: set[str] = set()
    for number, line in enumerate(_lines(Path(path)), start=1):
        values = line.rstrip(" ").split(" ")
        if number == 1 and len(values) == 2 and all(v.isascii() and v.isdigit() for v in values):
            promised, size = map(int, values)
            continue
        if size is None:
            size = len(values) - 1
        if not 1 <= size <= MAX_VALUES:
            raise ValueError(f"{path} line {number} has {size} numbers: give vectors")
        word, *numbers = line.rstrip(" ").rsplit(" ", size)
        try:
            with np.errstate(over="ignore"):  # infinity is refused below
                vector = np.array(numbers, np.float32)
        except ValueError:
            vector = np.empty(0, np.float32)
        if len(vector) != size or not np.isfinite(vector).all():
            raise ValueError(
                f"{path} line {number} is not a word followed by {size} finite numbers of float32: "
                "give other vectors"
            )
        if word in wanted and word not in seen:
            seen.add(word)
            words.append(word)
            rows.append(vector)
    if promised and promised > number - 1:  # the first line is no vector
        raise ValueError(
            f"{path} has {number - 1:,} vectors and its first line promises {promised:,}: the file "
            "is cut off; give all of it, or correct its first line"
        )
    if not words:
        raise ValueError(f"{path} has no word of the vocabulary: give other vectors")
    return tuple(words), np.stack(rows)


def _lines(path: Path) -> Iterator[str]:
    rest = ""
    for block in TextFile(path).blocks():
        *whole, rest = (rest + block).split("\n")
        yield from whole
        if len(rest) > MAX_LINE:
            raise ValueError(f"{path} has a line of more than {MAX_LINE:,} characters")
    if rest:
        yield rest
