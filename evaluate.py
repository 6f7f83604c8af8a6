"""Measures the exact perplexity of a trained model.

    python3 evaluate.py --save_path=RUN                     the test split of the run's corpus
    python3 evaluate.py --save_path=RUN --split=valid --json
    python3 evaluate.py --tutorial_checkpoint=PREFIX --data_path=DIR    what the TF1 tutorial left

Every token after the first is predicted once. With batch_size 1, the default, it is predicted from
all the tokens before it; the answer does not depend on num_steps.
"""

from __future__ import annotations

import json
import math
import sys

from absl import flags

from command_line import (
    FLAGS,
    bits_per_character,
    check_memory,
    define_data_flags,
    define_trained_model_flags,
    load_corpus_of,
    load_model,
    load_trained_model,
    run,
    start_tensorflow,
    user_errors,
)


def main() -> None:
    with user_errors():
        trained = load_trained_model()
        corpus = load_corpus_of(trained, FLAGS.split)
        windows = _windows(trained, corpus)
        start_tensorflow()
        model = load_model(trained)

    from tqdm import tqdm  # noqa: PLC0415

    from training.perplexity import Evaluator  # noqa: PLC0415

    if windows.batch_size > 1:
        print(
            f"note: batch_size={windows.batch_size} reads {windows.batch_size} rows side by side, "
            f"{windows.batch_size - 1} of which start without context; batch_size=1 is exact",
            file=sys.stderr,
        )
    with tqdm(
        total=windows.num_tokens, desc=FLAGS.split, unit="word", unit_scale=True, disable=None
    ) as bar:
        score = Evaluator(model)(windows, progress=bar.update)
    if FLAGS.json:
        print(json.dumps(_as_json(score, windows, corpus)))
        return
    print(f"{FLAGS.split} perplexity {score.perplexity:.3f}")
    bits = bits_per_character(score.perplexity, corpus.tokens)
    if bits is not None:
        print(f"{FLAGS.split} bits per character {bits:.4f}")
    counts = corpus.summary[FLAGS.split]
    if corpus.vocabulary.unknown_id is not None:
        print(
            f"{counts.unknown:,} of {counts.tokens:,} tokens are <unk> ({counts.unknown_share:.2%})"
        )
    print(f"{score.nats:.3f} nats over {score.tokens:,} tokens, batch_size {windows.batch_size}")
    print(f"{score.words_per_second:,.0f} words/s, weights of {trained.name}")


def _windows(trained, corpus):
    from ptb import reader  # noqa: PLC0415

    num_steps = trained.config.num_steps if FLAGS.num_steps is None else FLAGS.num_steps
    windows = reader.every_token(corpus.splits[FLAGS.split], FLAGS.batch_size, num_steps)
    check_memory(trained.config, len(trained.vocabulary), 1, windows.batch_size, num_steps)
    return windows


def _as_json(score, windows, corpus) -> dict:
    counts = corpus.summary[FLAGS.split]
    return {
        "split": FLAGS.split,
        "perplexity": score.perplexity if math.isfinite(score.perplexity) else None,
        "bits_per_character": bits_per_character(score.perplexity, corpus.tokens),
        "unknown_tokens": counts.unknown,
        "unknown_share": counts.unknown_share,
        "nats": score.nats,
        "tokens": score.tokens,
        "words_per_second": score.words_per_second,
        "batch_size": windows.batch_size,
        "num_steps": windows.num_steps,
    }


if __name__ == "__main__":
    define_data_flags()
    define_trained_model_flags()
    flags.DEFINE_enum("split", "test", ["train", "valid", "test"], "which text to score")
    flags.DEFINE_integer("batch_size", 1, "rows read side by side", 1, 100_000)
    flags.DEFINE_integer("num_steps", None, "tokens of a row in one window (the run's)", 1, 1000)
    flags.DEFINE_bool("json", False, "print one JSON object")
    run(main)
