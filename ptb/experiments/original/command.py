"""Runs the original: the tutorial's graph, built from TensorFlow 1.15's own parts.

    ptb original compare --model=small --windows=20       compare window by window
    ptb original compare --random=50                      the same for 50 random models
    ptb original record --model=small --out=DIR           save the original's losses and weights
    ptb original train --model=small --data_path=DIR      trains and scores as the tutorial did
    ptb original train --tutorial_checkpoint=PREFIX       begins with the weights of a checkpoint

TensorFlow 1.15 needs a separate environment with Python 3.7:

    python3.7 -m venv tf1
    tf1/bin/pip install "tensorflow==1.15.5" "protobuf<3.21" "numpy<1.19"

Name it by --python=tf1/bin/python, or by the variable PTB_TF1_PYTHON.
"""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

from absl import flags
from tqdm import tqdm

from models.tf1_names import FILES, MODES, tf1_name
from ptb.command_line.config_flags import config_from_flags, define_config_flags
from ptb.command_line.devices import start_tensorflow
from ptb.command_line.help import flag_group
from ptb.command_line.paths import define_path
from ptb.command_line.program import (
    FLAGS,
    check_output_file,
    check_output_files,
    fail,
    note,
    run,
    typed_command,
    user_errors,
    write_json,
)
from ptb.command_line.text_source import TextSource, define_data_flags, define_text_flags
from ptb.command_line.without_effect import refuse_all_but, refuse_without_effect
from ptb.data import reader
from ptb.experiments.original.oracle import PYTHON_VARIABLE, Oracle, settings_of
from ptb.machine.environment import origin
from ptb.machine.own_folder import refuse_existing, refuse_foreign, refuse_no_name
from ptb.training.report import MAX_NATS

# The tasks, and the flags that have no effect in each.
UNREAD = {
    "compare": ("out", "tutorial_checkpoint", "write_tutorial_checkpoint"),
    "record": ("json", "tutorial_checkpoint", "write_tutorial_checkpoint", "rnn_mode"),
    "train": ("out", "random", "windows", "rnn_mode"),
}
READ_WITH_RANDOM = ("random", "seed", "python", "out", "json")
# Windows of one command of the oracle: progress is shown between commands.
CHUNK = 100


def main(names: list[str]) -> None:
    with user_errors():
        if len(names) != 1 or names[0] not in UNREAD:
            given = " ".join(names) or "nothing"
            raise ValueError(
                f"{given!r} is no task of the original: give one of {', '.join(UNREAD)}"
            )
        _check_flags(names[0])
        config = config_from_flags()
        settings_of(config, config.vocab_size)
        if config.cell != "lstm":
            refuse_without_effect(["tutorial_mode"], f"with --cell={config.cell}")
        for name in ("tutorial_checkpoint", "write_tutorial_checkpoint"):
            if FLAGS[name].value:
                _check_is_the_tutorials(name, config)
        if FLAGS.tutorial_checkpoint:
            refuse_without_effect(["init_scale"], "with --tutorial_checkpoint")
        if FLAGS.write_tutorial_checkpoint:
            _check_checkpoint(FLAGS.write_tutorial_checkpoint)
        with Oracle(FLAGS.python) as oracle:
            {"compare": _compare, "record": _record, "train": _train}[names[0]](oracle, config)


def _check_flags(task: str) -> None:
    if FLAGS.rnn_mode in MODES:
        raise ValueError(
            f"--rnn_mode={FLAGS.rnn_mode} is the tutorial's name: use "
            f"--tutorial_mode={FLAGS.rnn_mode}"
        )
    refuse_without_effect(UNREAD[task], f"in {task}")
    if FLAGS.random:
        refuse_all_but(READ_WITH_RANDOM, "with --random")
    if task == "record" and not FLAGS.out:
        raise ValueError("--out is missing: give a folder for the recordings")
    check_output_files("json")


