"""Draws what a batch is: rows, windows, targets, the carried state, the cut gradient.

    ptb explain --batch_size=4 --num_steps=5                  the built-in corpus
    ptb explain --batch_size=4 --num_steps=5 --data_path=DIR  your text
    ptb explain --unroll                                      the network over one window
    ptb explain --png=batch.png                               as a picture

docs/batch_size_and_num_steps.md tells the same in words.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from absl import flags

from ptb.command_line.paths import define_path
from ptb.command_line.program import FLAGS, check_output_files, fail, run, user_errors
from ptb.command_line.text_source import TextSource, define_data_flags, define_text_flags
from ptb.machine.atomic_file import write_atomically

flags.disclaim_key_flags()


def main() -> None:
    with user_errors():
        check_output_files("png")
        sequential, random = _views()
    _print(sequential, random)
    if FLAGS.png:
        _draw(sequential, random)


def _views():
    """What is shown of sequential and of random sampling of the train split."""
    from ptb.data import reader  # noqa: PLC0415
    from ptb.explain.diagram import View  # noqa: PLC0415

    corpus = TextSource.from_flags().load(("train",))
    shape = (corpus.train, FLAGS.batch_size, FLAGS.num_steps)
    words = corpus.vocabulary.words
    sequential = View(reader.epoch(*shape, "sequential", (0, 0)), words, FLAGS.window)
    shuffled = reader.epoch(*shape, "random", (FLAGS.seed, 0))
    return sequential, View(shuffled, words, min(FLAGS.window, len(shuffled) - 1))


def _print(sequential, random) -> None:
    from ptb.explain.diagram_text import batch_text, unrolled_text  # noqa: PLC0415

    # A terminal that lacks a letter of the text shows a question mark in its place.
    sys.stdout.reconfigure(errors="replace")
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    if FLAGS.unroll:
        print(unrolled_text(sequential, colour))
    else:
        print(batch_text(sequential, random, colour))


def _draw(sequential, random) -> None:
    from ptb.explain.diagram_png import draw_batch, draw_unrolled  # noqa: PLC0415

    legible = True

    def draw(file):
        nonlocal legible
        if FLAGS.unroll:
            legible = draw_unrolled(sequential, file)
        else:
            legible = draw_batch(sequential, random, file)

    path = Path(FLAGS.png)
    try:
        write_atomically(path, draw)
    except OSError as error:
        fail(f"--png={path} cannot be written ({error.strerror}): give another file")
    print(f"{path} written", file=sys.stderr)
    if not legible:
        note = "no installed font has every letter of it: install one, such as Noto Sans CJK SC"
        print(f"ptb explain: {note}", file=sys.stderr)


def start() -> None:
    """Defines the flags and runs the command."""
    define_data_flags(save_path=False)
    define_text_flags()
    flags.DEFINE_integer("batch_size", 4, "rows of text that are read side by side", 1, 100_000)
    flags.DEFINE_integer("num_steps", 5, "tokens of a row in one window", 1, 1000)
    flags.DEFINE_integer("window", 0, "the window that is shown, with the one after it", 0)
    flags.DEFINE_integer("seed", 1, "seed of the random sampling", 0, 2**31 - 1)
    flags.DEFINE_bool("unroll", False, "draw the unrolled network over row 0 of the window")
    define_path("png", None, "file for the same as a picture")
    run(main)
