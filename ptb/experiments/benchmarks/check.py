"""Checks that a device trains correctly: the original's numbers, cuDNN, and speed.

    ptb check --device=gpu      one table; exit status 1 if a row fails
    ptb check --device=cpu      the table without the rows that need a GPU

The numbers are compared in float32, without TF32. Words per second are measured with `--model`, in
float32 and bfloat16, beside PyTorch if it is installed. Each measurement has its own process.
"""

from __future__ import annotations

import dataclasses
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from absl import flags

from ptb.command_line.devices import start_tensorflow
from ptb.command_line.help import flag_group
from ptb.command_line.program import FLAGS, fail, run, user_errors
from ptb.data import reader
from ptb.experiments.benchmarks.device_rates import WITHOUT_GPU, Case, measure_in_child
from ptb.experiments.benchmarks.workload import zipf_ids
from ptb.machine.child import ROOT, ChildFailed
from ptb.machine.environment import machine
from ptb.training.config import PRESETS, Config

RECORDING = ROOT / "tests" / "golden" / "lstm_sgd_tiny.npz"  # of a source tree
MODES = ("static", "fused", "keras")
# Relative errors of costs and gradient norms. Of the precisions, as the small test model has them:
# of costs, and of what training added to a weight. A weight without a gradient has an error of 1.
EXACT, LOW, LOW_UPDATE = 1e-4, 2e-2, 0.2
SMALL = Config(hidden_size=16, num_steps=8, batch_size=4, init_scale=0.2)
VOCAB_SIZE, WINDOWS = 100, 10


class Row(NamedTuple):
    """A line of the table. `passed` is None if the device lacks the feature."""

    check: str
    found: str
    expected: str
    passed: bool | None

    @classmethod
    def error(cls, check: str, error: float, tolerance: float) -> Row:
        within = math.isfinite(error) and error <= tolerance
        return cls(check, f"{error:.1e}", f"at most {tolerance:g}", within)

    @classmethod
    def absent(cls, check: str, reason: str) -> Row:
        return cls(check, reason, "", None)


def rows(device: str, model: str, seconds: float) -> Iterator[Row]:
    """Every check of `device`, cpu or gpu, one after the other. TensorFlow has been started."""
    import tensorflow as tf  # noqa: PLC0415

    tf.config.experimental.enable_tensor_float_32_execution(False)
    yield _device(device)
    for mode in MODES:
        yield _trajectory(mode)
    yield _cudnn(device)
    for mode in MODES:
        yield from _low_precision(mode)
    yield _mirrored(device)
    yield _memory(device)
    yield from _rates(device, model, seconds)


def find_device(device: str) -> None:
    """Raises ValueError if TensorFlow does not have the device."""
    import tensorflow as tf  # noqa: PLC0415

    if not tf.config.list_logical_devices(device.upper()):
        raise ValueError(
            f"--device={device}: TensorFlow finds no GPU here: see that nvidia-smi lists one, and "
            'install TensorFlow with its CUDA libraries: python3 -m pip install -e ".[gpu]"'
        )


def _device(device: str) -> Row:
    import tensorflow as tf  # noqa: PLC0415

    if device == "cpu":
        named = ", ".join(machine()["units"]) or "units unknown"
        return Row("device", f"{machine()['processor']} ({named})", "a processor", True)
    (gpu, *_) = tf.config.list_physical_devices("GPU")
    name = tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name)
    return Row("device", name, "a GPU", True)


def _trajectory(mode: str) -> Row:
    check = f"{mode}: the original's costs and norms"
    if not RECORDING.exists():
        return Row.absent(check, "the recording is in the source tree alone")
    return Row.error(check, replay_error(RECORDING, mode), EXACT)


