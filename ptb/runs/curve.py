"""Draws the learning curve of a run; other pictures use the same logarithmic axis."""

from __future__ import annotations

import math
from typing import BinaryIO

from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator

from ptb.machine.colours import LOSS, TRAIN
from ptb.training.report import EpochReport, best_of


def draw_learning_curve(reports: list[EpochReport], file: BinaryIO) -> None:
    """Train and valid perplexity against the epoch, as a PNG, the best epoch marked."""
    epochs = [report.epoch for report in reports]
    best = best_of(reports)
    figure = Figure(figsize=(7, 4), dpi=120, layout="constrained")
    axes = figure.subplots()
    train = [report.train_perplexity for report in reports]
    valid = [report.valid_perplexity for report in reports]
    axes.plot(epochs, train, color=TRAIN, marker="o", label="train, while learning")
    axes.plot(epochs, valid, color=LOSS, marker="s", label="valid")
    axes.annotate(
        f"best {best.valid_perplexity:.1f}",
        (best.epoch, best.valid_perplexity),
        xytext=(0, 10),
        textcoords="offset points",
        ha="right" if best.epoch > 0.9 * epochs[-1] else "center",
        color=LOSS,
    )
    axes.set(title="Perplexity of each epoch", xlabel="epoch", ylabel="perplexity (log scale)")
    perplexity_axis(axes, train + valid)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(file, format="png")


def perplexity_axis(axes, values: list[float]) -> None:
    """Makes the y axis logarithmic, with ticks for the perplexities that are drawn."""
    log_axis(axes, "y", _round_numbers(min(values), max(values)))


def _round_numbers(low: float, high: float) -> list[float]:
    """The roundest numbers of which four or more are from `low` to `high`, and others around."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    digits = (1, 2, 5), (1, 1.5, 2, 3, 5, 7)
    choices = [
        *([digit * 10.0**k for k in decades for digit in each] for each in digits),
        *(MaxNLocator(bins, steps=(1, 2, 2.5, 5, 10)).tick_values(low, high) for bins in (5, 10)),
    ]
    enough = (c for c in choices if sum(low <= number <= high for number in c) >= 4)
    return [number for number in next(enough, choices[-1]) if number > 0]


def log_axis(axes, which: str, ticks=None) -> None:
    """Makes the axis "x" or "y" logarithmic, with plain numbers at `ticks` if given."""
    axes.set(**{f"{which}scale": "log"})
    axis = getattr(axes, f"{which}axis")
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.12g}"))
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)) if ticks is None else FixedLocator(ticks))
    axis.set_minor_locator(NullLocator())