def _check_is_the_tutorials(flag: str, config) -> None:
    """Raises ValueError for a model whose checkpoint would not be the tutorial's."""
    for name, value in (("cell", "lstm"), ("forget_bias", 0.0)):
        if getattr(config, name) != value:
            raise ValueError(
                f"a checkpoint of the tutorial has no {name}={getattr(config, name)}: leave out "
                f"--{flag}, or give --{name}={value}"
            )


def _check_checkpoint(prefix: str) -> None:
    """Raises ValueError if the checkpoint cannot be written."""
    refuse_no_name(prefix)
    for suffix in FILES:
        refuse_existing(prefix + suffix)
        check_output_file(prefix + suffix, f"--write_tutorial_checkpoint={prefix}", b"")


def _compare(oracle: Oracle, config) -> None:
    """Prints the largest differences. Exits with 1 if one is above the tolerance."""
    start_tensorflow()
    from ptb.experiments.original import parity  # noqa: PLC0415

    cases = _cases(config)
    modes = () if config.rnn_mode == "auto" else (config.rnn_mode,)
    print(f"TensorFlow {oracle.version} and this project: largest relative difference")
    print(f"{'':56}{'cost':>9}{'norm':>9}{'weights':>9}{'state':>9}")
    results, found = [], []
    for case in tqdm(cases, desc="models", disable=None):
        for mode, each in parity.compare(oracle, case, modes).items():
            line = "".join(f"{value:9.1e}" for value in each.apart.values())
            tqdm.write(f"{_name(case, mode):56}{line}")
            if each.ours is not None:
                tqdm.write(
                    "  each window by itself, from float64: TensorFlow 1 "
                    f"{each.theirs:.1e}, here {each.ours:.1e}"
                )
            results.append({"model": _name(case, mode), **dataclasses.asdict(each)})
            found.append(each)
    figures = {"largest": max(each.largest for each in found), "models": results}
    unrolls = _compare_unrolls(oracle, config.seed, FLAGS.random) if FLAGS.random else []
    if unrolls:
        figures["largest_with_sequence_length"] = max(unrolls)
    _write_figures(oracle, figures)
    wrong = [each for each in found if not each.agrees]
    if wrong:
        worst = max(each.largest for each in wrong)
        fail(
            f"{len(wrong)} of {len(found)} differ by up to {worst:.1e}, above "
            f"{parity.TOLERANCE:g}; and a window by itself is further from float64 than "
            f"{parity.TOLERANCE:g} here, or than {parity.THEIR_ROUNDING:g} in TensorFlow 1"
        )
    beyond = sum(each.ours is not None for each in found)
    print(f"{len(found) - beyond} of {len(found)} are within {parity.TOLERANCE:g}")
    if beyond:
        print(
            f"{beyond} differ by more, since rounding grows from window to window: each window by "
            f"itself is within {parity.TOLERANCE:g} of float64 here, and within "
            f"{parity.THEIR_ROUNDING:g} in TensorFlow 1"
        )
    if unrolls:
        said = (
            f"{len(unrolls)} random stacks of cells, rows of other lengths, in static_rnn and "
            f"dynamic_rnn: up to {max(unrolls):.1e}"
        )
        if max(unrolls) > parity.TOLERANCE:
            fail(f"{said}, above {parity.TOLERANCE:g}")
        print(said)


def _compare_unrolls(oracle: Oracle, seed: int, count: int) -> list[float]:
    """The largest difference of each of `count` random stacks of cells with a sequence_length."""
    import numpy as np  # noqa: PLC0415

    from ptb.experiments.original import parity  # noqa: PLC0415

    rng = np.random.default_rng(seed)
    stacks = tqdm(range(count), desc="stacks", disable=None)
    return [parity.compare_unroll(oracle, rng) for _ in stacks]


