"""One worker of the measurement of scaling, for a process of its own (`ptb.machine.child`).

`["train", n]` trains on n windows, `["sum", n]` sums n floats over the workers ten times. Answers
are in seconds.
"""

from __future__ import annotations

import time
from collections.abc import Generator

from ptb.command_line.devices import define_distribution_flags, start_tensorflow
from ptb.command_line.program import FLAGS
from ptb.data import reader
from ptb.experiments.benchmarks.workload import zipf_ids
from ptb.training.config import Config
from ptb.training.model import build_model

VOCAB_SIZE = 10_000
TOKENS = 200_000
SUMS = 10


def work(distribution: str, config: dict) -> Generator[float, list, None]:
    """Yields the seconds of two windows, then an answer to each command."""
    define_distribution_flags()
    FLAGS(["scale_worker", f"--distribution={distribution}"])
    strategy = start_tensorflow()
    worker = Worker(strategy, Config.from_dict(config))
    command, count = yield worker.train(2)
    while True:
        command, count = yield {"train": worker.train, "sum": worker.sum}[command](count)


class Worker:
    """Trains on random words with Zipf's frequencies."""

    def __init__(self, strategy, config: Config):
        import tensorflow as tf  # noqa: PLC0415

        from ptb.training.distribution import Replicas  # noqa: PLC0415
        from ptb.training.step import train_step  # noqa: PLC0415

        self._tf, self._replicas = tf, Replicas(strategy)
        with self._replicas.scope():
            model = build_model(config, VOCAB_SIZE)
        model.initialize(config.init_scale, config.seed)
        ids = zipf_ids(VOCAB_SIZE, TOKENS)
        windows = reader.sequential(ids, config.batch_size, config.num_steps)
        self._stream, self._starts = tf.constant(windows.stream), tf.constant(windows.starts)
        self._state = model.initial_state(config.batch_size)
        self._step = train_step(model, config, self._replicas)
        self._sum = tf.function(self._sums)

    def train(self, count: int) -> float:
        began = time.perf_counter()
        while count:
            some = min(count, len(self._starts))
            costs, _, self._state = self._step(
                self._stream, self._starts, self._state, 1.0, 0, some
            )
            costs.numpy()
            count -= some
        return time.perf_counter() - began

    def sum(self, count: int) -> float:
        values = self._tf.ones([count])
        self._sum(values)
        began = time.perf_counter()
        self._sum(values).numpy()
        return (time.perf_counter() - began) / SUMS

    def _sums(self, values):
        """The values do not grow: what is summed is halved, a third, ... by each worker."""
        replicas = self._replicas
        for _ in self._tf.range(SUMS):
            total = replicas.run(lambda own: replicas.sum(own / replicas.count), values)
            values = replicas.one(total)
        return values[0]
