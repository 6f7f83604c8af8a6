"""Words per second of training on a device, and the GPU memory that it takes.

A case is a side (fused, static, keras or torch), a preset, a batch size and a precision. A process
measures TensorFlow's sides or PyTorch's, not both: their CUDA libraries differ. TensorFlow
multiplies float32 matrices in TF32 on a GPU by default and PyTorch does not:
NVIDIA_TF32_OVERRIDE=0 keeps both in float32, NVIDIA_TF32_OVERRIDE=1 lets both use TF32.

`costs` are the losses of the first windows, in nats: equal sides have equal ones. Without a GPU it
runs on the processor, and `gpu_bytes` is None.
"""

from __future__ import annotations

import dataclasses
import statistics
import time
from typing import NamedTuple

from ptb.command_line.devices import start_tensorflow
from ptb.experiments.benchmarks.sides import Ours, Torch
from ptb.experiments.benchmarks.workload import Workload, zipf_ids
from ptb.machine.child import call
from ptb.training.config import preset

VOCAB_SIZE, NUM_TOKENS = 10_000, 929_589  # those of Penn Treebank
FIRST_WINDOWS, ROUNDS = 5, 3
WITHOUT_GPU = {"CUDA_VISIBLE_DEVICES": "-1"}


class Case(NamedTuple):
    """A case to measure: side, model, batch size and precision."""

    side: str
    model: str
    batch_size: int
    precision: str


def measure_in_child(case: Case, seconds: float, device: str) -> dict:
    """Runs `measure` in a separate process, on the device cpu or gpu. Raises ChildFailed."""
    environment = WITHOUT_GPU if device == "cpu" else {}
    return call(_start_and_measure, *case, seconds, environment=environment, quiet=True)


def _start_and_measure(*case_and_seconds) -> dict:
    *fields, seconds = case_and_seconds
    case = Case(*fields)
    if case.side != "torch":
        start_tensorflow()
    return measure(case, seconds)


def measure(case: Case, seconds: float) -> dict:
    """Trains for about `seconds` in ROUNDS parts and returns the figures of the case."""
    config = dataclasses.replace(preset(case.model), batch_size=case.batch_size)
    workload = Workload.create(config, VOCAB_SIZE, zipf_ids(VOCAB_SIZE, NUM_TOKENS))
    reset_gpu_bytes(case)
    began = time.perf_counter()
    if case.side == "torch":
        side: Torch | Ours = Torch(workload, case.precision)
    else:
        side = Ours(workload, case.side, case.precision)
    costs = side.train(0, 1)
    first_step = time.perf_counter() - began
    costs += side.train(1, FIRST_WINDOWS - 1)
    began = time.perf_counter()
    side.train(FIRST_WINDOWS, FIRST_WINDOWS)
    pace = (time.perf_counter() - began) / FIRST_WINDOWS
    done, count = 2 * FIRST_WINDOWS, max(2, int(seconds / ROUNDS / pace))
    rates = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        side.train(done, count)
        words = count * config.batch_size * config.num_steps
        rates.append(words / (time.perf_counter() - began))
        done += count
    rate = statistics.median(rates)
    return case._asdict() | {
        "words_per_second": round(rate),
        "lowest": round(min(rates)),
        "highest": round(max(rates)),
        "tflop_per_second": round(rate * workload.training_flop_per_word / 1e12, 2),
        "seconds_to_first_step": round(first_step, 1),
        "gpu_bytes": gpu_bytes(case),
        "costs": [round(cost, 4) for cost in costs],
    }


def reset_gpu_bytes(case: Case) -> None:
    """Resets the counter of peak GPU memory."""
    if case.side == "torch":
        import torch  # noqa: PLC0415

        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
    else:
        import tensorflow as tf  # noqa: PLC0415

        if tf.config.list_logical_devices("GPU"):
            tf.config.experimental.reset_memory_stats("GPU:0")


def gpu_bytes(case: Case) -> int | None:
    """The maximum memory in use on the GPU, in bytes; None without a GPU."""
    if case.side == "torch":
        import torch  # noqa: PLC0415

        return torch.cuda.max_memory_allocated() if torch.cuda.is_available() else None
    import tensorflow as tf  # noqa: PLC0415

    if not tf.config.list_logical_devices("GPU"):
        return None
    return tf.config.experimental.get_memory_info("GPU:0")["peak"]