def _name(case, rnn_mode: str) -> str:
    config = case.config
    cell = f"{case.mode} lstm" if config.cell == "lstm" else config.cell
    return (
        f"{cell} {rnn_mode}: L={config.num_layers} H={config.hidden_size} T={config.num_steps} "
        f"B={config.batch_size} keep={config.keep_prob:g}"
    )


def _cases(config, **sizes) -> list:
    """The case that the flags name, or random cases with at most these `sizes`."""
    import numpy as np  # noqa: PLC0415

    from ptb.experiments.original import parity  # noqa: PLC0415

    if FLAGS.random:
        rng = np.random.default_rng(config.seed)
        return [parity.random_case(rng, **sizes) for _ in range(FLAGS.random)]
    corpus = TextSource.from_flags().load(("train",), vocab_size=config.vocab_size)
    available = len(reader.sequential(corpus.train, config.batch_size, config.num_steps))
    if available < FLAGS.windows:
        raise ValueError(f"--windows={FLAGS.windows} is more than the {available} of the text")
    ids = corpus.train[: config.batch_size * (config.num_steps * FLAGS.windows + 1)]
    return [parity.Case(config, len(corpus.vocabulary), ids, FLAGS.windows, FLAGS.tutorial_mode)]


def _record(oracle: Oracle, config) -> None:
    """Records small random models, for tests without TensorFlow 1."""
    start_tensorflow()
    from ptb.experiments.original import parity  # noqa: PLC0415

    folder = Path(FLAGS.out)
    refuse_foreign(folder, f"--out={folder}")
    folder.mkdir(parents=True, exist_ok=True)
    for number, case in enumerate(_cases(config, max_size=12, max_words=60)):
        path = folder / f"{number}.npz"
        parity.save_recording(path, case, *parity.theirs(oracle, case))
        print(f"{path}: {case.num_windows} windows, TensorFlow {oracle.version}")


def _train(oracle: Oracle, config) -> None:
    """Trains all epochs; valid after each, as the tutorial does, and test at the end."""
    splits = ("train", "valid", "test")
    corpus = TextSource.from_flags().load(splits, vocab_size=config.vocab_size)
    texts = {split: corpus.splits[split] for split in splits}
    vocab_size = len(corpus.vocabulary)
    weights = None
    if FLAGS.tutorial_checkpoint or FLAGS.write_tutorial_checkpoint:
        start_tensorflow()
    if FLAGS.tutorial_checkpoint:
        weights = _weights_of(FLAGS.tutorial_checkpoint, config, vocab_size)
    oracle.open(settings_of(config, vocab_size, FLAGS.tutorial_mode), texts, weights)
    windows = len(reader.sequential(texts["train"], config.batch_size, config.num_steps))
    words_per_window = config.batch_size * config.num_steps
    epochs = []
    for epoch in range(config.num_epochs):
        rate, nats, seconds = config.learning_rate_at(epoch), 0.0, 0.0
        with tqdm(total=windows, desc=f"epoch {epoch + 1}", leave=False, disable=None) as bar:
            for first in range(0, windows, CHUNK):
                count = min(CHUNK, windows - first)
                answer = oracle.train(count, rate, from_zero=first == 0)
                nats, seconds = nats + math.fsum(answer["costs"]), seconds + answer["seconds"]
                bar.update(count)
        report = {
            "epoch": epoch + 1,
            "learning_rate": rate,
            "train": _perplexity(nats, windows * config.num_steps, f"epoch {epoch + 1}"),
            "valid": _score(oracle, texts["valid"], "valid", config.batch_size, config.num_steps),
            "words_per_second": windows * words_per_window / seconds,
        }
        epochs.append(report)
        print(
            f"epoch {epoch + 1}: learning rate {rate:.4g}, train {report['train']:.2f}, valid "
            f"{report['valid']:.2f}, {report['words_per_second']:,.0f} words/s",
            flush=True,
        )
        if FLAGS.write_tutorial_checkpoint:
            oracle.save(FLAGS.write_tutorial_checkpoint)
            if epoch == 0:
                _name_newest(FLAGS.write_tutorial_checkpoint)
    test = _score(oracle, texts["test"], "test", 1, 1)
    print(f"test {test:.2f}, of the last epoch, one word at a time")
    mode = FLAGS.tutorial_mode
    figures = {"fingerprint": corpus.fingerprint, "mode": mode, "epochs": epochs, "test": test}
    _write_figures(oracle, figures)


