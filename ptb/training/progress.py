"""The progress of a run: with weights and state, all that is needed to resume."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Annotated

from ptb.machine.checked import Limits, check, check_fields, make
from ptb.training.report import Amount, Count, EpochReport

STRETCH = 100
# "Below V" must be more than the noise of an untrained model, which costs about log V a word.
LEARNED_SHARE = 0.9
# A rollback halves the learning rate, and there are few of them.
SMALLEST_FACTOR = 1e-100


@dataclass(frozen=True)
class Progress:
    """A place in a run, and the sums up to that place.

    Where each window of an epoch lies and what its dropout draws follow from the seed, the epoch
    and the window alone, so this is also the reader's position and the state of the generators.
    Sums are added up window by window: they do not depend on where a run was interrupted.

    `epoch`            0, 1, ...: the current epoch
    `window`           number of finished windows of this epoch
    `cost`             sum of the costs of these windows, in nats; each is a sum over T of a mean
                       over B
    `grad_norm`        sum of the gradient norms of these windows
    `seconds`          training time of these windows, over all starts of the run
    `stretch_windows`  windows since the last full stretch of STRETCH
    `stretch_cost`     sum of the costs of these windows, in nats
    `learned`          whether a full stretch has cost clearly less than guessing
    `rate_factor`      factor on the learning rate after rollbacks
    `rollbacks`        number of rollbacks, also of those at a learning rate that was changed since
    `best_epoch`       the epoch, from 1, with the best weights; 0 for none
    `reports`          one for each finished epoch
    """

    epoch: Count = 0
    window: Count = 0
    cost: Amount = 0.0
    grad_norm: Amount = 0.0
    seconds: Amount = 0.0
    stretch_windows: Annotated[int, Limits(0, STRETCH - 1)] = 0
    stretch_cost: Amount = 0.0
    learned: bool = False
    rate_factor: Annotated[float, Limits(SMALLEST_FACTOR, 1)] = 1.0
    rollbacks: Count = 0
    best_epoch: Count = 0
    reports: tuple[EpochReport, ...] = field(default=(), repr=False)

    def __post_init__(self):
        """Raises ValueError for values that no run can reach."""
        check_fields(self)
        epochs = [report.epoch for report in self.reports]
        if epochs != list(range(1, len(epochs) + 1)) or len(epochs) != self.epoch:
            raise ValueError(f"epoch={self.epoch} does not follow the epochs that are reported")
        Limits(0, self.epoch).check("best_epoch", self.best_epoch)

    @classmethod
    def from_dict(cls, values) -> Progress:
        """The inverse of `dataclasses.asdict`. Raises ValueError for anything else."""
        check("progress", values, dict)
        reports = values.get("reports")
        check("reports", reports, tuple)
        made = tuple(make(EpochReport, report, "a report") for report in reports)
        return make(cls, values | {"reports": made}, "progress")

    @property
    def best(self) -> EpochReport | None:
        """The report of the epoch with the best weights."""
        return self.reports[self.best_epoch - 1] if self.best_epoch else None

    @property
    def halvings(self) -> int:
        """How often rollbacks have halved the present learning rate."""
        return round(-math.log2(self.rate_factor))

    def count(self, costs, grad_norms, seconds: float, words_per_row: int, vocab_size: int):
        """The progress after more windows, and whether one of them ended a stretch of rising cost.

        `costs` and `grad_norms` are one float for each window, `words_per_row` is T.
        """
        cost, grad_norm = self.cost, self.grad_norm
        windows, stretch, learned, rises = (
            self.stretch_windows,
            self.stretch_cost,
            self.learned,
            False,
        )
        for window_cost, window_norm in zip(costs, grad_norms, strict=True):
            cost, grad_norm = cost + window_cost, grad_norm + window_norm
            windows, stretch = windows + 1, stretch + window_cost
            if windows == STRETCH:
                nats = stretch / (STRETCH * words_per_row)
                rises = rises or nats > _most_nats(learned, vocab_size)
                learned = learned or nats < math.log(LEARNED_SHARE * vocab_size)
                windows, stretch = 0, 0.0
        after = dataclasses.replace(
            self,
            window=self.window + len(costs),
            cost=cost,
            grad_norm=grad_norm,
            seconds=self.seconds + seconds,
            stretch_windows=windows,
            stretch_cost=stretch,
            learned=learned,
        )
        return after, rises

    def rising(self, words_per_row: int, vocab_size: int) -> bool:
        """Whether the current stretch costs more than the maximum."""
        words = self.stretch_windows * words_per_row
        return self.stretch_cost > words * _most_nats(self.learned, vocab_size)

    def next_epoch(self, report: EpochReport) -> Progress:
        """The progress at the start of the next epoch."""
        best = self.best
        better = best is None or report.valid_perplexity < best.valid_perplexity
        return dataclasses.replace(
            self,
            epoch=self.epoch + 1,
            window=0,
            cost=0.0,
            grad_norm=0.0,
            seconds=0.0,
            best_epoch=report.epoch if better else self.best_epoch,
            reports=(*self.reports, report),
        )

    def rolled_back(self, diverged: Progress) -> Progress:
        """This place after a rollback from `diverged`, which halves the learning rate.

        What the windows before it cost says nothing of that rate, so the stretch begins anew.
        """
        return dataclasses.replace(
            self,
            rollbacks=diverged.rollbacks + 1,
            rate_factor=diverged.rate_factor / 2,
            stretch_windows=0,
            stretch_cost=0.0,
        )


def _most_nats(learned: bool, vocab_size: int) -> float:
    """The maximum cost of a word: that of guessing, or twice that before anything was learned."""
    return (1 if learned else 2) * math.log(vocab_size)
