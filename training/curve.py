"""The learning curve of a run as a picture."""

from __future__ import annotations

from typing import BinaryIO

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter, ScalarFormatter

from training.report import EpochReport, best_of

BLUE, ORANGE = "#0072b2", "#d55e00"  # told apart by colour-blind readers too (Okabe and Ito)


def draw_learning_curve(reports: list[EpochReport], file: BinaryIO) -> None:
    """Train and valid perplexity against the epoch, as a PNG, the best epoch marked."""
    epochs = [report.epoch for report in reports]
    best = best_of(reports)
    figure = Figure(figsize=(7, 4), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    train = [report.train_perplexity for report in reports]
    valid = [report.valid_perplexity for report in reports]
    axes.plot(epochs, train, color=BLUE, marker="o", label="train, while learning")
    axes.plot(epochs, valid, color=ORANGE, marker="s", label="valid")
    axes.annotate(
        f"best {best.valid_perplexity:.1f}",
        (best.epoch, best.valid_perplexity),
        xytext=(0, 10),
        textcoords="offset points",
        ha="center",
        color=ORANGE,
    )
    axes.set(xlabel="epoch", ylabel="perplexity (log scale)", yscale="log")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_formatter(ScalarFormatter())
    low, high = min(train + valid), max(train + valid)
    axes.yaxis.set_minor_formatter(ScalarFormatter() if high < 10 * low else NullFormatter())
    axes.grid(alpha=0.3, which="both")
    axes.legend()
    figure.savefig(file, format="png")