def _weights_of(prefix: str, config, vocab_size: int) -> dict:
    """The weights of a checkpoint under TensorFlow 1's names. Exits if they do not fit."""
    from ptb.runs.tutorial_checkpoint import read_tutorial_checkpoint  # noqa: PLC0415

    with user_errors():
        found, weights = read_tutorial_checkpoint(prefix)
        sizes = {"hidden_size": config.hidden_size, "num_layers": config.num_layers}
        for name, size in (sizes | {"vocab_size": vocab_size}).items():
            if getattr(found, name) != size:
                raise ValueError(
                    f"--tutorial_checkpoint={prefix} has {name}={getattr(found, name)} and the "
                    f"model {size}: give --model and the text that it was trained on"
                )
    return {tf1_name(name, FLAGS.tutorial_mode): weight for name, weight in weights.items()}


def _name_newest(prefix: str) -> None:
    from ptb.runs.tutorial_checkpoint import name_newest, not_the_newest  # noqa: PLC0415

    with user_errors():
        name_newest(prefix)
    if said := not_the_newest(prefix):
        note(said)


def _write_figures(oracle: Oracle, figures: dict) -> None:
    """Writes --json: the figures, and where they come from."""
    known = {"command": typed_command()} | origin(tensorflow_1=oracle.version)
    write_json(known | figures)


def _score(oracle: Oracle, ids, split: str, batch_size: int, num_steps: int) -> float:
    """The tutorial's perplexity, which leaves out words that fill no window."""
    windows = len(reader.sequential(ids, batch_size, num_steps))
    nats = oracle.score(split, windows)["nats"]
    return _perplexity(nats, windows * num_steps, split)


def _perplexity(nats: float, words: int, of: str) -> float:
    """Ends the process where a word costs so much that training has diverged."""
    if not nats / words < MAX_NATS:
        fail(
            f"the original diverged: a word of {of} costs {nats / words:.3g} nats; give a lower "
            "--learning_rate or --max_grad_norm"
        )
    return math.exp(nats / words)


def start() -> None:
    """Defines the flags and runs the command."""
    with flag_group("original"):
        define_path(
            "python",
            None,
            f"A Python that has TensorFlow 1.15. Default: ${PYTHON_VARIABLE}.",
        )
        flags.DEFINE_enum(
            "tutorial_mode",
            "block",
            MODES,
            "The tutorial's rnn_mode: LSTMBlockCell (block) or BasicLSTMCell (basic).",
        )
        flags.DEFINE_integer(
            "windows", 20, "For compare and record: number of windows.", 1, 100_000
        )
        flags.DEFINE_integer(
            "random",
            None,
            "For compare and record: number of random models, in place of the model of --model. "
            "Default: none.",
            1,
            100_000,
        )
        define_path("out", None, "For record: folder to write to. Default: none.")
        define_path(
            "tutorial_checkpoint",
            None,
            "For train: a checkpoint of the tutorial to begin with, as a path without .index or a "
            "folder. Default: random weights.",
        )
        define_path(
            "write_tutorial_checkpoint",
            None,
            "For train: write a checkpoint of the tutorial after each epoch: a new path, without "
            ".index. Default: none.",
        )
        define_path("json", None, "File for all figures. Default: none.")
    define_data_flags()
    define_text_flags()
    define_config_flags()
    FLAGS.set_gnu_getopt(True)
    run(main, takes_arguments=True)
