"""What runs survive, measured, as a page: results/reliability.md.

    python3 -m tests.faults.report > results/reliability.md     all of it, half an hour or more
    python3 -m tests.faults.report --parts=kills,memory         some of it

Nothing here is read from a file: every figure comes from the runs that the command starts.
"""

from __future__ import annotations

import argparse
import platform
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from statistics import median

import numpy as np

from ptb.machine.environment import versions_in_words
from ptb.runs.checkpoint import Checkpoint, save_checkpoint
from ptb.training.config import preset
from ptb.training.model import size_of
from ptb.training.progress import Progress
from tests.faults import damage, disk, harness, inputs, memory
from tests.forked import run

NUM_KILLS = 20
TOKENS, EPOCHS = 930_000, 2


def kills(folder: Path) -> str:
    rows = []
    for flags in harness.KINDS_OF_RUN:
        result = harness.survive(folder / "_".join(flags), flags, NUM_KILLS)
        rows.append(
            f"| `{' '.join(flags)}` | {result.sent} | {result.while_saving} | "
            f"{result.half_written} | {'yes' if result.identical else '**no**'} |"
        )
        print(rows[-1], file=sys.stderr)
    return "\n".join(
        [
            "## kill -9",
            "",
            "A run of 4 epochs of 30 windows, saved every second window, is killed at random "
            "moments and resumed. Then it is compared with an undisturbed run, bit for bit: the "
            "weights of the latest and of the best epoch, `metrics.csv`, the curve and the test "
            "perplexity.",
            "",
            "| run | kills | of these, sent while saving | half-written files left | identical |",
            "|---|---|---|---|---|",
            *rows,
        ]
    )


def damages(folder: Path) -> str:
    expected = harness.undisturbed(folder / "alone")
    damage.stop_in_the_middle(folder / "stopped")
    damage.stop_in_the_middle(folder / "other", "--seed=2")
    ways = (*damage.DAMAGES, None)
    titles = [way.__name__.replace("_", " ") if way else "another run's" for way in ways]
    rows, counts = [], Counter()
    for name in damage.FILES:
        outcomes = []
        for way in ways:
            copy = folder / "copy"
            outcomes.append(
                damage.go_on(folder / "stopped", copy, name, way, expected, folder / "other")
            )
            shutil.rmtree(copy)
        counts.update(outcomes)
        rows.append(f"| {name} | {' | '.join(outcomes)} |")
        print(rows[-1], file=sys.stderr)
    return "\n".join(
        [
            "## Damaged files",
            "",
            "A run that was stopped in its third epoch is damaged and resumed. Either it ends "
            "identical to an undisturbed run, or one line refuses it. "
            f"Of {counts.total()} cases, {counts['identical']} ended identical, "
            f"{counts['refused']} were refused, and none ended otherwise.",
            "",
            f"| file | {' | '.join(titles)} |",
            f"|---|{'---|' * len(ways)}",
            *rows,
        ]
    )


def disks(folder: Path) -> str:
    limited = disk.survive_limit(folder / "limit")
    said = disk.survive_full_disk(folder / "disk")
    lines = [
        "## Full disk",
        "",
        f"- Writes that fail half-way through a file (`RLIMIT_FSIZE`): one line, exit status 1. "
        f"Resumed afterwards, the run ends identical: {'yes' if limited else '**no**'}.",
    ]
    if said is None:
        lines.append("- A disk that fills up: not tried, nobody may mount one here.")
    else:
        lines.append(
            f"- A disk of 400 KB that fills up and is made larger, {len(said)} times: one line and "
            "exit status 1 each time. No half-written file is left, and the run ends identical. "
            f"The line: `{said[0]}`"
        )
    return "\n".join(lines)


