"""Draws one step of each cell: what each part is computed from, and its value."""

from __future__ import annotations

from typing import BinaryIO

from ptb.explain.canvas import LETTER, Canvas
from ptb.explain.cells import NAMES, WEIGHTS, C, H, X, title, worked_step
from ptb.explain.phrases import say
from ptb.machine.colours import GREY, INPUT, STATE

SMALL = 0.72 * LETTER
PITCH = 1.42  # from box to box
LINE = 0.65  # from formula to formula
# Column and line of each part; what leads to it.
PLACES = {
    "RNN": {"h": (0, 0), "x": (0, 1.4), "[x, h]": (1, 0.7), "h'": (4, 0.7)},
    "GRU": {
        **{"h": (0, 0), "x": (0, 2.8), "[x, h]": (1, 1.75)},
        **{"u": (2, 0.65), "r": (2, 2.8), "n": (3, 1.75), "h'": (4, 0)},
    },
    "LSTM": {
        **{"c": (0, 0), "h": (0, 2.1), "x": (0, 3.5), "[x, h]": (1, 2.8)},
        **{"f": (2, 0.7), "i": (2, 2.1), "j": (2, 3.5), "o": (2, 4.9)},
        **{"c'": (3, 0), "h'": (4, 4.9)},
    },
}
ARROWS = {
    "RNN": "h>[x, h] x>[x, h] [x, h]>h'",
    "GRU": "h>[x, h] x>[x, h] [x, h]>u [x, h]>r [x, h]>n r>n h>h' u>h' n>h'",
    "LSTM": "h>[x, h] x>[x, h] [x, h]>f [x, h]>i [x, h]>j [x, h]>o c>c' f>c' i>c' j>c' c'>h' o>h'",
}


def draw_cells(file: BinaryIO, language: str = "en") -> bool:
    """Draws the plain RNN, the GRU and the LSTM, one below the other.

    Returns whether the installed fonts have every letter.
    """
    heights = {
        cell: max(y for _, y in PLACES[cell].values()) + 3.4 + LINE * len(worked_step(cell))
        for cell in WEIGHTS
    }
    canvas = Canvas(4 * PITCH + 1, sum(heights.values()) + 0.2, label=0.015)
    top = 0.4
    for cell in WEIGHTS:
        _draw_cell(canvas, cell, top, language)
        top += heights[cell]
    return canvas.save(file)


def _draw_cell(canvas: Canvas, cell: str, top: float, language: str) -> None:
    parts = {part.symbol: part for part in worked_step(cell)}
    values = {"x": X, "h": H, "c": C} | {symbol: part.value for symbol, part in parts.items()}
    canvas.text(0.04, top, title(cell, language), weight="bold")
    places = {
        name: (column * PITCH, top + 1.3 + line) for name, (column, line) in PLACES[cell].items()
    }
    for pair in ARROWS[cell].replace("[x, h]", "both").split():
        start, end = (name.replace("both", "[x, h]") for name in pair.split(">"))
        colour = STATE if start in ("c", "h", "c'") and end in ("c'", "h'") else GREY
        _arrow(canvas, places[start], places[end], colour)
    for name, (x, y) in places.items():
        colour = INPUT if name == "x" else STATE if name[0] in "ch" else GREY
        text = name if name == "[x, h]" else f"{name} = {values[name]:.3f}"
        canvas.box(x, y, text, colour)
        if name in NAMES:
            style = {"color": GREY, "fontsize": SMALL, "ha": "center"}
            canvas.text(x + 0.5, y + 0.66, say(language, NAMES[name]), **style)
    last = max(y for _, y in places.values()) + 1.5
    for line, part in enumerate(parts.values()):
        text = f"{part.symbol} = {part.formula} = {part.value:.3f}"
        canvas.text(0.04, last + LINE * line, text, color=GREY, fontsize=0.8 * LETTER)


def _arrow(canvas: Canvas, start, end, colour: str) -> None:
    """From the right edge of a box to the left edge of another."""
    canvas.arrow((start[0] + 0.97, start[1]), (end[0] + 0.03, end[1]), colour)
