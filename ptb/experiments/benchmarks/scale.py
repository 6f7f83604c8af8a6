"""Measures the speed of two workers, and predicts the speed of up to 64.

    ptb scale --models=small,medium,large > results/scale.md

Workers are processes on this machine, limited to one core each. The settings are measured in turn,
so that changes in the machine's speed affect all of them equally.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
from statistics import median

from absl import flags

from ptb.command_line.devices import import_tensorflow
from ptb.command_line.help import flag_group
from ptb.command_line.program import FLAGS, fail, run
from ptb.experiments.benchmarks.scale_model import Network, message_bytes, words_per_second
from ptb.experiments.benchmarks.scale_worker import VOCAB_SIZE, work
from ptb.machine.child import Child
from ptb.machine.cores import available_cores
from ptb.machine.environment import versions_in_words
from ptb.training.cluster import cluster_configs
from ptb.training.config import PRESETS, Config

WORKERS = (1, 2, 4, 8, 16, 32, 64)
GIGABIT = 1e9 / 8
NETWORKS = {"1 Gbit/s": 1, "10 Gbit/s": 10, "100 Gbit/s": 100}
NETWORK_LATENCY = 50e-6


class Team:
    """The workers of one training; `cores` lists the cores of each, None for all."""

    def __init__(self, distribution: str, config: Config, cores: list[str | None]):
        self.rates: list[float] = []
        self.config = config
        many = distribution == "multi_worker"
        environments = cluster_configs(len(cores)) if many else ["{}"]
        self._workers = [
            Child(
                work,
                distribution,
                dataclasses.asdict(config),
                environment={"TF_CONFIG": environment},
                prefix=["taskset", "-c", core] if core else [],
                quiet=True,
            )
            for core, environment in zip(cores, environments, strict=True)
        ]
        self._answers()

    def ask(self, command: str, count: int) -> float:
        """Asks all workers, and returns the seconds of the slowest."""
        for worker in self._workers:
            worker.send(command, count)
        return self._answers()

    def train(self, seconds: float) -> None:
        """Trains for about that long; another entry of `rates`, in words per second."""
        trial = self.ask("train", 2)
        count = max(2, round(2 * seconds / trial))
        words = self.config.batch_size * self.config.num_steps * count
        self.rates.append(words / self.ask("train", count))

    @property
    def rate(self) -> float:
        return median(self.rates)

    @property
    def step_seconds(self) -> float:
        return self.config.batch_size * self.config.num_steps / self.rate

    def close(self) -> None:
        for worker in self._workers:
            worker.stop()
        for worker in self._workers:
            worker.close()

    def _answers(self) -> float:
        return max(worker.receive() for worker in self._workers)


def main() -> None:
    unknown = set(FLAGS.models) - set(PRESETS)
    if unknown:
        fail(f"--models has the unknown {', '.join(unknown)}: choose from {', '.join(PRESETS)}")
    if available_cores() < 2:
        fail("two workers need two cores, and this process has one")
    import_tensorflow()
    _print_head()
    networks, ones = {}, {}
    for name in FLAGS.models:
        networks[name], ones[name] = _measure_pair(name, times=1)
        if name in FLAGS.four_times:
            _measure_pair(name, times=4)
    _print_overhead()
    _print_predictions(networks, ones)


def _race(teams: list[Team]) -> None:
    for turn in range(FLAGS.rounds):
        for team in teams if turn % 2 else reversed(teams):
            team.train(FLAGS.seconds)


def _measure_pair(name: str, times: int) -> tuple[Network, float]:
    """Measures two workers: a table row, the network between them, and one worker's step."""
    preset = PRESETS[name]
    config = dataclasses.replace(preset, batch_size=times * preset.batch_size)
    half = dataclasses.replace(config, batch_size=config.batch_size // 2)
    cores = [str(core) for core in sorted(os.sched_getaffinity(0))[:2]]
    one, part = Team("none", config, cores[:1]), Team("none", half, cores[:1])
    two = Team("multi_worker", config, cores)
    try:
        _race([one, part, two])
        num_bytes = message_bytes(config, VOCAB_SIZE)
        sums = [
            median(two.ask("sum", count) for _ in range(FLAGS.rounds))
            for count in (1, num_bytes // 4)
        ]
    finally:
        for team in (one, part, two):
            team.close()
    network = Network.from_times(sums[0], sums[1], num_bytes, 2)
    predicted = words_per_second(config, VOCAB_SIZE, part.step_seconds, network, 2)
    print(
        f"| {name} | {config.batch_size} | {one.rate:,.0f} | {two.rate:,.0f} | "
        f"{two.rate / one.rate:.2f} | {predicted / one.rate:.2f} | {num_bytes / 1e6:.1f} | "
        f"{1000 * part.step_seconds:.0f} | {1000 * sums[1]:.0f} | {1000 * sums[0]:.2f} |",
        flush=True,
    )
    return network, one.step_seconds


def _print_overhead() -> None:
    """Prints the cost of a one-replica strategy and of low precision, over the plain step."""
    print(
        "\n## One replica\n\nWords per second of the whole machine. In brackets: over the "
        'column "plain", which is float32 without a strategy.\n\n'
        "| model | plain | strategy of one replica | mixed_bfloat16 | mixed_float16 |\n"
        "|---|---|---|---|---|"
    )
    for name in FLAGS.models:
        config = PRESETS[name]
        low = [
            dataclasses.replace(config, precision=precision)
            for precision in ("mixed_bfloat16", "mixed_float16")
        ]
        teams = [Team("none", config, [None]), Team("mirrored", config, [None])]
        teams += [Team("none", each, [None]) for each in low] if name in FLAGS.precisions else []
        try:
            _race(teams)
        finally:
            for team in teams:
                team.close()
        cells = [f"{team.rate:,.0f} ({team.rate / teams[0].rate:.3f})" for team in teams[1:]]
        cells += ["not measured"] * (3 - len(cells))
        print(f"| {name} | {teams[0].rate:,.0f} | {' | '.join(cells)} |", flush=True)


def _print_predictions(networks, ones) -> None:
    """Prints predicted words per second of more workers, one core each."""
    print(
        "\n## Predicted: the preset's rows on each worker\n\nWords per second of workers "
        "with one core of this machine each. The batch grows with the number of workers. In "
        "brackets: over one worker."
    )
    for name, (label, gigabits) in itertools.product(FLAGS.models, NETWORKS.items()):
        if gigabits == min(NETWORKS.values()):
            print(f"\n| {name}, workers | {' | '.join(map(str, WORKERS))} |")
            print("|---" * (len(WORKERS) + 1) + "|")
        preset, compute = PRESETS[name], ones[name]
        rates = [
            words_per_second(
                dataclasses.replace(preset, batch_size=workers * preset.batch_size),
                VOCAB_SIZE,
                compute,
                Network(gigabits * GIGABIT, NETWORK_LATENCY),
                workers,
            )
            for workers in WORKERS
        ]
        cells = [f"{rate:,.0f} ({rate / rates[0]:.1f})" for rate in rates]
        print(f"| {label} | {' | '.join(cells)} |")
    loopback = ", ".join(f"{name} {networks[name].bandwidth / 1e9:.2f}" for name in FLAGS.models)
    print(f"\nThe loopback interface between two workers here, in GB/s each way: {loopback}.")


def _print_head() -> None:
    print(
        "# Scaling\n\n"
        f"`ptb scale --models={','.join(FLAGS.models)} --rounds={FLAGS.rounds} "
        f"--seconds={FLAGS.seconds:g}`, {versions_in_words()}, "
        f"{available_cores()} cores. Random words with Zipf's frequencies, V = {VOCAB_SIZE:,}; "
        "medians of the rounds. [docs/scale.md](../docs/scale.md) says what the columns mean.\n\n"
        "## Two workers, one core each, against one worker on one core\n\n"
        "| model | batch_size | 1 worker, words/s | 2 workers, words/s | ratio | predicted ratio | "
        "message, MB | half the rows, ms | sum of the message, ms | sum of 1 float, ms |\n"
        "|---|---|---|---|---|---|---|---|---|---|",
        flush=True,
    )


def start() -> None:
    """Defines the flags and runs the command."""
    with flag_group("what to measure"):
        flags.DEFINE_list(
            "models", ["small", "medium", "large"], "Presets to measure, comma-separated."
        )
        flags.DEFINE_list(
            "precisions", ["small"], "Presets to measure in low precision too, comma-separated."
        )
        flags.DEFINE_list(
            "four_times",
            ["small", "medium"],
            "Presets to measure with four times the batch_size too, comma-separated. large "
            "does not fit into 24 GiB.",
        )
        flags.DEFINE_float(
            "seconds", 5.0, "Seconds for each team of workers in each round.", 0.1, 3600.0
        )
        flags.DEFINE_integer("rounds", 5, "Number of rounds.", 1, 1000)
    run(main)
