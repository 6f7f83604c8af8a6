"""Draws a `diagram.View` as a PNG: the windows of a batch, or the unrolled network."""

from __future__ import annotations

from typing import BinaryIO

from ptb.explain.canvas import LETTER, Canvas
from ptb.explain.diagram import ELLIPSIS, View, display_width, shorten
from ptb.machine.colours import GRADIENT, GREY, INPUT, LOSS, STATE, TARGET

GAP, JOINT = 0.3, 0.3  # between windows and between cells, in boxes
START = 0.75  # of a box, for where a row of a window begins in the text
SMALL = 0.75 * LETTER
LINE = 70  # letters of a line


def draw_batch(sequential: View, random: View, file: BinaryIO) -> bool:
    """Draws sequential windows with their targets, and random windows below.

    Returns whether the installed fonts have every letter.
    """
    rows, say = len(sequential.rows), sequential.say
    windows = sequential.windows
    count = min(2, len(windows))
    canvas = Canvas(count * _width(sequential) + (count - 1) * GAP, 3 * rows + 16.4)
    canvas.label(0.4, say("picture text", rows=windows.batch_size), weight="bold")
    _cut(canvas, sequential, 1.5)
    top = 3.9
    for view, title, targets in (
        (sequential, "picture sequential", False),
        (sequential, "picture targets", True),
        (random, "picture random", False),
    ):
        canvas.label(top, say(title), weight="bold")
        _grid(canvas, view, top, targets)
        top += rows + 1.9
        if not targets:
            _state(canvas, view, top + 0.3)
            _gradient(canvas, view, top + 1.3)
            top += 2.4
        top += 0.5 if not targets else 0.9
    return canvas.save(file)


def draw_unrolled(view: View, file: BinaryIO) -> bool:
    """Draws the network unrolled over row 0 of one window, from the inputs up to the losses.

    Returns whether the installed fonts have every letter.
    """
    count, pitch, say = len(view.columns), 1 + JOINT, view.say
    canvas = Canvas(JOINT + count * pitch, 15.8, label=0.17)
    k, inputs, targets = view.first, view.cells(view.first, 0), view.cells(view.first, 0, True)
    title = say("unrolled", k=k, steps=view.windows.num_steps)
    canvas.label(0.5, title, weight="bold")
    shapes = ("[B, T]", "[B, T]", "[B, T, V]", "[B, T, H]", "[B, T, H]", "[B, T]")
    levels = (
        (2, say("target"), TARGET, targets),
        (4, say("loss"), LOSS, ["loss"] * count),
        (6, "softmax", GREY, ["softmax"] * count),
        (8.2, "", STATE, ["cell"] * count),
        (10.4, "embed", GREY, ["embed"] * count),
        (12.4, say("input"), INPUT, inputs),
    )
    for (y, label, colour, texts), shape in zip(levels, shapes, strict=True):
        if label:
            canvas.label(y - 0.25, label)
            canvas.label(y + 0.5, shape, color=GREY, fontsize=SMALL)
        for column, text in enumerate(texts):
            x = JOINT + pitch * column
            if view.columns[column] is None:
                canvas.text(x + 0.5, y, ELLIPSIS, ha="center")
                continue
            canvas.box(x, y, text, colour)
    canvas.label(7.95, say("state"), color=STATE)
    beginning = say("carried" if k else "zero")
    canvas.label(8.7, f"{beginning}, [B, H]", color=GREY, fontsize=SMALL)
    for column in range(count):
        x = JOINT + pitch * column
        if view.columns[column] is None:
            continue
        canvas.arrow((x + 0.5, 2.4), (x + 0.5, 3.6), GREY)
        for low, high in ((5.6, 4.4), (7.8, 6.4), (10, 8.6), (12, 10.8)):
            canvas.arrow((x + 0.35, low), (x + 0.35, high), GREY)
            if low < 12:  # a word's id has no gradient
                canvas.arrow((x + 0.65, high), (x + 0.65, low), GRADIENT, dashed=True)
    for column in range(count + 1):
        x = pitch * column
        canvas.arrow((x, 8.05), (x + JOINT, 8.05), STATE)
        if 0 < column < count:
            canvas.arrow((x + JOINT, 8.4), (x, 8.4), GRADIENT, dashed=True)
    canvas.bar(JOINT / 2, 8.2, 8.7)
    canvas.arrow((count * pitch, 14), (JOINT / 2, 14), GRADIENT, dashed=True)
    canvas.bar(JOINT / 2, 13.6, 14.4)
    canvas.label(14, say("gradient"), color=GRADIENT)
    canvas.label(15.1, say("same weights"), color=GREY)
    return canvas.save(file)


