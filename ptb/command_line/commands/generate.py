"""Continues a text with a trained model, or scores a text word by word.

    ptb generate --save_path=RUN --prefix="the company" --num_words=50 --temperature=0.8
    ptb generate --save_path=RUN --prefix=- --nounk --stop_at_line < TEXT
    ptb generate --save_path=RUN --score="the company said" --plot=surprisal.png
    ptb generate --save_path=RUN --score=- < TEXT

Words are printed one by one. The same seed gives the same text, here and in the signature
`generate` of ptb export. The model starts from a state of zeros and reads only the prefix.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import os
from pathlib import Path

from absl import flags

from ptb.command_line.devices import start_tensorflow
from ptb.command_line.help import flag_group
from ptb.command_line.paths import define_path
from ptb.command_line.program import FLAGS, check_output_files, note, run, user_errors
from ptb.command_line.standard_input import STANDARD_INPUT, read_standard_input
from ptb.command_line.text_source import define_data_flags
from ptb.command_line.trained_model import (
    check_text_flags,
    define_trained_model_flags,
    load_trained_model,
)
from ptb.command_line.without_effect import refuse_without_effect
from ptb.data.summary import exp_of_nats
from ptb.data.text import join, without_last_space
from ptb.machine.atomic_file import write_atomically
from ptb.machine.escape import escape
from ptb.serving.limits import MAX_TEXT_BYTES, MAX_TOKENS

MAX_PREFIX_BYTES = 1 << 26
# The flags of a text that is written, not scored.
OF_WRITING = (
    *("prefix", "num_words", "stop_at_line", "unk", "temperature", "top_k", "top_p", "seed"),
    "num_samples",
)


def main() -> None:
    with user_errors():
        _check_flags()
        text = _text().decode(errors="replace")
        trained = load_trained_model()
        if FLAGS.score is None:
            text = without_last_space(text, trained.tokens)
        tokens = trained.split(text)
        ids = _ids(trained, tokens)
        start_tensorflow()

    from ptb.serving.saved_model import served_model  # noqa: PLC0415

    with contextlib.ExitStack() as cleanup:
        with user_errors():
            module = cleanup.enter_context(served_model(trained))
        if FLAGS.score is None:
            _print_samples(module, trained, tokens)
        else:
            _print_score(module, trained.tokens, text)
    num_unknown = sum(ids == trained.vocabulary.unknown_id)
    if num_unknown:
        note(f"{num_unknown:,} of {len(ids):,} tokens are <unk>")


def _check_flags() -> None:
    if FLAGS.score is None:
        refuse_without_effect(["plot"], without="--score")
    else:
        refuse_without_effect(OF_WRITING, "with --score")
    if FLAGS.temperature == 0:  # always the most probable word
        refuse_without_effect(("seed", "top_k", "top_p", "num_samples"), "with --temperature=0")
    check_text_flags()
    check_output_files("plot")


def _text() -> bytes:
    """The text to continue or score, as bytes, which may not be UTF-8.

    For `--score=-` a missing last line break is added, so that `evaluate.py` gives the same score.
    For `--prefix=-` the last line break is removed, as a shell does in `$(...)`.
    """
    if FLAGS.score == STANDARD_INPUT:
        remedy = f"give at most {MAX_TOKENS:,} tokens, or the file to evaluate.py --data_path"
        text = read_standard_input(MAX_TEXT_BYTES - 1, remedy)  # and the line break
        return text if not text or text.endswith((b"\n", b"\r")) else text + b"\n"
    if FLAGS.score is None and FLAGS.prefix == STANDARD_INPUT:
        text = read_standard_input(MAX_PREFIX_BYTES, "give the end of it")
        return text.removesuffix(b"\n").removesuffix(b"\r")
    return os.fsencode(FLAGS.prefix if FLAGS.score is None else FLAGS.score)


def _ids(trained, tokens: list[str]):
    """The ids of the tokens. Raises ValueError if the model cannot read them."""
    if FLAGS.score is not None and len(tokens) > MAX_TOKENS:
        raise ValueError(f"the text has {len(tokens):,} tokens: give at most {MAX_TOKENS:,}")
    if FLAGS.score is not None and len(tokens) < 2 and not (tokens and trained.borders):
        raise ValueError(
            f"--score has {len(tokens)} tokens: give at least 2, since the first is not predicted"
        )
    return trained.vocabulary.encode(tokens)


def _print_samples(module, trained, tokens: list[str]) -> None:
    from ptb.serving.sampling import Sampling  # noqa: PLC0415

    sampling = Sampling(FLAGS.temperature, FLAGS.top_k, FLAGS.top_p)
    for row in range(FLAGS.num_samples):
        if row:
            print("---")
        never = None if FLAGS.unk else trained.vocabulary.unknown_id
        options = {"never": never, "stop_at_line": FLAGS.stop_at_line}
        drawn = module.stream(tokens, FLAGS.num_words, sampling, FLAGS.seed, row, **options)
        for piece in join(itertools.chain(tokens, drawn), trained.tokens):
            print(escape(piece, keep="\t\n"), end="", flush=True)
        print(flush=True)


def _print_score(module, kind: str, text: str) -> None:
    from ptb.serving import surprisal  # noqa: PLC0415

    words = module.words(text.encode())
    bits = [word.bits for word in words if word.bits is not None]
    print(surprisal.table(words, kind))
    nats = math.fsum(bits) * math.log(2)
    perplexity = exp_of_nats(nats / len(bits))
    print(f"perplexity {perplexity:.3f} ({nats:.3f} nats over {len(bits):,} tokens)")
    if FLAGS.plot is None:
        return
    title = f"surprisal in bits, perplexity {perplexity:.1f}"
    with user_errors():
        write_atomically(Path(FLAGS.plot), lambda file: surprisal.draw(words, title, file))


def start() -> None:
    """Defines the flags and runs the command."""
    define_trained_model_flags()
    with flag_group("writing"):
        flags.DEFINE_string(
            "prefix",
            "",
            "The text to continue. -: read it from standard input, without the last line break. "
            "Default: a new line.",
        )
        flags.DEFINE_integer("num_words", 100, "Maximum number of words to add.", 0, 2**31 - 1)
        flags.DEFINE_bool("stop_at_line", False, "Stop at the end of the line.")
        flags.DEFINE_bool("unk", True, "Allow <unk> in the text.")
        flags.DEFINE_float(
            "temperature",
            1.0,
            "Below 1 favours likely words, above 1 unlikely ones. 0: always the likeliest word.",
            0.0,
        )
        flags.DEFINE_integer(
            "top_k", 0, "Draw from the k likeliest words only. 0: from all words.", 0, 2**31 - 1
        )
        flags.DEFINE_float(
            "top_p",
            1.0,
            "Draw from the fewest words whose probabilities sum to this (nucleus sampling).",
            0.0,
            1.0,
        )
        flags.DEFINE_integer(
            "seed",
            1,
            "Seed of the random draws: the same seed gives the same text.",
            -(2**31),
            2**31 - 1,
        )
        flags.DEFINE_integer(
            "num_samples", 1, "Number of texts to write, with --- between them.", 1, 1000
        )
    with flag_group("scoring"):
        flags.DEFINE_string(
            "score",
            None,
            "Score this text word by word instead of generating text. -: read it from standard "
            "input. Default: none.",
        )
        define_path(
            "plot", None, "With --score: PNG file for a chart of the surprisal. Default: none."
        )
    define_data_flags("The text that --tutorial_checkpoint was trained on", "none")
    run(main)
