"""What one epoch came to."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class EpochReport:
    """One row of `metrics.csv`. Perplexities; seconds of training; words per second."""

    epoch: int
    learning_rate: float
    train_perplexity: float
    valid_perplexity: float
    mean_grad_norm: float
    seconds: float
    words_per_second: float


def best_of(reports: list[EpochReport]) -> EpochReport:
    """The report with the lowest valid perplexity, the first where several are equal."""
    return min(reports, key=lambda report: report.valid_perplexity)


def bits_per_character(perplexity: float, tokens: str) -> float | None:
    """log2 of the perplexity where a token is a character; None where it is a word."""
    return math.log2(perplexity) if tokens == "char" else None
