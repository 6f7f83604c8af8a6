"""Measures the training speed of this project in words per second, beside PyTorch and plain Keras.

    ptb benchmark --model=small
    ptb benchmark --model=medium --paths=fused --peers=torch --json=medium.json
    ptb benchmark --sweep=num_steps --plot=sweep.png
    ptb benchmark --export_path=DIR         how fast an export of ptb export answers
    ptb benchmark --reader                  how fast a text of 100 million tokens is read

All programs train the same model on the same windows and take turns. The loss of the first steps
shows that they do the same work (with dropout, the masks differ). Absolute speeds vary with the
load of the machine: compare the ratios.
"""

from __future__ import annotations

import dataclasses
import math
import os
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from absl import flags

from ptb.command_line.config_flags import config_from_flags, define_config_flags
from ptb.command_line.devices import import_tensorflow
from ptb.command_line.help import flag_group
from ptb.command_line.paths import define_path
from ptb.command_line.program import (
    FLAGS,
    check_output_file,
    check_output_files,
    fail,
    note,
    run,
    user_errors,
    write_json,
)
from ptb.command_line.text_source import TextSource
from ptb.command_line.without_effect import refuse_all_but, refuse_without_effect
from ptb.data.reader import sequential
from ptb.machine.cores import available_cores
from ptb.machine.environment import origin
from ptb.machine.own_folder import PNG
from ptb.training.config import Config, preset
from ptb.training.model import check_memory

VOCAB_SIZE = 10_000
TOKENS = 200_000
# All programs train the tutorial's recipe, which has one value for each of these fields.
RECIPE = (
    *("cell", "rnn_mode", "optimizer", "forget_bias", "tie_weights", "softmax", "softmax_bias"),
    *("precision", "sampling", "reset_at", "weight_keep_prob", "embedding_keep_prob"),
    *("ema_momentum", "activation_regularization", "temporal_activation_regularization"),
)
# Fields of the config that do not change the time of a step.
UNREAD = (
    *("learning_rate", "schedule", "num_epochs", "constant_epochs", "learning_rate_decay"),
    *("warmup", "weight_decay", "adaptive_cutoffs"),
)
# The flags that choose another measurement, and what it reads beside --json.
OTHERS = {"reader": ("reader_tokens",), "export_path": ("seconds",)}


def main() -> None:
    with user_errors():
        _check_flags()
    if FLAGS.reader:
        _measure_reader()
        return
    if FLAGS.export_path:
        _measure_export()
        return
    from ptb.experiments.benchmarks import race, report, sides, sweep  # noqa: PLC0415

    with user_errors():
        _check_recipe()
        paths = _chosen("paths", (*sides.PATHS, *sides.LOW_PATHS))
        names = [*paths, *_chosen("peers", (*sides.PEERS, *sides.LOW_PEERS)), *sides.PRODUCTS_ONLY]
        others = _find_tf1() if any(name.startswith("tf1_") for name in names) else {}
        workload = _workload()
    if FLAGS.sweep:
        _note_duration(sweep.expected_seconds(FLAGS.sweep, FLAGS.rounds, FLAGS.seconds))
        result = sweep.run(FLAGS.sweep, workload, FLAGS.rounds, FLAGS.seconds, _sweep_picture())
        _write_record(_description(workload) | result, torch=_torch())
        return
    with tempfile.TemporaryDirectory() as folder:
        workload.save(Path(folder))
        _note_duration(race.expected_seconds(names, FLAGS.rounds, FLAGS.seconds))
        entries = race.race(names, Path(folder), FLAGS.rounds, FLAGS.seconds)
    result = _description(workload) | report.summary(entries, workload)
    config = workload.config
    title = (
        f"{FLAGS.model}: L={config.num_layers} H={config.hidden_size} V={workload.vocab_size} "
        f"B={config.batch_size} T={config.num_steps} keep_prob={config.keep_prob:g}, "
        f"{available_cores()} cores"
    )
    print(report.table(result, title))
    _write_record(result, torch=_torch(), **others)
    if FLAGS.plot:
        report.draw(result, title, Path(FLAGS.plot))
    if absent := [entry.name for entry in entries if entry.name in paths and entry.absent]:
        fail(f"{', '.join(absent)} could not be measured: the table says why")


def _note_duration(seconds: float) -> None:
    """Prints how long the benchmark will take; longer if a few windows take longer than a turn."""
    minutes = f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{math.ceil(seconds)} seconds"
    note(f"this takes about {minutes}, or longer with a large model")


def _check_flags() -> None:
    """Raises ValueError for flags that would fail or have no effect, before any measurement."""
    check_output_files("json", "plot")
    if FLAGS.sweep:
        check_output_file(str(_sweep_picture()), f"the picture {_sweep_picture()}", PNG)
    refuse_without_effect(UNREAD, "on the speed")
    for other, reads in OTHERS.items():
        if FLAGS[other].value:
            refuse_all_but((other, "json", *reads), f"with --{other}")
            return
    refuse_without_effect(["reader_tokens"], without="--reader")
    if FLAGS.sweep:
        refuse_without_effect(["paths", "peers", FLAGS.sweep], f"with --sweep={FLAGS.sweep}")
    if not any(name.startswith("tf1_") for name in FLAGS.peers):
        refuse_without_effect(["tf1_python"], without="tf1_block or tf1_basic in --peers")
    if FLAGS.data_path is None:
        refuse_without_effect(["vocab_size"], without="--data_path")


def _find_tf1() -> dict[str, str]:
    """Tells the workers where TensorFlow 1 is, and returns its version.

    Raises ValueError if it is not found.
    """
    from ptb.experiments.original.oracle import PYTHON_VARIABLE, Oracle  # noqa: PLC0415

    if FLAGS.tf1_python:
        os.environ[PYTHON_VARIABLE] = FLAGS.tf1_python
    with Oracle(flag="tf1_python") as oracle:
        return {"tensorflow_1": oracle.version}


