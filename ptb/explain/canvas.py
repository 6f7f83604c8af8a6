"""Draws boxes, arrows and words on a page, in the colours of `ptb.machine.colours`."""

from __future__ import annotations

import warnings
from typing import BinaryIO

from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.transforms import blended_transform_factory

from ptb.machine.colours import GRADIENT, PALE, fonts

WIDTH, DPI = 6.4, 125  # inches, and pixels of an inch
UNIT = 0.36  # inches of a line
LABEL = 0.15  # of the width, for the names at the left
LETTER = 13  # points


class Canvas:
    """A page whose unit is one box wide and one line high. Names stand left of x = 0."""

    def __init__(self, width: float, height: float, label: float = LABEL):
        self.width = width
        self.figure = Figure(figsize=(WIDTH, UNIT * height), dpi=DPI)
        self.axes = self.figure.add_axes((label, 0, 0.985 - label, 1))
        self.axes.set(xlim=(0, width), ylim=(height - 0.4, -0.4))
        self.axes.set_axis_off()
        self.words = []

    def box(
        self, x: float, y: float, text: str, colour: str, width: float = 1, fits: bool = True
    ) -> None:
        """Draws a box with a text. Texts that must fit get letters of one size."""
        style = {"boxstyle": "round,pad=0,rounding_size=0.08", "linewidth": 1}
        patch = FancyBboxPatch(
            (x + 0.04, y - 0.4),
            width - 0.08,
            0.8,
            facecolor=PALE[colour],
            edgecolor=colour,
            **style,
        )
        self.axes.add_patch(patch)
        word = self.text(x + width / 2, y, text, ha="center")
        if fits:
            self.words.append((word, width))
        else:
            self.shrink([(word, width)])

    def arrow(self, start, end, colour: str, dashed: bool = False) -> None:
        """Draws an arrow. A dashed arrow is the backward pass."""
        style = {"arrowstyle": "-|>", "mutation_scale": 12, "shrinkA": 0, "shrinkB": 0}
        dash = {"linestyle": (0, (3, 1.5))} if dashed else {}
        self.axes.add_patch(
            FancyArrowPatch(start, end, color=colour, linewidth=1.6, **style, **dash)
        )

    def bar(self, x: float, top: float, bottom: float) -> None:
        """Draws the bar at which the gradient stops."""
        style = {"linewidth": 3.5, "solid_capstyle": "butt", "clip_on": False}
        self.axes.plot([x, x], [top, bottom], color=GRADIENT, **style)

    def text(self, x: float, y: float, text: str, **style):
        style = {"fontsize": LETTER, "va": "center"} | style
        return self.axes.text(x, y, text, family=fonts(), parse_math=False, **style)

    def label(self, y: float, text: str, **style) -> None:
        """Draws a label at the left edge of the page."""
        place = blended_transform_factory(self.figure.transFigure, self.axes.transData)
        self.text(0.01, y, text, transform=place, **style)

    def right_of(self, word) -> float:
        """Where a word ends."""
        return self.axes.transData.inverted().transform(word.get_window_extent())[1, 0]

    def shrink(self, words: list) -> None:
        """Makes the words of some boxes as much smaller as the longest needs."""
        pixels = self.axes.transData.transform([(0, 0), (1, 0)])
        unit = pixels[1, 0] - pixels[0, 0]
        scale = min(
            (unit * (width - 0.14) / word.get_window_extent().width for word, width in words),
            default=1,
        )
        for word, _ in words:
            word.set_fontsize(LETTER * min(1, scale))

    def save(self, file: BinaryIO) -> bool:
        """Whether the installed fonts have every letter. One that they lack is drawn as a box."""
        with warnings.catch_warnings(record=True) as lacking:
            warnings.filterwarnings("always", message="Glyph .* missing from")
            self.shrink(self.words)
            self.figure.savefig(file, format="png")
        return not lacking
