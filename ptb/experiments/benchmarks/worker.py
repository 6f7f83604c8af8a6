"""One side of the benchmark, for a process of its own (`ptb.machine.child`).

Each command is `[name, seconds, first]`, each answer an object. A process of its own is what makes
memory and the time to the first step mean something.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Generator
from pathlib import Path

from ptb.command_line.devices import start_tensorflow
from ptb.experiments.benchmarks.sides import PRODUCTS_ONLY, TENSORFLOW, frameworks_of, make_side
from ptb.machine.environment import peak_bytes

FIRST_COSTS = 5
MATMUL_SIZE = 2048
LEAST_WINDOWS = 3


def work(name: str, folder: str) -> Generator[dict, list, None]:
    """Yields when the first step was done and the first costs, then an answer to each command.

    The first answer also has what the process held once its framework was imported.
    """
    # Plain Keras has TensorFlow's own settings, as in a program that does not know this project.
    if frameworks_of(name) == TENSORFLOW and name != "keras_fit":
        start_tensorflow()
    for framework in frameworks_of(name):
        importlib.import_module(framework)
    imported = peak_bytes()
    side = make_side(name, Path(folder))
    ready: dict = {"import_bytes": side.import_bytes or imported}
    if name not in PRODUCTS_ONLY:
        ready["costs"] = side.train(0, 1)
        ready["first_step"] = time.time()
        ready["costs"] += side.train(1, FIRST_COSTS - 1)
    command, seconds, first = yield ready
    while True:
        measure = {"train": train, "evaluate": evaluate, "matmul": matmul}[command]
        answer = measure(side, seconds, first)
        command, seconds, first = yield answer | {"peak_bytes": side.peak_bytes or peak_bytes()}


def train(side, seconds: float, first: int) -> dict:
    """Words trained on in about `seconds`, in one call as in a real run.

    Before it, calls that do not count: the first wakes what rested while other sides trained (for
    `large`, TensorFlow 1 takes seconds for that). The others tell the pace, with more and more
    windows until the time that each call takes by itself matters little.
    """
    next_window = first

    def elapsed(windows: int) -> float:
        nonlocal next_window
        began = time.perf_counter()
        side.train(next_window, windows)
        next_window += windows
        return time.perf_counter() - began

    elapsed(1)
    trial = 1
    while (trial_seconds := elapsed(trial)) < seconds / 10:
        trial *= 2
    windows = max(LEAST_WINDOWS, round(seconds * trial / trial_seconds))
    return {
        "seconds": elapsed(windows),
        "words": windows * side.config.batch_size * side.config.num_steps,
        "windows": next_window - first,
    }


def evaluate(side, seconds: float, first: int) -> dict:
    """Words scored with one row in about `seconds`."""
    began = time.perf_counter()
    side.evaluate(20)
    trial = time.perf_counter() - began
    windows = max(20, round(20 * seconds / trial))
    began = time.perf_counter()
    words = side.evaluate(min(windows, len(side.test_windows)))
    return {"words": words, "seconds": time.perf_counter() - began}


def matmul(side, seconds: float, first: int) -> dict:
    """The best rate of a float32 matrix product within `seconds`, in operations per second."""
    product = side.product(MATMUL_SIZE)
    product()
    best, until = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < until:
        began = time.perf_counter()
        product()
        best = min(best, time.perf_counter() - began)
    return {"flops": 2 * MATMUL_SIZE**3 / best}
