"""Shows one step of each cell with all numbers, as `models/cells.py` computes it.

One unit, so every weight, gate and state is one number.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from ptb.explain.phrases import say

WIDE = 72  # columns of a terminal that has room for the names of the gates
X, H, C = 1.0, 0.5, 0.8  # the input, and the state before
# What x and h are multiplied by, and the bias, in each part of a cell.
WEIGHTS = {
    "RNN": {"h'": (0.6, 0.9, 0.1)},
    "GRU": {"r": (0.5, 0.4, 0.0), "u": (-0.2, 0.6, 1.0), "n": (0.6, 0.9, 0.1)},
    "LSTM": {
        "i": (0.5, 0.4, 0.0),
        "j": (0.6, 0.9, 0.1),
        "f": (1.0, 0.4, 0.0),
        "o": (-0.2, 0.6, 0.0),
    },
}
SIGMOID = "\N{GREEK SMALL LETTER SIGMA}"
NAMES = {
    "i": "input gate",
    "j": "candidate",
    "f": "forget gate",
    "o": "output gate",
    "r": "reset gate",
    "u": "update gate",
    "n": "candidate",
}


@dataclass(frozen=True)
class Part:
    """One number of a step: `symbol = formula = value`, the formula with its numbers."""

    symbol: str
    formula: str
    value: float


def worked_step(cell: str) -> list[Part]:
    """The parts of one step of the "RNN", "GRU" or "LSTM", in order; the last is the new h."""
    parts = {}

    def affine(symbol: str, function: str, h: float = H, h_name: str = "h") -> None:
        w_x, w_h, bias = WEIGHTS[cell][symbol]
        total = w_x * X + w_h * h + bias
        value = math.tanh(total) if function == "tanh" else 1 / (1 + math.exp(-total))
        sign = "+" if bias else ""
        formula = f"{function}({w_x:g} x + {w_h:g} {h_name}" + (f" {sign} {bias:g}" if bias else "")
        parts[symbol] = Part(symbol, f"{formula}) = {function}({total:.3f})", value)

    def put(symbol: str, formula: str, value: float) -> None:
        parts[symbol] = Part(symbol, formula, value)

    if cell == "RNN":
        affine("h'", "tanh")
    elif cell == "GRU":
        affine("r", SIGMOID)
        affine("u", SIGMOID)
        r, u = parts["r"].value, parts["u"].value
        affine("n", "tanh", r * H, "r h")
        n = parts["n"].value
        put("h'", f"u h + (1 - u) n = {u:.3f} x {H:g} + {1 - u:.3f} x {n:.3f}", u * H + (1 - u) * n)
    else:
        for symbol in "fijo":
            affine(symbol, "tanh" if symbol == "j" else SIGMOID)
        f, i, j, o = (parts[symbol].value for symbol in "fijo")
        c = f * C + i * j
        put("c'", f"f c + i j = {f:.3f} x {C:g} + {i:.3f} x {j:.3f}", c)
        put("h'", f"o tanh(c') = {o:.3f} x {math.tanh(c):.3f}", o * math.tanh(c))
    return list(parts.values())


def state_before(cell: str) -> str:
    return f"x = {X:g}, h = {H:g}" + (f", c = {C:g}" if cell == "LSTM" else "")


def title(cell: str, language: str) -> str:
    return say(language, "plain RNN") if cell == "RNN" else cell


def cells_text(width: int, language: str = "en") -> str:
    """The step of each cell, for a terminal of `width` columns."""
    from ptb.explain.diagram_text import fill  # noqa: PLC0415

    lines = [*fill(say(language, "cells"), width), ""]
    for cell in WEIGHTS:
        lines += fill(f"{title(cell, language)}: {state_before(cell)}", width)
        for part in worked_step(cell):
            name = say(language, NAMES[part.symbol]) if part.symbol in NAMES else ""
            equation = _broken(f"{part.formula} = {part.value:.3f}".split(" = "), width - 5)
            equation[0] = f"  {part.symbol:2} = {equation[0]}"
            if len(equation) == 1 and width >= WIDE:
                equation[0] = f"{equation[0]:<58}{name}".rstrip()
            lines += [equation[0], *(f"     = {each}" for each in equation[1:])]
        lines.append("")
    return "\n".join([*lines, *fill(say(language, "cells words"), width)])


def _broken(pieces: list[str], width: int) -> list[str]:
    """The sides of an equation, as many in a line as fit."""
    lines = pieces[:1]
    for piece in pieces[1:]:
        longer = f"{lines[-1]} = {piece}"
        if len(longer) > width - 2:
            lines.append(piece)
        else:
            lines[-1] = longer
    return lines
