"""Prints a row for each model: mean and range over its seeds, and median speed of all epochs.

    ptb table results/ptb

The records are below that folder as MODEL/SEED/result.json. Those of a model differ in the seed
alone.
"""

from __future__ import annotations

import dataclasses
import statistics
from pathlib import Path

from ptb.command_line.program import run_tool, user_errors
from ptb.experiments.records.record import column, preset_of, read_result
from ptb.runs.beginning import DIGESTS
from ptb.runs.description import read_description
from ptb.training.config import PRESETS, Config


def rows(folder: Path) -> list[dict]:
    """Reads the records under `folder`, grouped by model.

    Raises ValueError if those of a model differ in more than the seed, or share one.
    """
    by_model: dict[str, list[Path]] = {}
    for path in sorted(folder.glob("*/*/result.json")):
        by_model.setdefault(path.parent.parent.name, []).append(path.parent)
    return [_row(model, records) for model, records in by_model.items()]


def _check_alike(records: list[Path]) -> None:
    """Raises ValueError unless the records differ in the seed alone."""
    first, *others = ({"record": each} | _identity(each) for each in records)
    by_seed = {first["seed"]: first}
    for other in others:
        named = f"{other['record']} does not belong beside {first['record']}"
        for name in first:
            if name not in ("record", "seed") and other[name] != first[name]:
                raise ValueError(
                    f"{named}: {name} is {other[name]} and {first[name]}: move it to a folder of "
                    "another MODEL"
                )
        same = by_seed.setdefault(other["seed"], other)
        if same is not other:
            raise ValueError(
                f"{other['record']} has the seed of {same['record']}, {other['seed']}: keep one of "
                "the two"
            )


def _identity(record: Path) -> dict:
    """The config, the text and the initial weights of a record."""
    description = read_description(record / "config.json")
    config = dataclasses.asdict(Config.from_dict(description["config"]))
    beginning = {name: description.get(name) for name in DIGESTS}
    return config | beginning | {"fingerprint": description["corpus"].get("fingerprint")}


def _row(model: str, records: list[Path]) -> dict:
    _check_alike(records)
    results = [read_result(record) for record in records]
    speeds, epochs = [], set()
    for record in records:
        own = column(record / "timing.csv", "words_per_second")
        speeds += own
        epochs.add(_epochs(record, len(own)))
    return {
        "model": model,
        "seeds": len(records),
        "epochs": "; ".join(sorted(epochs)),
        "valid": [result["valid"]["perplexity"] for result in results],
        "test": [result["test"]["perplexity"] for result in results],
        "seconds": [result["seconds"] for result in results],
        "words_per_second": statistics.median(speeds),
    }


def _epochs(record: Path, trained: int) -> str:
    """The number of epochs, as "4 of 55" if the preset that the record follows has more."""
    followed = preset_of(record)
    whole = PRESETS[followed].num_epochs if followed else trained
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
