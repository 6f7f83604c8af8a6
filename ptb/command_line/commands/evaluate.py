"""Measures the exact perplexity of a trained model.

    python3 evaluate.py --save_path=RUN                     the test split of the run's corpus
    python3 evaluate.py --save_path=RUN --split=valid --json
    python3 evaluate.py --save_path=RUN --data_path=FILE    all of another text
    python3 evaluate.py --tutorial_checkpoint=PREFIX --data_path=DIR    what the TF1 tutorial left

Every token after the first is predicted once. With batch_size 1, the default, it is predicted from
all the tokens before it; the answer does not depend on num_steps.
"""

from __future__ import annotations

import math
import sys

from absl import flags

from ptb.command_line.devices import start_tensorflow
from ptb.command_line.program import FLAGS, run, user_errors
from ptb.command_line.run_report import print_comparable
from ptb.command_line.text_source import define_data_flags
from ptb.command_line.trained_model import (
    define_trained_model_flags,
    load_text_to_score,
    load_train_of,
    load_trained_model,
)
from ptb.data.options import WHOLE
from ptb.machine import strict_json
from ptb.machine.escape import escape
from ptb.machine.memory import memory_bytes
from ptb.training.model import check_memory

flags.disclaim_key_flags()

# What is no plain perplexity, and the flags that only it reads.
METHODS = {
    "neural_cache": ("cache_flatness", "cache_share"),
    "dynamic_evaluation": ("dynamic_rate", "dynamic_decay"),
}
# Words after which dynamic evaluation learns, and rows of train that it reads side by side.
DYNAMIC_STEPS, DYNAMIC_BATCH = 5, 100


def main() -> None:
    with user_errors():
        _check_method()
        trained = load_trained_model()
        corpus, split = load_text_to_score(trained, FLAGS.split, FLAGS["split"].present > 0)
        windows = _windows(trained, corpus.splits[split])
        train_windows = _train_windows(trained) if FLAGS.dynamic_evaluation else None
        start_tensorflow()
        _check_memory(trained, windows, train_windows)
        model = trained.build()
        _print_what_is_scored(corpus, split)

    from tqdm import tqdm  # noqa: PLC0415

    if windows.batch_size > 1:
        print(
            f"note: batch_size={windows.batch_size} reads {windows.batch_size} rows side by side, "
            f"{windows.batch_size - 1} of which start without context; batch_size=1 is exact",
            file=sys.stderr,
        )
    evaluate = _evaluator(model, train_windows)
    with tqdm(
        total=windows.num_tokens, desc=split, unit="word", unit_scale=True, disable=None
    ) as bar:
        score = evaluate(windows, progress=bar.update)
    if FLAGS.json:
        print(strict_json.dumps(_as_json(score, windows, corpus, split, trained.name)))
        return
    part = "whole text" if split == WHOLE else split
    with_what = f" with {_method()}" if _method() else ""
    print(f"{part} perplexity {score.perplexity:.3f}{with_what}")
    counts = corpus.summary[split]
    print_comparable(part, score.perplexity, counts, corpus.tokens)
    if corpus.vocabulary.unknown_id is not None:
        print(
            f"{counts.unknown:,} of {counts.tokens:,} tokens are <unk> ({counts.unknown_share:.2%})"
        )
    print(f"{score.nats:.3f} nats over {score.tokens:,} tokens, batch_size {windows.batch_size}")
    print(f"{score.words_per_second:,.0f} words/s, weights of {escape(trained.name)}")


def _check_method() -> None:
    """Raises ValueError for two methods, or for a figure of one that is not used, or is none."""
    if FLAGS.neural_cache and FLAGS.dynamic_evaluation:
        raise ValueError("give one of --neural_cache and --dynamic_evaluation")
    for method, names in METHODS.items():
        for name in names:
            given = f"--{name}={FLAGS[name].value}"
            if not math.isfinite(FLAGS[name].value):
                raise ValueError(f"{given} is no number")
            if FLAGS[name].present and not FLAGS[method].value:
                raise ValueError(
                    f"{given} is read with --{method} only: give that, or leave it out"
                )


def _print_what_is_scored(corpus, split: str) -> None:
    """On stderr, since stdout is for figures."""
    counts = corpus.summary[split]
    part = "whole" if split == WHOLE else f"split {split}"
    print(
        f"scored: {escape(_text_of(corpus, split))}, {part}: {counts.tokens:,} tokens, "
        f"{counts.unknown_share:.2%} <unk>",
        file=sys.stderr,
    )


def _text_of(corpus, split: str) -> str:
    """The file that the split was read from, or the name of the corpus."""
    return str(corpus.files.get(split, corpus.name))


def _windows(trained, ids):
    from ptb.data import reader  # noqa: PLC0415

    num_steps = _num_steps(trained)
    windows = reader.every_token(ids, FLAGS.batch_size, num_steps)
    _check_cache_memory(trained.config.hidden_size, windows.batch_size, num_steps)
    return windows


