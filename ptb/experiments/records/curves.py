"""Draws the valid perplexity of records by epoch, beside the tutorial's published results.

    ptb curves results/ptb results/ptb/curves.png

A record belongs to the preset whose recipe it follows, in any precision. An unfinished run is drawn
up to its last epoch. The tutorial's results are those of its last epoch in block mode, from the
pull request that added this mode (tensorflow/models, 2276).
"""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ptb.command_line.program import check_output_file, run_tool, user_errors
from ptb.experiments.records.record import column, preset_of
from ptb.machine.atomic_file import write_atomically
from ptb.machine.colours import shades
from ptb.machine.own_folder import PNG
from ptb.runs.curve import log_axis
from ptb.training.config import preset

PUBLISHED = {"small": 120.70, "medium": 86.97, "large": 82.75}
TICKS = (80, 90, 100, 110, 120, 130, 140, 150, 175, 200, 250, 300, 400, 500, 600, 700, 800, 1000)


def draw(folder: Path) -> Figure:
    """Draws one line per record under `folder`, and one point per published result.

    Raises ValueError where there is no record of a model with a published end.
    """
    figure = Figure(figsize=(7, 4.5), dpi=120, layout="constrained")
    axes = figure.subplots()
    followed: dict[str | None, list[Path]] = {}
    for path in sorted(folder.glob("*/*/metrics.csv")):
        followed.setdefault(preset_of(path.parent), []).append(path)
    for (model, published), colour in zip(PUBLISHED.items(), shades(len(PUBLISHED)), strict=True):
        if not (records := followed.get(model)):
            continue
        num_epochs = preset(model).num_epochs
        lengths = set()
        for record in records:
            valid = column(record, "valid_perplexity")
            lengths.add(len(valid))
            axes.plot(range(1, len(valid) + 1), valid, color=colour, marker=".", lw=1.2)
        trained = " and ".join(map(str, sorted(lengths)))
        label = f"{model}, {trained} of {num_epochs} epochs; published: {published:.2f}"
        axes.plot(num_epochs, published, "*", color=colour, markersize=13, label=label)
    if not axes.lines:
        raise ValueError(f"{folder} has no record of {', '.join(PUBLISHED)}")
    axes.set(title="Each line a run, each star a published end", xlabel="epoch")
    axes.set_ylabel("valid perplexity (log scale)")
    log_axis(axes, "y", TICKS)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def main(arguments: list[str]) -> None:
    with user_errors():
        if len(arguments) != 2:
            raise ValueError("name the folder of the records, and the PNG to write")
        check_output_file(arguments[1], arguments[1], PNG)
        figure = draw(Path(arguments[0]))
        write_atomically(Path(arguments[1]), lambda file: figure.savefig(file, format="png"))


def start() -> None:
    """Defines the flags and runs the command."""
    run_tool(main)