def wrong_input(folder: Path) -> str:
    inputs.prepare(folder)
    counts = Counter(case.script for case in inputs.CASES)
    failed = []
    for case in inputs.CASES:
        copy = folder
        if case.damage:
            copy = shutil.copytree(folder, folder.parent / "copy", copy_function=shutil.copy)
            inputs.Edit(("corpus", "source", "data_path"), str(copy / "text"))(copy)
            case.damage(copy)
        result = run(case.script, *case.flags, folder=copy)
        lines = result.stderr.splitlines()
        if result.returncode != 1 or len(lines) != 1 or case.message not in lines[0]:
            failed.append(f"`{case.script} {' '.join(case.flags)}`")
        if copy is not folder:
            shutil.rmtree(copy)
    each = ", ".join(f"{script} {count}" for script, count in counts.items())
    return "\n".join(
        [
            "## Wrong input",
            "",
            f"{counts.total()} cases ({each}; `tests/faults/inputs.py` has them all): "
            f"{counts.total() - len(failed)} ended with exit status 1 and the one expected line.",
            *([f"Others: {'; '.join(failed)}"] if failed else []),
        ]
    )


def memories(folder: Path) -> str:
    samples = memory.measure(folder, TOKENS, EPOCHS)
    places = [round(i * (len(samples) - 1) / 8) for i in range(9)]
    values = [value for _, value in samples]
    return "\n".join(
        [
            "## Memory",
            "",
            f"The small model reads {TOKENS:,} random words with Zipf's frequencies for {EPOCHS} "
            "epochs (Penn Treebank has as many) and is saved every "
            f"{memory.FIRST_WINDOWS} windows. Resident memory was read every second from window "
            f"{memory.FIRST_WINDOWS} to the end, validation and saving included.",
            "",
            f"| seconds since window {memory.FIRST_WINDOWS} | "
            + " | ".join(f"{samples[i][0]:.0f}" for i in places)
            + " |",
            f"|---|{'---|' * len(places)}",
            "| resident, MiB | " + " | ".join(f"{samples[i][1]:.0f}" for i in places) + " |",
            "",
            f"Lowest {min(values):.0f} MiB, highest {max(values):.0f} MiB; from the first to the "
            f"highest: {max(values) - values[0]:.0f} MiB (allowed: 50).",
        ]
    )


def saving(folder: Path) -> str:
    rows = []
    folder.mkdir()
    for model in ("small", "medium", "large"):
        weights = {"weights": np.ones(size_of(preset(model), 10_000).num_weights, np.float32)}
        seconds = []
        for _ in range(5):
            began = time.perf_counter()
            save_checkpoint(
                folder / "c.safetensors",
                Checkpoint(run_id="run", progress=Progress(), weights=weights, state=[]),
            )
            seconds.append(time.perf_counter() - began)
        megabytes = (folder / "c.safetensors").stat().st_size / 1e6
        rows.append(f"| {model} | {megabytes:.0f} | {median(seconds):.2f} | {max(seconds):.2f} |")
    return "\n".join(
        [
            "## What saving costs",
            "",
            "Training waits while a checkpoint is hashed, written and synced. By default, that is "
            "once in 300 s.",
            "",
            "| model, 10,000 words | MB | seconds, median of 5 | highest |",
            "|---|---|---|---|",
            *rows,
        ]
    )


PARTS = {
    "kills": kills,
    "damage": damages,
    "disk": disks,
    "input": wrong_input,
    "memory": memories,
    "saving": saving,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", default=",".join(PARTS), help="which, separated by commas")
    names = parser.parse_args().parts.split(",")
    if unknown := set(names) - set(PARTS):
        parser.error(f"unknown parts {', '.join(sorted(unknown))}: choose from {', '.join(PARTS)}")
    began = time.monotonic()
    print("# Reliability\n")
    print("What runs survive: `python3 -m tests.faults.report > results/reliability.md`. ", end="")
    print(f"{versions_in_words()}; {platform.system()}.\n")
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            print(PARTS[name](Path(folder) / name), end="\n\n", flush=True)
    print(f"{(time.monotonic() - began) / 60:.0f} minutes in all.")


if __name__ == "__main__":
    main()
