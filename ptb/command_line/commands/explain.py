"""Draws what a batch is: rows, windows, targets, the carried state, and where the gradient stops.

    ptb explain                                               the letters of the alphabet
    ptb explain --data_path=FILE                              your text, however short
    ptb explain --dataset=grammar --batch_size=4 --num_steps=5  the built-in corpus
    ptb explain --unroll                                      the network over one window
    ptb explain --cell                                        one step of each cell, with numbers
    ptb explain --png=batch.png                               as a picture
    ptb explain --language=zh                                 in Chinese
    ptb explain --inside --save_path=RUN --text="the company"  inside a trained model

docs/batch_size_and_num_steps.md explains the same in words.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import string
import sys
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from absl import flags

from ptb.command_line.help import flag_group
from ptb.command_line.inside import check_inside_flags, define_inside_flags, look, print_inside
from ptb.command_line.paths import define_path
from ptb.command_line.program import FLAGS, check_output_files, fail, run, user_errors
from ptb.command_line.text_source import (
    TextSource,
    define_data_flags,
    define_text_flags,
)
from ptb.command_line.without_effect import refuse_all_but, refuse_without_effect
from ptb.explain.phrases import LANGUAGES
from ptb.machine.atomic_file import write_atomically

READ_WITH_CELL = ("cell", "png", "language")
ALL_OF_IT = (100.0, 0.0, 0.0)  # one file is drawn whole, not cut into train, valid and test


def main() -> None:
    with user_errors():
        check_output_files("png")
        check_inside_flags()
        if FLAGS.cell:
            refuse_all_but(READ_WITH_CELL, "with --cell")
        if FLAGS.unroll:  # random sampling is not drawn
            refuse_without_effect(["seed"], "with --unroll")
    # A terminal that lacks a letter of the text shows a question mark in its place.
    sys.stdout.reconfigure(errors="replace")
    if FLAGS.inside:
        _show_inside()
        return
    if FLAGS.cell:
        _show_cells()
        return
    with user_errors():
        sequential, random = _views()
    _print(sequential, random)
    if FLAGS.png:
        _draw(lambda file: _draw_batch(sequential, random, file))


def _show_inside() -> None:
    trained, found, units, trackings = look()
    print_inside(trained, found, units, trackings)
    if FLAGS.png:
        from ptb.explain.inside_png import draw_inside  # noqa: PLC0415

        _draw(lambda file: draw_inside(found, units, file, FLAGS.language))


def _show_cells() -> None:
    from ptb.explain.cells import cells_text  # noqa: PLC0415

    print(cells_text(_width(), FLAGS.language))
    if FLAGS.png:
        from ptb.explain.cells_png import draw_cells  # noqa: PLC0415

        _draw(lambda file: draw_cells(file, FLAGS.language))


def _width() -> int:
    """The columns of a drawing: those of the terminal, within limits."""
    from ptb.explain.diagram import NARROW, WIDTH  # noqa: PLC0415

    return min(WIDTH, max(NARROW, shutil.get_terminal_size((WIDTH, 24)).columns))


def _views():
    """The windows to draw, of sequential and of random sampling of the train split."""
    from ptb.data import reader  # noqa: PLC0415
    from ptb.explain.diagram import View, sizes_for  # noqa: PLC0415

    stream, words = _text()
    shape = (stream, *sizes_for(len(stream), FLAGS.batch_size, FLAGS.num_steps))
    style = {"width": _width(), "language": FLAGS.language}
    sequential = View(reader.epoch(*shape, "sequential", (0, 0)), words, FLAGS.window, **style)
    shuffled = reader.epoch(*shape, "random", (FLAGS.seed, 0))
    first = min(FLAGS.window, len(shuffled) - 1)
    return sequential, View(shuffled, words, first, **style)


def _text():
    """The text to draw: ids int32 `[N]` and the list of words."""
    source = TextSource.from_flags()
    if (source.data_path, source.dataset, source.options) == (None, None, None):
        return _alphabet()
    if source.is_file and FLAGS.split is None:
        from ptb.data.options import TextOptions  # noqa: PLC0415

        options = dataclasses.replace(source.options or TextOptions(), shares=ALL_OF_IT)
        source = dataclasses.replace(source, options=options)
    from ptb.data.text import shown  # noqa: PLC0415

    corpus = source.load(("train",))
    return corpus.train, [shown(word, corpus.tokens) for word in corpus.vocabulary.words]


def _alphabet():
    import numpy as np  # noqa: PLC0415

    words = [*string.ascii_lowercase, "<eos>"]
    return np.arange(len(words), dtype=np.int32), words


def _print(sequential, random) -> None:
    from ptb.explain.diagram_text import batch_text, unrolled_text  # noqa: PLC0415

    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    if FLAGS.unroll:
        print(unrolled_text(sequential, colour))
    else:
        print(batch_text(sequential, random, colour))


def _draw_batch(sequential, random, file) -> bool:
    """Draws the picture; returns whether the installed fonts have all letters."""
    from ptb.explain.diagram_png import draw_batch, draw_unrolled  # noqa: PLC0415

    if FLAGS.unroll:
        return draw_unrolled(sequential, file)
    return draw_batch(sequential, random, file)


def _draw(picture: Callable[[BinaryIO], bool]) -> None:
    """Writes `--png`. `picture` draws, and returns whether the fonts have all letters."""
    legible = True

    def draw(file):
        nonlocal legible
        legible = picture(file)

    path = Path(FLAGS.png)
    try:
        write_atomically(path, draw)
    except OSError as error:
        fail(f"--png={path} cannot be written ({error.strerror}): give another file")
    print(f"{path} written", file=sys.stderr)
    if not legible:
        note = (
            "no installed font has all letters of the text: install one, such as Noto Sans CJK SC"
        )
        print(f"ptb explain: {note}", file=sys.stderr)


def start() -> None:
    """Defines the flags and runs the command."""
    define_data_flags("Text to draw", "the letters of the alphabet")
    define_text_flags()
    with flag_group("drawing"):
        flags.DEFINE_integer(
            "batch_size",
            None,
            "Rows of text that are read side by side. Default: 4, or fewer if the text is short.",
            1,
            100_000,
        )
        flags.DEFINE_integer(
            "num_steps",
            None,
            "Tokens of a row in one window. Default: 5, or fewer if the text is short.",
            1,
            1000,
        )
        flags.DEFINE_integer(
            "window", 0, "Number of the window to show, from 0; the next one is shown too.", 0
        )
        flags.DEFINE_integer("seed", 1, "Seed of the random sampling.", 0, 2**31 - 1)
        flags.DEFINE_bool("unroll", False, "Draw the unrolled network over row 0 of the window.")
        flags.DEFINE_bool("cell", False, "Draw one step of the plain RNN, the GRU and the LSTM.")
        flags.DEFINE_enum("language", "en", LANGUAGES, "English or Chinese.")
        define_path("png", None, "PNG file for the drawing as a picture. Default: none.")
    define_inside_flags()
    run(main)
