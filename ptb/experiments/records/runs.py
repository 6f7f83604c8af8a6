"""Compares all runs below a folder: their hyperparameters, perplexities and learning curves.

    ptb runs FOLDER
    ptb runs FOLDER --png=curves.png

The best valid perplexity is the lowest of all epochs. Perplexities of different texts or
vocabularies do not compare, so runs are grouped by text, the best first.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ptb.command_line.help import flag_group
from ptb.command_line.paths import define_path
from ptb.command_line.program import FLAGS, check_output_files, note, run_tool, user_errors
from ptb.experiments.records.record import column
from ptb.machine.atomic_file import write_atomically
from ptb.machine.escape import escape
from ptb.runs.description import read_description
from ptb.training.config import Config

TABLE_WIDTH = 24  # characters of a value


@dataclass(frozen=True)
class Run:
    """`valid` has the valid perplexity of each epoch that ended; `seconds` is their training time.

    `text` names the corpus and the first digits of its fingerprint.
    """

    name: str
    config: dict
    text: str
    valid: tuple[float, ...]
    seconds: float

    @property
    def best(self) -> float | None:
        return min(self.valid, default=None)

    @property
    def best_epoch(self) -> int | None:
        return self.valid.index(self.best) + 1 if self.valid else None


def find_runs(folder: Path) -> list[Run]:
    """Finds every run in or below `folder`. Notes and skips a run that cannot be read.

    Raises ValueError where there is none.
    """
    runs = []
    for path, folders, files in os.walk(folder):
        folders.sort()
        if "config.json" not in files:
            continue
        folders.clear()  # nothing within a run is one
        try:
            runs.append(_read(Path(path), folder))
        except ValueError as error:
            note(str(error))
    if not runs:
        raise ValueError(
            f"{str(folder)!r} has no run: give a folder with runs of train.py below it"
        )
    return sorted(runs, key=lambda run: (run.text, run.best is None, run.best or 0, run.name))


def _read(path: Path, above: Path) -> Run:
    saved = read_description(path / "config.json")
    valid, seconds = [], [0.0]
    with contextlib.suppress(ValueError):  # of a run whose first epoch has not ended
        valid = column(path / "metrics.csv", "valid_perplexity")
        seconds = column(path / "timing.csv", "seconds")
    corpus = saved["corpus"]
    text = f"{corpus.get('name')} {str(corpus.get('fingerprint'))[:8]}"
    config = dataclasses.asdict(Config.from_dict(saved["config"]))
    name = str(path.relative_to(above)) if path != above else path.resolve().name
    return Run(name, config, text, tuple(valid), sum(seconds))


def differing(runs: Sequence[Run]) -> list[str]:
    """The fields of the config in which the runs differ."""
    first = runs[0].config
    return [name for name in first if any(run.config[name] != first[name] for run in runs)]


def rows(runs: Sequence[Run]) -> list[list[str]]:
    """A table of strings, head first: a row per run, a column per differing field."""
    fields = differing(runs)
    texts = len({run.text for run in runs}) > 1
    head = ["run", "best valid", "at epoch", "epochs", "minutes", *(["text"] if texts else [])]
    table = [[*head, *fields]]
    for run in runs:
        best = "-" if run.best is None else f"{run.best:.3f}"
        row = [run.name, best, str(run.best_epoch or "-")]
        # Where num_epochs was lowered, more may have ended before.
        num_epochs = max(len(run.valid), run.config["num_epochs"])
        row += [f"{len(run.valid)}/{num_epochs}", f"{run.seconds / 60:.1f}"]
        row += [run.text] if texts else []
        table.append([*row, *(_shown(run.config[name]) for name in fields)])
    return [[escape(cell) for cell in row] for row in table]


def _shown(value) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= TABLE_WIDTH else f"{text[:TABLE_WIDTH]}..."


def lines(table: list[list[str]]) -> list[str]:
    """Formats the table with aligned columns; numbers are right-aligned."""
    widths = [max(map(len, each)) for each in zip(*table, strict=True)]
    return [
        "  ".join(
            [
                row[0].ljust(widths[0]),
                *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True)),
            ]
        )
        for row in table
    ]


def draw(runs: Sequence[Run], file) -> None:
    """Draws the valid perplexity of each run by epoch, as a PNG."""
    from matplotlib.figure import Figure  # noqa: PLC0415
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415

    from ptb.machine.colours import shades  # noqa: PLC0415
    from ptb.runs.curve import perplexity_axis  # noqa: PLC0415

    drawn = [run for run in runs if run.valid]
    figure = Figure(figsize=(8, 4.5), dpi=120, layout="constrained")
    axes = figure.subplots()
    for number, (run, colour) in enumerate(zip(drawn, shades(len(drawn)), strict=True)):
        label = escape(run.name).replace("$", r"\$")
        epochs = range(1, len(run.valid) + 1)
        style = ("-", "--", ":", "-.")[number % 4]
        axes.plot(epochs, run.valid, style, color=colour, marker=".", label=label)
    perplexity_axis(axes, [value for run in drawn for value in run.valid])
    axes.set(title="Each line a run", xlabel="epoch", ylabel="valid perplexity (log scale)")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    figure.savefig(file, format="png")


def main(arguments: list[str]) -> None:
    with user_errors():
        if len(arguments) != 1:
            raise ValueError("name one folder, with runs below it")
        folder = Path(arguments[0])
        if not folder.is_dir():
            raise ValueError(f"{str(folder)!r} is no folder: give one with runs below it")
        check_output_files("png")
        runs = find_runs(folder)
        if FLAGS.png is not None and not any(run.valid for run in runs):
            raise ValueError("no run has an epoch that ended: there is nothing to draw")
        print(*lines(rows(runs)), sep="\n")
        if FLAGS.png is not None:
            write_atomically(Path(FLAGS.png), lambda file: draw(runs, file))


def start() -> None:
    """Defines the flags and runs the command."""
    with flag_group("output"):
        define_path("png", None, "PNG file for the learning curves. Default: none.")
    run_tool(main)
