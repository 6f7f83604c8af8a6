"""Selects the rows, columns, windows and words of a batch that a drawing shows.

`diagram_text.py` draws it for a terminal and `diagram_png.py` as a picture. All read the windows
that `reader` makes for training, so they cannot show anything else.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ptb.data.reader import Windows
from ptb.explain.phrases import say
from ptb.machine.escape import escape

WIDTH, NARROW = 80, 40
LABEL = 9
MAX_ROWS, MAX_COLUMNS, MIN_COLUMNS = 5, 5, 3
LONG = 5  # letters of a word that are worth fewer columns
ELLIPSIS, BLANK = "…", "␣"


@dataclass(frozen=True)
class View:
    """The part of `windows` that fits: windows `first` and the one after it, where there is one.

    `words` are those of the vocabulary, by id. Rows and columns in the middle are left out where
    there are many, or where `width`, the columns of the terminal, is small. `language` is that of
    what is said beside them, "en" or "zh". Raises ValueError for a window that is not there.
    """

    windows: Windows
    words: Sequence[str]
    first: int = 0
    width: int = WIDTH
    language: str = "en"

    def __post_init__(self):
        if not 0 <= self.first < len(self.windows):
            raise ValueError(
                f"window={self.first} is out of bounds: with "
                f"batch_size={self.windows.batch_size} and num_steps={self.windows.num_steps} "
                f"this text has the windows 0 to {len(self.windows) - 1}"
            )

    def say(self, name: str, **values) -> str:
        """A phrase of `phrases.py`."""
        return say(self.language, name, **values)

    @property
    def shown(self) -> range:
        """The windows that are shown, one or two."""
        return range(self.first, min(self.first + 2, len(self.windows)))

    @property
    def rows(self) -> list[int | None]:
        """The rows that are shown; None stands for those left out."""
        return _some(self.windows.batch_size, MAX_ROWS)

    @cached_property
    def columns(self) -> list[int | None]:
        """The columns of each window that are shown; None stands for those left out."""
        shown = np.concatenate([np.ravel(self.windows[k][0]) for k in self.shown])
        wish = min(LONG, max(display_width(self.words[i]) for i in np.unique(shown)))
        return self.columns_where(lambda columns: self._letters(columns) >= wish)

    def columns_where(self, fits: Callable[[list[int | None]], bool]) -> list[int | None]:
        """As many columns as fit; None stands for those left out."""
        for maximum in range(MAX_COLUMNS, MIN_COLUMNS - 1, -1):
            columns = _some(self.windows.num_steps, maximum)
            if fits(columns):
                break
        return columns

    @property
    def word_width(self) -> int:
        """How many letters a word may have, so that two windows fit side by side."""
        return min(16, self._letters(self.columns))

    def _letters(self, columns: list[int | None]) -> int:
        gaps = columns.count(None)
        room = self.width - LABEL - 7 - 4 * gaps
        return max(1, room // (2 * (len(columns) - gaps)) - 1)

    def cells(
        self,
        k: int,
        row: int,
        targets: bool = False,
        columns: list[int | None] | None = None,
        width: int | None = None,
    ) -> list[str]:
        """The shown words of one row of window k, its inputs or its targets, shortened.

        Those of other `columns` than the shown ones, and of another `width`, where they are given.
        """
        ids = self.windows[k][targets][row]
        return [
            ELLIPSIS
            if column is None
            else shorten(self.words[ids[column]], width or self.word_width)
            for column in columns or self.columns
        ]

    def start(self, k: int, row: int) -> int:
        """Where in the text the row of window k begins."""
        return int(self.windows.starts[k, row])


def shorten(word: str, width: int) -> str:
    """Shortens a word to at most `width` columns of a terminal, with an ellipsis.

    A blank, which is a token where characters are read, gets a sign that can be seen, and a
    control character is written out.
    """
    word = escape(word.replace(" ", BLANK))
    if display_width(word) <= width:
        return word
    kept = ""
    for letter in word:
        if display_width(kept + letter) > width - 1:
            break
        kept += letter
    return kept + ELLIPSIS


def display_width(text: str) -> int:
    """Columns of a terminal: two for a Chinese character, none for a combining mark."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def pad(text: str, width: int) -> str:
    """A text with blanks behind it, `width` columns of a terminal wide."""
    return text + " " * (width - display_width(text))


def _some(count: int, maximum: int) -> list[int | None]:
    """0 ... count - 1, with the middle left out where that is more than `maximum`."""
    if count <= maximum:
        return list(range(count))
    return [*range(maximum - 2), None, count - 1]


# Sizes that are drawn where none are given, the best first: two windows of 4 x 5 need 44 tokens.
SIZES = ((4, 5), (3, 4), (2, 3), (2, 2), (1, 2), (1, 1))


def sizes_for(num_tokens: int, batch_size: int | None, num_steps: int | None) -> tuple[int, int]:
    """`batch_size` and `num_steps`, where they are not given the first of SIZES with two windows.

    Of a text that has two windows of none, the last of SIZES.
    """
    for rows, columns in SIZES:
        sizes = batch_size or rows, num_steps or columns
        num_windows = (num_tokens // sizes[0] - 1) // sizes[1]
        if num_windows >= 2 and num_tokens >= (sizes[0] + 1) * sizes[1]:
            return sizes
    return sizes
