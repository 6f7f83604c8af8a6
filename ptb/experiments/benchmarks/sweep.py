"""How the cost of a training step grows with a hyperparameter such as num_steps."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from statistics import median

import numpy as np
from matplotlib.figure import Figure
from tqdm import tqdm

from ptb.command_line.devices import start_tensorflow
from ptb.experiments.benchmarks.race import START_SECONDS
from ptb.experiments.benchmarks.sides import Ours
from ptb.experiments.benchmarks.workload import Workload
from ptb.machine.atomic_file import write_atomically
from ptb.machine.colours import GREY
from ptb.runs.curve import log_axis

VALUES = {
    "num_steps": [5, 10, 20, 40, 80],
    "batch_size": [1, 5, 10, 20, 40, 80],
    "hidden_size": [50, 100, 200, 400, 800],
    "num_layers": [1, 2, 4, 8],
}


def run(name: str, workload: Workload, rounds: int, seconds: float, path: Path) -> dict:
    """Times a training step of the fused path for each value, in turn; a table and a PNG.

    Returns the seconds of a step, the median, for each value, and the power that they grow with.
    """
    start_tensorflow()
    sides = {value: _side(workload, name, value) for value in VALUES[name]}
    times = {value: [] for value in sides}
    first = dict.fromkeys(sides, 0)
    for _ in tqdm(range(rounds), desc=f"sweep of {name}", disable=None):
        for value, side in sides.items():
            count, began = 0, time.perf_counter()
            while time.perf_counter() - began < seconds:
                side.train(first[value] + count, 5)
                count += 5
            times[value].append((time.perf_counter() - began) / count)
            first[value] += count
    medians = {value: median(each) for value, each in times.items()}
    slope = growth(medians)
    print(f"{name:>12} {'ms a step':>12} {'words/s':>12}")
    for value, each in medians.items():
        config = sides[value].config
        words = config.batch_size * config.num_steps / each
        print(f"{value:12} {1000 * each:12.2f} {words:12,.0f}")
    print(f"a step grows as {name} to the power {slope:.2f} (1 is linear) over the last three")
    _draw(name, medians, slope, path)
    return {"sweep": name, "seconds_a_step": medians, "power": slope}


def expected_seconds(name: str, rounds: int, seconds: float) -> float:
    """The approximate seconds that `run` takes."""
    return (START_SECONDS + rounds * seconds) * len(VALUES[name])


def growth(times: dict[int, float]) -> float:
    """The exponent a of time ~ value ** a, fitted to the three largest values."""
    values, seconds = zip(*sorted(times.items())[-3:], strict=True)
    return float(np.polyfit(np.log(values), np.log(seconds), 1)[0])


def _side(workload: Workload, name: str, value: int) -> Ours:
    config = dataclasses.replace(workload.config, **{name: value})
    side = Ours(Workload.create(config, workload.vocab_size, workload.ids), "fused")
    side.train(0, 5)
    return side


def _draw(name: str, medians: dict[int, float], slope: float, path: Path) -> None:
    values, milliseconds = list(medians), [1000 * each for each in medians.values()]
    figure = Figure(figsize=(6, 4), dpi=120, layout="constrained")
    axes = figure.subplots()
    axes.plot(values, milliseconds, marker="o", color="black", label="measured")
    linear = [milliseconds[-1] * value / values[-1] for value in values]
    axes.plot(values, linear, "--", color=GREY, label="linear through the last")
    axes.set(xlabel=f"{name} (log scale)", ylabel="one training step, ms (log scale)")
    log_axis(axes, "x", values)
    log_axis(axes, "y")
    axes.set_title(f"grows as {name} to the power {slope:.2f}")
    axes.grid(alpha=0.3)
    axes.legend()
    write_atomically(path, lambda file: figure.savefig(file, format="png"))
