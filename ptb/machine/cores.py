"""The cores and the GPU of this machine."""

from __future__ import annotations

import os


def available_cores() -> int:
    """Number of cores that this process may use; `taskset` and containers can reduce it."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS or Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def on_gpu() -> bool:
    """Whether TensorFlow has a GPU, on which it then computes what it can.

    Before TensorFlow is imported and started, this starts it.
    """
    import tensorflow as tf  # noqa: PLC0415

    return bool(tf.config.list_logical_devices("GPU"))