def _check_recipe() -> None:
    """Raises ValueError if the flags change the recipe that all programs train."""
    config, recipe = config_from_flags(), preset("small")
    others = {n: getattr(config, n) for n in RECIPE if getattr(config, n) != getattr(recipe, n)}
    if others:
        named = ", ".join(f"{name}={value}" for name, value in others.items())
        raise ValueError(
            f"the benchmark trains the tutorial's recipe, not {named}: use --model=small, medium "
            "or large, and sizes such as --hidden_size; --paths chooses the rnn_mode "
            "and the precision"
        )


def _sweep_picture() -> Path:
    return Path(FLAGS.plot or f"{FLAGS.sweep}.png")


def _measure_reader() -> None:
    from ptb.experiments.benchmarks import reader  # noqa: PLC0415

    _note_duration(reader.expected_seconds(FLAGS.reader_tokens))
    result = reader.run(FLAGS.reader_tokens)
    print(reader.table(result))
    _write_record(result)


def _measure_export() -> None:
    from ptb.experiments.benchmarks import serving  # noqa: PLC0415
    from ptb.serving.client import find  # noqa: PLC0415

    with user_errors():
        folder = find(FLAGS.export_path)
    _note_duration(serving.expected_seconds(FLAGS.seconds))
    result = serving.run(folder, FLAGS.seconds)
    print(serving.table(result))
    _write_record(result)


def _write_record(result: dict, **others: str | None) -> None:
    """Writes --json: the figures, and what they depend on. `others` are more versions."""
    write_json(origin(**others) | result)


def _chosen(flag: str, known: tuple[str, ...]) -> list[str]:
    names = list(FLAGS[flag].value)
    unknown = set(names) - set(known)
    if unknown:
        raise ValueError(
            f"--{flag} has unknown values ({', '.join(sorted(unknown))}): choose from "
            f"{', '.join(known)}"
        )
    if len(set(names)) < len(names):
        raise ValueError(f"--{flag}={','.join(names)} has a name twice: give each once")
    return names


def _workload():
    """The text of --data_path, or random words, and the initial weights of all programs."""
    from ptb.experiments.benchmarks.workload import Workload, zipf_ids  # noqa: PLC0415

    config = config_from_flags()
    if FLAGS.data_path is None:
        vocab_size, ids = VOCAB_SIZE, zipf_ids(VOCAB_SIZE, TOKENS)
    else:
        corpus = TextSource(FLAGS.data_path).load(("train",), vocab_size=config.vocab_size)
        vocab_size, ids = len(corpus.vocabulary), corpus.train
    configs = _configs_of_sweep(config) if FLAGS.sweep else [config]
    for each in configs:
        sequential(ids, each.batch_size, each.num_steps)  # ValueError if the text is too short
    import_tensorflow()
    for each in configs:
        check_memory(each, vocab_size, each.batch_size, each.num_steps, training=True)
    return Workload.create(config, vocab_size, ids)


def _configs_of_sweep(config: Config) -> list[Config]:
    from ptb.experiments.benchmarks.sweep import VALUES  # noqa: PLC0415

    return [dataclasses.replace(config, **{FLAGS.sweep: n}) for n in VALUES[FLAGS.sweep]]


def _torch() -> str | None:
    """The version of PyTorch; None if it is not installed."""
    try:
        return version("torch")
    except PackageNotFoundError:
        return None


def _description(workload) -> dict:
    return {
        "model": FLAGS.model,
        "text": Path(FLAGS.data_path).name if FLAGS.data_path else "random words",
        "tokens": len(workload.ids),
        "rounds": FLAGS.rounds,
        "seconds_per_round": FLAGS.seconds,
    }


def start() -> None:
    """Defines the flags and runs the command."""
    with flag_group("what to measure"):
        flags.DEFINE_list(
            "paths",
            ["fused", "static", "keras", "fused_bfloat16"],
            "Implementations of this project to measure, comma-separated.",
        )
        flags.DEFINE_list(
            "peers",
            ["torch", "keras_fit", "torch_bfloat16"],
            "Other programs to compare with, comma-separated. tf1_block and tf1_basic are the "
            "original tutorial in TensorFlow 1.15.",
        )
        flags.DEFINE_enum(
            "sweep",
            None,
            ["num_steps", "batch_size", "hidden_size", "num_layers"],
            "Measure the time of a step for several values of this hyperparameter. Default: none.",
        )
        define_path(
            "export_path",
            None,
            "Measure how fast this export of ptb export answers, not training. Default: none.",
        )
        flags.DEFINE_bool("reader", False, "Measure how fast text is read, not training.")
        flags.DEFINE_integer(
            "reader_tokens", 100_000_000, "With --reader: size of the text in tokens.", 2_500_000
        )
        flags.DEFINE_float("seconds", 10.0, "Seconds for each program in each round.", 0.1, 3600.0)
        flags.DEFINE_integer(
            "rounds",
            5,
            "Number of rounds that count. Other programs run one more before, to warm up.",
            1,
            1000,
        )
        define_path(
            "tf1_python",
            None,
            "For tf1_block and tf1_basic: a Python that has TensorFlow 1.15 (see ptb original "
            "--help). Default: none.",
        )
    with flag_group("output"):
        define_path("json", None, "File for all figures. Default: none.")
        define_path("plot", None, "PNG file for a chart. Default: none.")
    with flag_group("text"):
        define_path(
            "data_path",
            None,
            "Folder with train.txt or ptb.train.txt. Default: random words with Zipf's "
            "frequencies.",
        )
    define_config_flags()
    run(main)
