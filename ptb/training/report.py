"""The report of one epoch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from ptb.machine.checked import Limits

# More than all that a run can add up, and little enough to be drawn and printed.
MAXIMUM = 1e100
Count = Annotated[int, Limits(0, MAXIMUM)]
Amount = Annotated[float, Limits(0, MAXIMUM)]


@dataclass(frozen=True)
class EpochReport:
    """One row of `metrics.csv`. Perplexities; seconds of training; words per second."""

    epoch: Count
    learning_rate: Amount
    train_perplexity: Amount
    valid_perplexity: Amount
    mean_grad_norm: Amount
    seconds: Amount
    words_per_second: Amount


def best_of(reports: list[EpochReport]) -> EpochReport:
    """The report with the lowest valid perplexity; the first of equal ones."""
    return min(reports, key=lambda report: report.valid_perplexity)
