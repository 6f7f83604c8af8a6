"""Takes turns among the sides of the benchmark, so that a drift of the machine hits all alike."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from tqdm import tqdm

from ptb.experiments.benchmarks.sides import BFLOAT16, MULTIPLY, PRODUCTS_ONLY
from ptb.experiments.benchmarks.worker import work
from ptb.machine.child import Child, ChildFailed

# The parts of a turn: the first for the sides that multiply, the others for those that train.
MATMUL_SHARE, TRAIN_SHARE, EVALUATE_SHARE = 1 / 8, 5 / 8, 1 / 4
# Imports, and the graph of `small` on two cores of a server; that of a large model takes longer.
START_SECONDS = 7
# What an answer may take beside the time that it was asked to measure: graphs are compiled first.
LIMIT_SECONDS = 600
# By default glibc gives PyTorch's largest blocks back to the system at every step, or keeps them,
# as the order of its allocations has it: 5,700 to 9,800 words/s on `small`, from process to process
# (results/performance.md). Told to keep them, PyTorch runs at its best in every process.
ENVIRONMENT = {
    "torch": {"MALLOC_MMAP_THRESHOLD_": str(2**32 - 1), "MALLOC_TRIM_THRESHOLD_": str(2**32 - 1)},
    # These two have TensorFlow's own settings, but must leave memory of a GPU to the others.
    "keras_fit": {"TF_FORCE_GPU_ALLOW_GROWTH": "true"},
    "tensorflow": {"TF_FORCE_GPU_ALLOW_GROWTH": "true"},
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
    import_bytes: int = 0
    peak_bytes: int = 0

    @property
    def train_rate(self) -> float:
        return median(self.train_rates)


class Runner:
    """A side in a separate process, and its answers so far."""

    def __init__(self, name: str, folder: Path, seconds: float):
        self.entry = Entry(name)
        self._first = 0
        started = time.time()
        self._child = Child(
            work,
            name,
            str(folder),
            seconds=LIMIT_SECONDS + 10 * seconds,
            environment=ENVIRONMENT.get(name.removesuffix(BFLOAT16)),
            quiet=True,
        )
        ready = self._answer()
        if ready and "first_step" in ready:
            self.entry.first_step_seconds = ready["first_step"] - started
            self.entry.costs = ready["costs"]
            self.entry.import_bytes = ready["import_bytes"]
            self._first = len(ready["costs"])

    def ask(self, command: str, seconds: float) -> dict | None:
        """The answer to one command; None if the side is absent."""
        if self.entry.absent:
            return None
        self._child.send(command, seconds, self._first)
        answer = self._answer()
        if answer:
            self._first += answer.get("windows", 0)
            self.entry.peak_bytes = answer["peak_bytes"]
        return answer

    def close(self) -> None:
        self._child.close()

    def _answer(self) -> dict | None:
        try:
            return self._child.receive()
        except ChildFailed as error:
            self.entry.absent = error.reason
            return None


def race(names: list[str], folder: Path, rounds: int, seconds: float) -> list[Entry]:
    """Trains and scores with all sides in turn: `rounds` rounds of `seconds` each.

    Sides that can multiply matrices do that too. A first turn warms up and is not counted. Workers
    that wait use no processor time.
    """
    runners: list[Runner] = []
    try:
        with tqdm(total=(rounds + 2) * len(names), desc="benchmark", disable=None) as bar:
            for name in names:
                bar.set_postfix_str(f"{name} starts")
                runners.append(Runner(name, folder, seconds))
                bar.update()
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


def expected_seconds(names: list[str], rounds: int, seconds: float) -> float:
    """The approximate seconds that `race` takes."""
    shares = [
        MATMUL_SHARE * (name in MULTIPLY)
        + (TRAIN_SHARE + EVALUATE_SHARE) * (name not in PRODUCTS_ONLY)
        for name in names
    ]
    return START_SECONDS * len(names) + (rounds + 1) * seconds * sum(shares)


def _turn(runner: Runner, seconds: float, counted: bool) -> None:
    """Most of the time trains; the limit of the machine is measured right beside it."""
    entry = runner.entry
    if entry.name in MULTIPLY and (product := runner.ask("matmul", seconds * MATMUL_SHARE)):
        entry.matmul_flops = max(entry.matmul_flops, product["flops"])
    if entry.name in PRODUCTS_ONLY:
        return
    for command, share, rates in (
        ("train", TRAIN_SHARE, entry.train_rates),
        ("evaluate", EVALUATE_SHARE, entry.evaluate_rates),
    ):
        answer = runner.ask(command, seconds * share)
        if answer and counted:
            rates.append(answer["words"] / answer["seconds"])
