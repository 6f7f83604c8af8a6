"""The files that a study writes: recognizing them, reading them back, their provenance."""

from __future__ import annotations

import contextlib
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path

from ptb.command_line.program import typed_command
from ptb.experiments.studies.measurements import Row, from_csv
from ptb.machine.atomic_file import write_text_atomically
from ptb.machine.environment import machine, versions_in_words
from ptb.machine.escape import escape

CSV, FIGURE, VERDICT = "measurements.csv", "figure.png", "verdict.md"
TUNING, UNFINISHED = "tuning.csv", "unfinished.jsonl"
UNFINISHED_BEGINS = b'{"quick": '
# What a verdict says made it, the earlier name of the command too.
COMMANDS = ("ptb study", "python3 -m studies")
RECHECK_CSV, RECHECK = "recheck.csv", "recheck.md"
CPU_TIME = "CPU time"  # the row of a verdict with what it cost


def is_verdict(path: Path) -> bool:
    """Whether a study wrote the file; earlier versions may have had other CSV columns."""
    if not path.is_file():
        return False
    text = path.read_text("utf-8", "replace")
    return any(f"| command | `{command}" in text for command in COMMANDS)


def is_unfinished(path: Path) -> bool:
    """Whether the file is of a study that was stopped before its first verdict."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(UNFINISHED_BEGINS)) == UNFINISHED_BEGINS


def read_unfinished(path: Path, what: dict) -> dict:
    """The cases that are already measured; {} if they belong to another measurement."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    # A last line without an end is of a study that was killed while it wrote.
    kept = []
    for line in lines:
        try:
            kept.append(json.loads(line))
        except json.JSONDecodeError:
            break
    if not kept or kept[0] != what:
        kept = [what]
    write_text_atomically(path, "".join(json.dumps(each) + "\n" for each in kept))
    return {each.pop("case"): each for each in kept[1:]}


def cost_of(path: Path) -> float:
    """CPU seconds of all cases of a study, including cases from before it was resumed."""
    cases = path.read_text(encoding="utf-8").splitlines()[1:]
    return math.fsum(json.loads(case).get("cpu_seconds", math.nan) for case in cases)


def make_folder(folder: Path) -> None:
    """Makes the folder. Raises ValueError if it cannot be made."""
    with writing(f"--out={folder.parent}"):
        folder.mkdir(parents=True, exist_ok=True)


@contextlib.contextmanager
def writing(named: str) -> Iterator[None]:
    """Turns errors in writing to the study's folder into ValueError."""
    try:
        yield
    except OSError as error:
        raise ValueError(
            f"{named} cannot be written ({error.strerror}): give another folder"
        ) from None


def saved_rows(folder: Path, name: str = CSV) -> list[Row]:
    """The measurements in a file of a study's folder."""
    path = folder / name
    try:
        return from_csv(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"there is no {path}: run the study without --redraw first") from None
    except ValueError as error:
        raise ValueError(f"{path} is not the CSV of a study: {error}") from None


def rechecked_rows(folder: Path) -> list[Row]:
    """The measurements of the last recheck; [] if the verdict was never checked again."""
    return saved_rows(folder, RECHECK_CSV) if (folder / RECHECK_CSV).exists() else []


def seen_seeds(folder: Path) -> set[int]:
    """The seeds that a study has measured, for its verdict and in its last recheck."""
    return {row["seed"] for row in [*saved_rows(folder), *rechecked_rows(folder)]}


def check_text(folder: Path, corpus) -> None:
    """Raises ValueError if the verdict in the folder is of another text than the corpus."""
    lines = " ".join(kept_provenance(folder))
    known = re.search(r"fingerprint ([0-9a-f]{12})", lines)
    if known and known[1] != corpus.fingerprint[:12]:
        raise ValueError(
            f"the verdict in {folder} is of a text with the fingerprint {known[1]}, and "
            f"{corpus.name} has {corpus.fingerprint[:12]}: give the text of the verdict"
        )


def provenance_of(corpus, cost: float, csv: str = CSV) -> list[str]:
    """Table lines with a study's command, text, versions, machine and cost."""
    tokens = ", ".join(f"{split} {len(ids):,}" for split, ids in corpus.splits.items())
    cores, processor = (machine()[name] for name in ("cores", "processor"))
    return [
        "| | |",
        "|---|---|",
        f"| command | `{typed_command()}` |",
        f"| text | {escape(corpus.name)}: {tokens} tokens, fingerprint {corpus.fingerprint[:12]} |",
        f"| versions | {versions_in_words()} |",
        f"| machine | {processor}, {cores} cores |",
        *([] if math.isnan(cost) else [f"| {CPU_TIME} | {cost:,.0f} s |"]),
        f"| figures | [{csv}]({csv}) |",
    ]


def kept_provenance(folder: Path, name: str = VERDICT) -> list[str]:
    """The provenance in the file that is to be replaced; [] if there is no such file."""
    path = folder / name
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return lines[lines.index("| | |") :] if "| | |" in lines else []


def in_chinese(name: str) -> str:
    """The name of a file's Chinese version: `verdict.zh.md`."""
    stem, _, suffix = name.rpartition(".")
    return f"{stem}.zh.{suffix}"
