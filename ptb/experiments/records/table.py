"""Prints a row for each model: mean and range over its seeds, and median speed of all epochs.

    ptb table results/ptb

The records are below that folder as MODEL/SEED/result.json.
"""

from __future__ import annotations

import statistics
from pathlib import Path

from absl import flags

from ptb.command_line.program import run_tool, user_errors
from ptb.experiments.records.record import column, read_result
from ptb.training.config import PRESETS

flags.disclaim_key_flags()


def rows(folder: Path) -> list[dict]:
    """Reads the records under `folder`, grouped by model."""
    by_model: dict[str, list[Path]] = {}
    for path in sorted(folder.glob("*/*/result.json")):
        by_model.setdefault(path.parent.parent.name, []).append(path.parent)
    return [_row(model, records) for model, records in by_model.items()]


def _row(model: str, records: list[Path]) -> dict:
    results = [read_result(record) for record in records]
    speeds, epochs = [], set()
    for record in records:
        own = column(record / "timing.csv", "words_per_second")
        speeds += own
        epochs.add(_epochs(model, len(own)))
    return {
        "model": model,
        "seeds": len(records),
        "epochs": "; ".join(sorted(epochs)),
        "valid": [result["valid"]["perplexity"] for result in results],
        "test": [result["test"]["perplexity"] for result in results],
        "seconds": [result["seconds"] for result in results],
        "words_per_second": statistics.median(speeds),
    }


def _epochs(model: str, trained: int) -> str:
    """The number of epochs, as "4 of 55" if the recipe has more."""
    whole = PRESETS[model].num_epochs if model in PRESETS else trained
    return f"{trained}" if trained == whole else f"{trained} of {whole}"


def _spread(values: list[float], digits: int) -> str:
    if None in values:
        return "not measured"
    low, high = min(values), max(values)
    mean = f"{statistics.mean(values):,.{digits}f}"
    return mean if len(values) == 1 else f"{mean} ({low:,.{digits}f} to {high:,.{digits}f})"


def table(folder: Path) -> str:
    """Formats the records as a Markdown table. Raises ValueError if there are none."""
    if not (found := rows(folder)):
        raise ValueError(f"{folder} has no record: none of its MODEL/SEED has a result.json")
    lines = [
        "| model | seeds | epochs | valid | test | seconds | words/s |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in found:
        cells = [row["model"], str(row["seeds"]), row["epochs"], _spread(row["valid"], 2)]
        cells += [_spread(row["test"], 2), _spread(row["seconds"], 0)]
        lines.append(f"| {' | '.join([*cells, format(row['words_per_second'], ',.0f')])} |")
    return "\n".join(lines)


def main(arguments: list[str]) -> None:
    with user_errors():
        if len(arguments) != 1:
            raise ValueError("name the folder of the records, such as results/ptb")
        print(table(Path(arguments[0])))


def start() -> None:
    """Defines the flags and runs the command."""
    run_tool(main)