def replay_error(recording: Path, rnn_mode: str) -> float:
    """The largest relative error of a replay of what the original TF1 code recorded."""
    from models import tf1_names  # noqa: PLC0415

    with np.load(recording, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    weights = {
        tf1_names.weight_name(name.removeprefix("init.").replace(".", "/")): array
        for name, array in arrays.items()
        if name.startswith("init.")
    }
    _, batch_size, num_steps = arrays["inputs"].shape
    config = Config(
        hidden_size=weights["embedding"].shape[1],
        num_layers=sum(name.endswith("kernel") for name in weights),
        forget_bias=float(arrays["forget_bias"]),
        max_grad_norm=float(arrays["max_grad_norm"]),
        learning_rate=float(arrays["learning_rate"]),
        batch_size=batch_size,
        num_steps=num_steps,
        rnn_mode=rnn_mode,
    )
    count = len(arrays["cost"])
    costs, norms, _ = _train(config, arrays["ids"], len(weights["embedding"]), count, weights)
    recorded = np.concatenate([arrays["cost"], arrays["grad_norm"]])
    return _distance(np.concatenate([costs, norms]), recorded)


def _low_precision(mode: str) -> Iterator[Row]:
    """In each precision, the costs beside those of float32, and what was added to each weight."""
    config = dataclasses.replace(SMALL, rnn_mode=mode)
    costs, _, updates = _train_small(config)
    for precision in ("mixed_bfloat16", "mixed_float16"):
        low_costs, _, low_updates = _train_small(dataclasses.replace(config, precision=precision))
        check = f"{mode} in {precision}"
        yield Row.error(f"{check}: costs near float32's", _distance(low_costs, costs), LOW)
        errors = [
            np.linalg.norm(low_updates[name] - update) / np.linalg.norm(update)
            for name, update in updates.items()
        ]
        yield Row.error(f"{check}: updates near float32's", float(np.max(errors)), LOW_UPDATE)


def _train(config: Config, ids, vocab_size: int, count: int, weights=None, strategy=None):
    """The costs and gradient norms of the first `count` windows; what they add to each weight."""
    import tensorflow as tf  # noqa: PLC0415

    from ptb.training.distribution import Replicas  # noqa: PLC0415
    from ptb.training.model import build_model  # noqa: PLC0415
    from ptb.training.step import train_step  # noqa: PLC0415

    replicas = Replicas(strategy)
    with replicas.scope():
        model = build_model(config, vocab_size)
    if weights:
        model.import_weights(weights)
    else:
        model.initialize(config.init_scale, config.seed)
    windows = reader.sequential(ids, config.batch_size, config.num_steps)
    step = train_step(model, config, replicas)
    state = model.initial_state(config.batch_size)
    stream, starts = tf.constant(windows.stream), tf.constant(windows.starts[:count])
    before = model.export_weights()
    costs, norms, _ = step(stream, starts, state, config.learning_rate)
    updates = {name: after - before[name] for name, after in model.export_weights().items()}
    return costs.numpy(), norms.numpy(), updates


def _train_small(config: Config, strategy=None):
    ids = zipf_ids(VOCAB_SIZE, 2 * WINDOWS * config.batch_size * config.num_steps)
    return _train(config, ids, VOCAB_SIZE, WINDOWS, strategy=strategy)


def _distance(values, expected) -> float:
    """The largest relative error; NaN if one is NaN."""
    return float(np.max(np.abs(values / expected - 1)))


def _cudnn(device: str) -> Row:
    """Whether the graph of `rnn_mode=keras` has cuDNN's operation for the layer."""
    import tensorflow as tf  # noqa: PLC0415

    from ptb.training.model import build_model  # noqa: PLC0415

    if device == "cpu":
        return Row.absent("keras: runs in cuDNN", "only on a GPU")
    model = build_model(dataclasses.replace(SMALL, rnn_mode="keras"), VOCAB_SIZE)
    tokens, state = tf.zeros([4, 8], tf.int32), model.initial_state(4)
    graph = tf.function(model.outputs).get_concrete_function(tokens, state).graph.as_graph_def()
    nodes = [*graph.node, *(n for f in graph.library.function for n in f.node_def)]
    found = sum(node.op.startswith("CudnnRNN") for node in nodes)
    return Row("keras: runs in cuDNN", f"{found} operations", "1 or more", found > 0)


def _mirrored(device: str) -> Row:
    """Whether all devices together, each with the rows of `SMALL`, train as one does."""
    import tensorflow as tf  # noqa: PLC0415

    names = [each.name for each in tf.config.list_logical_devices(device.upper())]
    config = dataclasses.replace(SMALL, batch_size=len(names) * SMALL.batch_size)
    costs, *_ = _train_small(config, tf.distribute.MirroredStrategy(names))
    expected, *_ = _train_small(config)
    check = f"mirrored over {len(names)}: costs of one device"
    return Row.error(check, _distance(costs, expected), EXACT)


def _memory(device: str) -> Row:
    import tensorflow as tf  # noqa: PLC0415

    check = "GPU memory is taken as it is needed"
    if device == "cpu":
        return Row.absent(check, "only on a GPU")
    gpus = tf.config.list_physical_devices("GPU")
    grows = all(tf.config.experimental.get_memory_growth(gpu) for gpu in gpus)
    return Row(check, "yes" if grows else "no, all at once", "yes", grows)


def _rates(device: str, model: str, seconds: float) -> Iterator[Row]:
    """Words per second of this project and of PyTorch."""
    mode = "keras" if device == "gpu" else "fused"
    rates: dict[str, int] = {}
    for side in ("torch", mode):
        for precision in ("float32", "mixed_bfloat16"):
            check = f"{model} in {precision}, {side}: words/s"
            try:
                case = Case(side, model, PRESETS[model].batch_size, precision)
                rate = measure_in_child(case, seconds, device)["words_per_second"]
            except ChildFailed as error:
                missing = side == "torch" and "No module named 'torch'" in error.reason
                absent = Row.absent(check, "PyTorch is not installed")
                yield absent if missing else Row(check, error.reason, "a figure", False)
                continue
            peer = rates.get(precision)
            rates.setdefault(precision, rate)
            ratio = f" = {rate / peer:.2f} of PyTorch's" if peer else ""
            yield Row(check, f"{rate:,}{ratio}", "", True)


def line_of(row: Row) -> str:
    """The row as a line of the table."""
    verdict = {True: "ok", False: "FAILED", None: "-"}[row.passed]
    found = f"{row.found} ({row.expected})" if row.expected else row.found
    return f"{verdict:7} {row.check:48} {found}"


def main() -> None:
    if FLAGS.device == "cpu":
        os.environ.update(WITHOUT_GPU)
    with user_errors():
        start_tensorflow()
        find_device(FLAGS.device)
    failed = 0
    for row in rows(FLAGS.device, FLAGS.model, FLAGS.seconds):
        print(line_of(row), flush=True)
        failed += row.passed is False
    if failed:
        fail(f"{failed} checks of the {FLAGS.device} failed: the table says which")


def start() -> None:
    """Defines the flags and runs the command."""
    with flag_group("what to check"):
        flags.DEFINE_enum("device", "cpu", ["cpu", "gpu"], "The device to check.")
        flags.DEFINE_enum(
            "model", "small", list(PRESETS), "Preset whose words per second are measured."
        )
        flags.DEFINE_float(
            "seconds", 3.0, "Seconds of training of each program, after warming up.", 0.1, 3600.0
        )
    run(main)
