"""Scores each line of a text: nats, predicted tokens, perplexity.

Axis letters: N = tokens of the text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from ptb.data import reader
from ptb.training.perplexity import Evaluator, Score


@dataclass(frozen=True)
class LineScores:
    """`starts` int64 `[lines + 1]` are where the lines start in the N tokens, and N.

    `nats` float64 and `tokens` int64 `[lines]`: the total of each line over its predicted tokens.
    """

    starts: np.ndarray
    nats: np.ndarray
    tokens: np.ndarray

    def __iter__(self) -> Iterator[Score]:
        """The score of each line, without a time. A line without a predicted token has none."""
        for nats, tokens in zip(self.nats.tolist(), self.tokens.tolist(), strict=True):
            yield Score(nats, tokens, 0.0)


def score_lines(
    evaluator: Evaluator,
    ids: np.ndarray,
    eos: int,
    windows: reader.Windows,
    progress: Callable[[int], None] = lambda tokens: None,
) -> LineScores:
    """Scores each line of ids int32 `[N]`; a line ends with its `eos`.

    `windows` are those of `reader.every_line`: each line reads `eos` first, from a state of zeros,
    and no line depends on another. Or they are those of `reader.every_token`: the state is carried
    from line to line as far as no document begins, and the sum over the lines is the score of the
    whole text. Without documents, nothing predicts the first token.
    """
    nats = evaluator.each(windows, progress)
    first = windows.first
    nats = nats[first : first + len(ids)]
    is_target = np.ones(len(ids), np.int64)
    is_target[0] = first
    starts = reader.line_starts(ids, eos)
    totals = (np.add.reduceat(each, starts[:-1]) for each in (nats, is_target))
    return LineScores(starts, *totals)
