"""The learning rate of a case: tried on a grid, which is widened where its best rate is its "
"edge."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ptb.experiments.studies.measurements import Row, values_by

MAX_WIDENINGS = 3


@dataclass(frozen=True)
class Tuning:
    """The best learning rate of those `tried`, in ascending order."""

    rate: float
    tried: tuple[float, ...]

    @property
    def at_edge(self) -> bool:
        """Whether a better rate may lie beyond those tried."""
        return self.rate in (self.tried[0], self.tried[-1])

    def columns(self) -> Row:
        """What each measured row says of it: `learning_rate` comes from the training itself."""
        return {
            "rates_tried": " ".join(f"{rate:g}" for rate in self.tried),
            "rate_at_edge": int(self.at_edge),
        }


def tune(
    train: Callable[[list[float], list[int]], list[Row]],
    grid: Iterable[float],
    seeds: Iterable[int],
    by: str = "valid_nats",
    record: Callable[[Row], None] = lambda row: None,
    also: Iterable[float] = (),
) -> Tuning:
    """Finds the learning rate whose mean of the column `by` over the seeds is the lowest.

    The grid grows by its own ratio beyond an edge that is best, MAX_WIDENINGS times at most.

    Args:
      train: from learning rates and seeds, pair by pair, to the last row of each training.
      grid: at least two learning rates.
      seeds: those of the tuning, apart from those that are measured.
      record: called with every row.
      also: rates to try beside the grid.
    """
    grid, seeds, rows = sorted(grid), list(seeds), []
    ratio, new = grid[1] / grid[0], sorted({*grid, *also})
    for _ in range(1 + MAX_WIDENINGS):
        pairs = list(itertools.product(new, seeds))
        some = train([rate for rate, _ in pairs], [seed for _, seed in pairs])
        for row in some:
            record(row)
        rows += some
        means = {
            rate: sum(values) / len(values)
            for rate, values in values_by(rows, by, "learning_rate").items()
        }
        tuning = Tuning(min(sorted(means), key=means.get), tuple(sorted(means)))
        if not tuning.at_edge:
            return tuning
        low = tuning.rate == tuning.tried[0]
        new = [float(f"{tuning.rate / ratio if low else tuning.rate * ratio:.3g}")]
    return tuning


def tune_and_measure(train, grid, options, by: str = "valid_nats", also=()) -> list[Row]:
    """The rows of `train` at the tuned rate with the seeds that are measured, and `Tuning.columns`.

    `train(learning_rates, seeds)` gives one row or more for each pair; the last row of each pair
    has the column `by`.
    """
    tuning = tune(
        lambda *pairs: _last(train(*pairs)), grid, options.tuning_seeds, by, options.tuned, also
    )
    rows = train([tuning.rate] * len(options.seeds), list(options.seeds))
    return [row | tuning.columns() for row in rows]


def _last(rows: list[Row]) -> list[Row]:
    return list({(row["learning_rate"], row["seed"]): row for row in rows}.values())


def untrained(stack) -> list[Row]:
    """Rows of a stack that has not been trained, with the columns of `tune_and_measure`."""
    from ptb.experiments.studies.stack import finite  # noqa: PLC0415

    losses = stack.nats(stack.corpus.valid, True)
    return [
        {
            "learning_rate": 0.0,
            "seed": seed,
            "updates": 0,
            "words": 0,
            "train_nats": finite(losses[g]),
            "valid_nats": finite(losses[g]),
            "unigram_nats": stack.unigram,
            "grad_norm": 0.0,
            "clipped": 0.0,
            "rates_tried": "0",
            "rate_at_edge": 0,
        }
        for g, seed in enumerate(stack.seeds)
    ]
