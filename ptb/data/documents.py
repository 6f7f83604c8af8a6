"""Finds the starts of documents, where the recurrent state is set to zero.

    text       a b <eos> c d <eos> <eos> e <eos>
    stream   <eos> a b <eos> c d <eos> <eos> e <eos>      `<eos>` comes before the first document

    line         x      x        x    x                   the state is zeroed before these are read
    blank_line   x                    x

A document's first token is predicted from the `<eos>` before it, which is read from a state of
zeros. So each token of the text is predicted once, also the very first.

Axis letters: N = tokens of the text.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ptb.data.vocabulary import EOS, Vocabulary

NONE, LINE, BLANK_LINE = RESET_AT = ("none", "line", "blank_line")


@dataclass(frozen=True)
class Borders:
    """Documents end at each `<eos>`, or at each blank line: an `<eos>` right after another.

    `eos` is the id of `<eos>`, and `at` is LINE or BLANK_LINE.
    """

    at: str
    eos: int

    def stream(self, ids: np.ndarray) -> np.ndarray:
        """The stream to read, int32 `[1 + N]`: `eos`, then the ids of the text."""
        return np.concatenate([[self.eos], ids]).astype(np.int32)

    def resets(self, stream: np.ndarray) -> np.ndarray:
        """bool, one for each token of the stream: whether the state is zeroed before it is read.

        This depends only on earlier tokens, so text can be read and written token by token.
        """
        is_eos = stream == self.eos
        if self.at == LINE:
            return is_eos
        return is_eos & np.concatenate([[False], is_eos[:-1]])

    def count(self, ids: np.ndarray) -> int:
        """The number of documents in a text: of lines, or of blocks between blank lines."""
        stream = self.stream(ids)
        starts = self.resets(stream)
        if self.at == LINE:
            return 1 + int(starts[1:-1].sum())
        starts[0] = True  # the first block may have no blank line before it
        return int((starts[:-1] & (stream[1:] != self.eos)).sum())


def borders_of(reset_at: str, vocabulary: Vocabulary) -> Borders | None:
    """The borders that `reset_at` names, one of RESET_AT; None for NONE.

    Raises ValueError for a vocabulary without `<eos>`.
    """
    if reset_at == NONE:
        return None
    if vocabulary.eos_id is None:
        raise ValueError(
            f"reset_at={reset_at} needs {EOS}, which the vocabulary lacks: leave out reset_at"
        )
    return Borders(reset_at, vocabulary.eos_id)
