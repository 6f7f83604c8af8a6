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
MAX_FIRST_LINE = 10_000  # bytes of UNFINISHED's first line: at most 100 seeds and a fingerprint
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
        first = _parsed(file.readline(MAX_FIRST_LINE))
    return isinstance(first, dict) and {"quick", "seeds", "text"} <= first.keys()


def read_unfinished(path: Path, what: dict) -> dict:
    """The cases that are already measured; {} if they belong to another measurement.

    Raises ValueError as `unfinished_lines` does.
    """
    kept = unfinished_lines(path)
    if kept[:1] != [what]:
        kept = [what]
    write_text_atomically(path, "".join(json.dumps(each) + "\n" for each in kept))
    return {each.pop("case"): each for each in kept[1:]}


def unfinished_lines(path: Path) -> list[dict]:
    """What is measured, and a line for each case of it; [] if there is no such file.

    Raises ValueError for a damaged line. A last line without its end is of a study that was killed
    while it wrote, and left out.
    """
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    kept = []
    for number, line in enumerate(lines, start=1):
        parsed = _parsed(line)
        if number > 1 and not _is_case(parsed):
            if number == len(lines) and not line.endswith(b"\n"):
                break
            raise ValueError(
                f"line {number} of {path} is damaged: remove the line, and its case is measured "
                "again"
            )
        if parsed is None:
            raise ValueError(
                f"line 1 of {path} is damaged: remove the file, and all cases are measured again"
            )
        kept.append(parsed)
    return kept


def _parsed(line: bytes):
    """The value of a line of JSON; None if it is damaged."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _is_case(parsed) -> bool:
    """Whether a line of UNFINISHED has what was measured of a case."""
    match parsed:
        case {"case": str(), "rows": [dict(), *_], "tuned": list(), "cpu_seconds": int() | float()}:
            return True
    return False


def cost_of(path: Path) -> float:
    """CPU seconds of all cases of a study, including cases from before it was resumed."""
    cases = path.read_text(encoding="utf-8").splitlines()[1:]
    return math.fsum(json.loads(case)["cpu_seconds"] for case in cases)


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
        text = read_text(path)
    except FileNotFoundError:
        raise ValueError(f"there is no {path}: run the study that writes it first") from None
    try:
        return from_csv(text)
    except ValueError as error:
        raise damaged(path, "a study", error) from None


def damaged(path: Path, study: str, reason: object) -> ValueError:
    """The error for a CSV that cannot be used."""
    return ValueError(
        f"{path} is damaged or not the CSV of {study} ({reason}): restore it, or remove it and "
        "measure again"
    )


def read_text(path: Path) -> str:
    """The text of a file that a study wrote. Raises ValueError if it is not UTF-8."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} is not UTF-8 (byte {error.start}): restore it, or measure again into another "
            "folder"
        ) from None


def rechecked_rows(folder: Path) -> list[Row]:
    """The measurements of the last recheck; [] if the verdict was never checked again."""
    return saved_rows(folder, RECHECK_CSV) if (folder / RECHECK_CSV).exists() else []


def remove_replaced(folder: Path) -> None:
    """Removes the recheck and the Chinese pages of measurements that others have replaced."""
    for name in (RECHECK_CSV, RECHECK, in_chinese(VERDICT), in_chinese(FIGURE)):
        (folder / name).unlink(missing_ok=True)


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
        f"| {CPU_TIME} | {cost:,.0f} s |",
        f"| figures | [{csv}]({csv}) |",
    ]


def kept_provenance(folder: Path, name: str = VERDICT) -> list[str]:
    """The provenance in the file that is to be replaced; [] if there is no such file."""
    path = folder / name
    lines = read_text(path).splitlines() if path.exists() else []
    return lines[lines.index("| | |") :] if "| | |" in lines else []


def in_chinese(name: str) -> str:
    """The name of a file's Chinese version: `verdict.zh.md`."""
    stem, _, suffix = name.rpartition(".")
    return f"{stem}.zh.{suffix}"
