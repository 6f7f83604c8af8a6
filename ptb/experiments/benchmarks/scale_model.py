"""Predicts the time of a training step on R workers from the time on one worker.

    seconds(R) = compute(B / R) + 2 (R - 1) / R * bytes / bandwidth + 2 (R - 1) * latency

`compute` is a step of one worker on its rows. The others are a ring all-reduce: each worker sends
and receives every byte of the message twice, but for its own share, in 2 (R - 1) turns.
"""

from __future__ import annotations

from dataclasses import dataclass

from ptb.training.config import Config
from ptb.training.model import FLOAT_BYTES, size_of


def message_bytes(config: Config, vocab_size: int) -> int:
    """The message of a worker's gradients in a step, which all workers sum.

    All weights, but for the embedding, of which it has a row for each of the B T tokens. A tied
    embedding is sent whole, because the softmax has a gradient for each of its rows.
    """
    numbers = size_of(config, vocab_size).num_weights
    if not config.tie_weights:
        rows = config.batch_size * config.num_steps
        numbers += (rows - vocab_size) * config.hidden_size
    return FLOAT_BYTES * numbers


@dataclass(frozen=True)
class Network:
    """`bandwidth` of a worker in bytes per second, each way; `latency` of a turn in seconds."""

    bandwidth: float
    latency: float

    @classmethod
    def from_times(cls, small: float, large: float, large_bytes: int, workers: int) -> Network:
        """Fits the network from the seconds of a tiny all-reduce and of one of `large_bytes`."""
        sent = 2 * (workers - 1) / workers * large_bytes
        return cls(sent / (large - small), small / (2 * (workers - 1)))

    def seconds(self, num_bytes: float, workers: int) -> float:
        """The seconds of an all-reduce of `num_bytes` bytes."""
        turns = 2 * (workers - 1)
        return turns / workers * num_bytes / self.bandwidth + turns * self.latency


def words_per_second(
    config: Config, vocab_size: int, compute: float, network: Network, workers: int
) -> float:
    """Of `workers`, each of which computes `compute` seconds on its part of a window."""
    seconds = compute + network.seconds(message_bytes(config, vocab_size), workers)
    return config.batch_size * config.num_steps / seconds
