"""The report of one epoch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from ptb.machine.checked import Limits

# More than all that a run can add up, and little enough to be drawn and printed.
MAXIMUM = 1e100
# Nats a word beyond which nothing is learned any more: perplexity 5e34, and uniform guessing among
# a million words costs 14.
MAX_NATS = 80.0
Count = Annotated[int, Limits(0, MAXIMUM)]
Amount = Annotated[float, Limits(0, MAXIMUM)]


@dataclass(frozen=True)
class EpochReport:
    """The measurements of one epoch: one row of `metrics.csv`.

    Attributes:
      epoch: the number of the epoch, from 1.
      learning_rate: the highest learning rate of the epoch.
      train_perplexity: perplexity of the train split while the weights changed.
      valid_perplexity: perplexity of the valid split at the end of the epoch, of every token, in
        the rows of `ptb.data.reader.validation`.
      mean_grad_norm: mean global norm of the gradient over the windows, before clipping.
      seconds: time of training, in seconds, without validation.
      words_per_second: training speed.
    """

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