def _check_cache_memory(hidden_size: int, batch_size: int, num_steps: int) -> None:
    """Raises ValueError where the cache cannot fit into memory."""
    # The state of each word, before and after a window; its score at each step of a window.
    needed = 4 * batch_size * FLAGS.neural_cache * (3 * hidden_size + 6 * num_steps)
    if needed > memory_bytes():
        raise ValueError(
            f"--neural_cache={FLAGS.neural_cache} needs {needed / 2**30:.0f} GiB, and this machine "
            f"has {memory_bytes() / 2**30:.0f} GiB: give a smaller one"
        )


def _num_steps(trained) -> int:
    if FLAGS.num_steps is not None:
        return FLAGS.num_steps
    return DYNAMIC_STEPS if FLAGS.dynamic_evaluation else trained.config.num_steps


def _train_windows(trained):
    """Windows over train, from which dynamic evaluation learns how large gradients are."""
    from ptb.data import reader  # noqa: PLC0415

    train = load_train_of(trained).train
    batch_size, num_steps = min(DYNAMIC_BATCH, len(train) - 1), _num_steps(trained)
    return reader.every_token(train, batch_size, num_steps)


def _check_memory(trained, windows, train_windows) -> None:
    """Raises ValueError if the model, or a window of either, does not fit into memory."""
    trained.check()
    for each, training in ((windows, False), (train_windows, True)):
        if each is not None:
            sizes = each.batch_size, each.num_steps
            check_memory(trained.config, len(trained.vocabulary), *sizes, training=training)


def _evaluator(model, train_windows):
    """What scores the text: plainly, with a cache, or learning on the way."""
    if FLAGS.neural_cache:
        from ptb.training.neural_cache import CacheEvaluator  # noqa: PLC0415

        return CacheEvaluator(model, FLAGS.neural_cache, FLAGS.cache_flatness, FLAGS.cache_share)
    if FLAGS.dynamic_evaluation:
        from ptb.training.dynamic_evaluation import DynamicEvaluator  # noqa: PLC0415

        return DynamicEvaluator(model, train_windows, FLAGS.dynamic_rate, FLAGS.dynamic_decay)
    from ptb.training.perplexity import Evaluator  # noqa: PLC0415

    return Evaluator(model)


def _method() -> str:
    """What else than the model had a part in the figure; nothing for the plain perplexity."""
    if FLAGS.neural_cache:
        return (
            f"a neural cache (size {FLAGS.neural_cache}, flatness {FLAGS.cache_flatness:g}, share "
            f"{FLAGS.cache_share:g})"
        )
    if FLAGS.dynamic_evaluation:
        return f"dynamic evaluation (rate {FLAGS.dynamic_rate:g}, decay {FLAGS.dynamic_decay:g})"
    return ""


def _as_json(score, windows, corpus, split: str, weights: str) -> dict:
    counts = corpus.summary[split]
    return {
        "split": split,
        "text": _text_of(corpus, split),
        "text_tokens": counts.tokens,
        "weights": weights,
        "method": _method() or "plain",
        "perplexity": score.perplexity,
        "bits_per_character": counts.bits_per_character(score.perplexity),
        "word_perplexity": counts.word_perplexity(score.perplexity),
        "unknown_tokens": counts.unknown,
        "unknown_share": counts.unknown_share,
        "nats": score.nats,
        "tokens": score.tokens,
        "words_per_second": score.words_per_second,
        "batch_size": windows.batch_size,
        "num_steps": windows.num_steps,
    }


def start() -> None:
    """Defines the flags and runs the command."""
    define_data_flags()
    define_trained_model_flags()
    flags.DEFINE_enum(
        "split",
        "test",
        ["train", "valid", "test", WHOLE],
        "the part to score of the run's text, or of the folder in --data_path; a file in "
        "--data_path is scored whole if it is another text, or with --split=whole",
    )
    flags.DEFINE_integer("batch_size", 1, "rows read side by side", 1, 100_000)
    flags.DEFINE_integer("num_steps", None, "tokens of a row in one window (the run's)", 1, 1000)
    flags.DEFINE_integer(
        "neural_cache",
        0,
        "words of a cache that shares in the prediction (Grave et al. 2017); 0 for none",
        0,
        1_000_000,
    )
    flags.DEFINE_float("cache_flatness", 0.3, "how much likeness of states counts", 0.0, 1000.0)
    flags.DEFINE_float("cache_share", 0.1, "the cache's part in the prediction", 0.0, 1.0)
    flags.DEFINE_bool(
        "dynamic_evaluation",
        False,
        "go on learning from the words that were predicted (Krause et al. 2018)",
    )
    flags.DEFINE_float(
        "dynamic_rate", 0.0002, "its learning rate: choose it on the valid split", 0.0, 1000.0
    )
    flags.DEFINE_float("dynamic_decay", 0.02, "its pull back to the trained weights", 0.0, 1.0)
    flags.DEFINE_bool("json", False, "print one JSON object")
    run(main)
