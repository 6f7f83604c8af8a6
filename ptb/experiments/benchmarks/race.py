"""Takes turns among the sides of the benchmark, so that a drift of the machine hits all alike."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from tqdm import tqdm

from ptb.experiments.benchmarks.sides import MULTIPLY, PRODUCTS_ONLY

ROOT = Path(__file__).parents[3]
# By default glibc gives PyTorch's largest blocks back to the system at every step, or keeps them,
# as the order of its allocations has it: 5,700 to 9,800 words/s on `small`, from process to process
# (results/performance.md). Told to keep them, PyTorch runs at its best in every process.
ENVIRONMENT = {
    "torch": {"MALLOC_MMAP_THRESHOLD_": str(2**32 - 1), "MALLOC_TRIM_THRESHOLD_": str(2**32 - 1)}
}


@dataclass
class Entry:
    """One side's answers. Rates are words per second, one for each round; a list may be empty."""

    name: str
    absent: str | None = None
    costs: list[float] = field(default_factory=list)
    first_step_seconds: float | None = None
    train_rates: list[float] = field(default_factory=list)
    evaluate_rates: list[float] = field(default_factory=list)
    matmul_flops: float = 0.0
    peak_bytes: int = 0

    @property
    def train_rate(self) -> float:
        return median(self.train_rates)


class Runner:
    """A worker process and what it has answered."""

    def __init__(self, name: str, folder: Path):
        self.entry = Entry(name)
        self._errors = (folder / f"{name}.stderr").open("w+")
        self._first = 0
        started = time.time()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "ptb.experiments.benchmarks.worker", name, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=os.environ | ENVIRONMENT.get(name, {}) | {"PYTHONPATH": _import_path()},
        )
        ready = self._answer()
        if ready and "first_step" in ready:
            self.entry.first_step_seconds = ready["first_step"] - started
            self.entry.costs = ready["costs"]
            self._first = len(ready["costs"])

    def ask(self, command: str, seconds: float) -> dict | None:
        """The answer to one command; None where the side is absent."""
        if self.entry.absent:
            return None
        try:
            self._process.stdin.write(json.dumps([command, seconds, self._first]) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass
        answer = self._answer()
        if answer:
            self._first += answer.get("windows", 0)
            self.entry.peak_bytes = answer["peak_bytes"]
        return answer

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()
        self._errors.close()

    def _answer(self) -> dict | None:
        line = self._process.stdout.readline()
        if line:
            return json.loads(line)
        self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().strip().splitlines()
        self.entry.absent = lines[-1] if lines else f"exit status {self._process.returncode}"
        return None


def _import_path() -> str:
    """The project first, since a benchmark may be started from any folder."""
    return os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))


def race(names: list[str], folder: Path, rounds: int, seconds: float) -> list[Entry]:
    """Trains and scores with every side in turn, `rounds` times `seconds` each.

    Sides that can multiply matrices do that too. A first turn warms up and is not counted. Workers
    that wait use no processor time.
    """
    runners = [Runner(name, folder) for name in names]
    try:
        with tqdm(total=(rounds + 1) * len(runners), desc="benchmark", disable=None) as bar:
            for counted in range(-1, rounds):
                # Every other round the other way about, so that no side always follows the same.
                for runner in runners if counted % 2 else reversed(runners):
                    bar.set_postfix_str(runner.entry.name)
                    _turn(runner, seconds, counted >= 0)
                    bar.update()
    finally:
        for runner in runners:
            runner.close()
    return [runner.entry for runner in runners]


def _turn(runner: Runner, seconds: float, counted: bool) -> None:
    """Most of the time trains; the limit of the machine is measured right beside it."""
    entry = runner.entry
    if entry.name in MULTIPLY and (product := runner.ask("matmul", seconds / 8)):
        entry.matmul_flops = max(entry.matmul_flops, product["flops"])
    if entry.name in PRODUCTS_ONLY:
        return
    for command, share, rates in (
        ("train", 5 / 8, entry.train_rates),
        ("evaluate", 1 / 4, entry.evaluate_rates),
    ):
        answer = runner.ask(command, seconds * share)
        if answer and counted:
            rates.append(answer["words"] / answer["seconds"])
