"""What is in a text: tokens, types, `<unk>`, the longest line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ptb.data.vocabulary import EOS, Vocabulary


@dataclass(frozen=True)
class SplitSummary:
    """Counts of one split.

    `types` are its distinct tokens before any became `<unk>`; `longest_line` is in tokens, with
    its `<eos>`.
    """

    tokens: int
    types: int
    unknown: int
    longest_line: int

    @property
    def unknown_share(self) -> float:
        """The share of the tokens that are `<unk>`, from 0 to 1."""
        return self.unknown / self.tokens


def summarize(ids: np.ndarray, type_counts: np.ndarray, vocabulary: Vocabulary) -> SplitSummary:
    """The summary of ids `[N]` of the vocabulary, from a text with these counts of its types."""
    unknown = 0 if vocabulary.unknown_id is None else int((ids == vocabulary.unknown_id).sum())
    line_ends = np.flatnonzero(ids == vocabulary.id_of(EOS))
    longest = int(np.diff(line_ends, prepend=-1).max()) if len(line_ends) else len(ids)
    return SplitSummary(len(ids), int((type_counts > 0).sum()), unknown, longest)


def table(summaries: Mapping[str, SplitSummary]) -> str:
    """A row for each split."""
    lines = [f"{'split':<6} {'tokens':>13} {'types':>11} {'<unk>':>8} {'longest line':>13}"]
    for split, row in summaries.items():
        lines.append(
            f"{split:<6} {row.tokens:>13,} {row.types:>11,} {row.unknown_share:>8.2%} "
            f"{row.longest_line:>13,}"
        )
    return "\n".join(lines)
