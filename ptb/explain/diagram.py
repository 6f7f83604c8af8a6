"""What is shown of a batch: which rows, columns and windows, and the words in them.

`diagram_text.py` draws it for a terminal and `diagram_png.py` as a picture. All read the windows
that `reader` makes for training, so they cannot show anything else.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from ptb.data.reader import Windows
from ptb.machine.escape import escape

WIDTH = 80
LABEL = 9
MOST_ROWS, MOST_COLUMNS = 5, 5
ELLIPSIS, BLANK = "…", "␣"


@dataclass(frozen=True)
class View:
    """The part of `windows` that fits: windows `first` and the one after it, where there is one.

    `words` are those of the vocabulary, by id. Rows and columns in the middle are left out where
    there are many. Raises ValueError for a window that is not there.
    """

    windows: Windows
    words: Sequence[str]
    first: int = 0

    def __post_init__(self):
        if not 0 <= self.first < len(self.windows):
            raise ValueError(
                f"window={self.first} is out of bounds: with "
                f"batch_size={self.windows.batch_size} and num_steps={self.windows.num_steps} "
                f"this text has the windows 0 to {len(self.windows) - 1}"
            )

    @property
    def shown(self) -> range:
        """The windows that are shown, one or two."""
        return range(self.first, min(self.first + 2, len(self.windows)))

    @property
    def rows(self) -> list[int | None]:
        """The rows that are shown; None stands for those left out."""
        return _some(self.windows.batch_size, MOST_ROWS)

    @property
    def columns(self) -> list[int | None]:
        """The columns of each window that are shown; None stands for those left out."""
        return _some(self.windows.num_steps, MOST_COLUMNS)

    @property
    def word_width(self) -> int:
        """How many letters a word may have, so that two windows fit side by side."""
        gaps = self.columns.count(None)
        columns = len(self.columns) - gaps
        return min(16, (WIDTH - LABEL - 7 - 4 * gaps) // (2 * columns) - 1)

    def cells(self, k: int, row: int, targets: bool = False) -> list[str]:
        """The shown words of one row of window k, its inputs or its targets, shortened."""
        ids = self.windows[k][targets][row]
        return [
            ELLIPSIS if column is None else shorten(self.words[ids[column]], self.word_width)
            for column in self.columns
        ]

    def start(self, k: int, row: int) -> int:
        """Where in the text the row of window k begins."""
        return int(self.windows.starts[k, row])


def shorten(word: str, width: int) -> str:
    """The word, or its beginning and an ellipsis, in at most `width` columns of a terminal.

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


def _some(count: int, most: int) -> list[int | None]:
    """0 ... count - 1, with the middle left out where that is more than `most`."""
    if count <= most:
        return list(range(count))
    return [*range(most - 2), None, count - 1]