def _width(view: View) -> float:
    """Of a window, in boxes."""
    return START + len(view.columns)


def _left(view: View, k: int) -> float:
    """Where window k begins."""
    return (k - view.first) * (_width(view) + GAP)


def _cut(canvas: Canvas, view: View, y: float) -> None:
    """The whole text as a bar of one piece for each row, and where each piece begins."""
    batch_size, width = view.windows.batch_size, canvas.width
    length = len(view.windows.stream) // batch_size
    pieces = view.rows if batch_size > 1 else [0]
    each = width / len(pieces)
    for place, row in enumerate(pieces):
        x = place * each
        if row is None:
            canvas.text(x + each / 2, y, ELLIPSIS, ha="center")
            continue
        canvas.box(x, y, _piece(view, row, length, len(pieces)), INPUT, width=each, fits=False)
        start = view.say("from token", start=row * length)
        canvas.text(x + 0.06, y + 0.95, start, color=GREY, fontsize=SMALL)


def _piece(view: View, row: int, length: int, count: int) -> str:
    """The words of a row, as many as its piece of the bar, one of `count`, has room for."""
    words: list[str] = []
    for token in view.windows.stream[row * length : (row + 1) * length]:
        if display_width(" ".join([*words, view.words[token]])) > LINE / count - 2:
            return " ".join([*words, ELLIPSIS])
        words.append(shorten(view.words[token], 16))
    return " ".join(words)


def _grid(canvas: Canvas, view: View, top: float, targets: bool) -> None:
    """The names of the windows, and a line of boxes for each row, with its place in the text."""
    for line, row in enumerate(view.rows):
        canvas.label(top + 2 + line, ELLIPSIS if row is None else view.say("row b", row=row))
    for k in view.shown:
        left = _left(view, k)
        canvas.text(left + START, top + 1, view.say("window k", k=k), color=GREY)
        style = {"color": GREY, "fontsize": SMALL, "ha": "right"}
        canvas.text(left + START - 0.08, top + 1, view.say("position"), **style)
        for line, row in enumerate(view.rows):
            if row is None:
                continue
            start = f"{view.start(k, row) + targets:,}"
            canvas.text(left + START - 0.08, top + 2 + line, start, **style)
            for column, word in enumerate(view.cells(k, row, targets)):
                x = left + START + column
                if word == ELLIPSIS:
                    canvas.text(x + 0.5, top + 2 + line, word, ha="center")
                else:
                    canvas.box(x, top + 2 + line, word, TARGET if targets else INPUT)


def _state(canvas: Canvas, view: View, y: float) -> None:
    """From window to window where it is carried; from zero in each where it is not."""
    canvas.label(y, view.say("state"), color=STATE)
    for k in view.shown:
        left, right = _left(view, k), _left(view, k) + _width(view)
        carried = view.windows.carries_state and k > 0
        word = canvas.text(left, y, view.say("carried" if carried else "zero"), color=STATE)
        start = canvas.right_of(word) + 0.1
        end = right + GAP if view.windows.carries_state and k != view.shown[-1] else right
        if start < end:
            canvas.arrow((start, y), (end - 0.06, y), STATE)


def _gradient(canvas: Canvas, view: View, y: float) -> None:
    """Back to the beginning of each window, and no farther."""
    canvas.label(y, view.say("gradient"), color=GRADIENT)
    for k in view.shown:
        left = _left(view, k)
        canvas.arrow((left + _width(view) - 0.04, y), (left + START, y), GRADIENT, dashed=True)
        canvas.bar(left + START, y - 0.4, y + 0.4)
