"""A `diagram.View` as a PNG: the windows of a batch, or the network unrolled over one of them.

The colours are those of Okabe and Ito, told apart by colour-blind readers too.
"""

from __future__ import annotations

import warnings
from typing import BinaryIO

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.transforms import blended_transform_factory

from ptb.explain.diagram import ELLIPSIS, View

BLUE, ORANGE, RED, GREEN, GREY = "#0072b2", "#e69f00", "#d55e00", "#009e73", "#666666"
PALE = {BLUE: "#d6e8f4", ORANGE: "#fbe9c6", GREY: "#ececec", GREEN: "#d3ece4"}
WIDTH, DPI = 6.4, 125  # inches, and pixels of an inch
UNIT = 0.36  # inches of a line
LABEL = 0.15  # of the width, for the names at the left
GAP, JOINT = 0.4, 0.3  # between windows and between cells, in boxes
LETTER = 13  # points
# Fonts for letters that matplotlib's own lacks, where one of them is installed.
FONTS = ("Noto Sans CJK SC", "WenQuanYi Zen Hei", "PingFang SC", "Microsoft YaHei", "SimHei")


def draw_batch(sequential: View, random: View, file: BinaryIO) -> bool:
    """Inputs and targets of sequential windows, and below them the inputs of random ones.

    Returns whether the installed fonts have every letter.
    """
    rows = len(sequential.rows)
    canvas = _Canvas(2 * len(sequential.columns) + GAP, 3 * rows + 12.6)
    canvas.grid(sequential, 0, "Sequential: each row goes on in the next window")
    canvas.state(sequential, rows + 2.3)
    canvas.gradient(sequential, rows + 3.5)
    canvas.grid(sequential, rows + 5, "The targets: one token later", targets=True)
    canvas.grid(random, 2 * rows + 8, "Random: each row begins somewhere else")
    canvas.state(random, 3 * rows + 10.3)
    canvas.gradient(random, 3 * rows + 11.5)
    return canvas.save(file)


def draw_unrolled(view: View, file: BinaryIO) -> bool:
    """One cell for each shown step of row 0 of one window, from the inputs up to the targets.

    Returns whether the installed fonts have every letter.
    """
    count, pitch = len(view.columns), 1 + JOINT
    canvas = _Canvas(JOINT + count * pitch, 13.6)
    k, inputs, targets = view.first, view.cells(view.first, 0), view.cells(view.first, 0, True)
    canvas.label(0.5, f"Row 0 of window {k}: num_steps = {view.windows.num_steps}", weight="bold")
    levels = (
        (2, "target", ORANGE),
        (4, "", GREY),
        (6, "", GREEN),
        (8, "", GREY),
        (10, "input", BLUE),
    )
    contents = (targets, ["softmax"] * count, ["cell"] * count, ["embed"] * count, inputs)
    for (y, label, colour), texts in zip(levels, contents, strict=True):
        canvas.label(y, label)
        for column, text in enumerate(texts):
            x = JOINT + pitch * column
            if view.columns[column] is None:
                canvas.text(x + 0.5, y, ELLIPSIS, ha="center")
                continue
            canvas.box(x, y, text, colour)
            if y < 10:
                canvas.arrow((x + 0.5, y + 1.6), (x + 0.5, y + 0.4), GREY)
    for column in range(count + 1):
        x = pitch * column
        canvas.arrow((x, 6), (x + JOINT, 6), GREEN)
    canvas.label(6, f"state:\n{'carried' if k else 'zero'}", color=GREEN)
    canvas.arrow((count * pitch, 11.5), (0, 11.5), RED)
    canvas.bar(0, 11.1, 11.9)
    canvas.label(11.5, "gradient", color=RED)
    canvas.label(12.7, "The same cell, with the same weights, at every step", color=GREY)
    return canvas.save(file)


class _Canvas:
    """Boxes, arrows and words on a page whose unit is one box wide and one line high.

    Names stand at the left, before x = 0.
    """

    def __init__(self, width: float, height: float):
        self.figure = Figure(figsize=(WIDTH, UNIT * height), dpi=DPI)
        FigureCanvasAgg(self.figure)
        self.axes = self.figure.add_axes((LABEL, 0, 0.99 - LABEL, 1))
        self.axes.set(xlim=(0, width), ylim=(height - 0.4, -0.4))
        self.axes.set_axis_off()
        self.words = []

    def grid(self, view: View, top: float, title: str, targets: bool = False) -> None:
        """A title, the names of the windows, and a line of boxes for each row."""
        self.label(top, title, weight="bold")
        for line, row in enumerate(view.rows):
            self.label(top + 2 + line, ELLIPSIS if row is None else f"row {row}")
        for k, colour in zip(view.shown, (BLUE, ORANGE), strict=False):
            left = _left(view, k)
            self.text(left, top + 1, f"window {k}", color=GREY)
            for line, row in enumerate(view.rows):
                if row is not None:
                    self.line(left, top + 2 + line, view.cells(k, row, targets), colour)

    def line(self, x: float, y: float, words: list[str], colour: str) -> None:
        """A box for each word; an ellipsis has none."""
        for column, word in enumerate(words):
            if word == ELLIPSIS:
                self.text(x + column + 0.5, y, word, ha="center")
            else:
                self.box(x + column, y, word, colour)

    def state(self, view: View, y: float) -> None:
        """From window to window where it is carried; from zero in each where it is not."""
        self.label(y, "state", color=GREEN)
        for k in view.shown:
            left, right = _left(view, k), _left(view, k) + len(view.columns)
            carried = view.windows.carries_state and k > 0
            word = self.text(left, y, "carried" if carried else "zero", color=GREEN)
            start = self.right_of(word) + 0.1
            end = right + GAP if view.windows.carries_state and k != view.shown[-1] else right
            if start < end:
                self.arrow((start, y), (end - 0.06, y), GREEN)

    def gradient(self, view: View, y: float) -> None:
        """Back to the beginning of each window, and no farther."""
        self.label(y, "gradient", color=RED)
        for k in view.shown:
            left = _left(view, k)
            self.arrow((left + len(view.columns), y), (left, y), RED)
            self.bar(left, y - 0.4, y + 0.4)

    def box(self, x: float, y: float, text: str, colour: str) -> None:
        style = {"boxstyle": "round,pad=0,rounding_size=0.08", "linewidth": 1}
        patch = FancyBboxPatch(
            (x + 0.04, y - 0.4), 0.92, 0.8, facecolor=PALE[colour], edgecolor=colour, **style
        )
        self.axes.add_patch(patch)
        self.words.append(self.text(x + 0.5, y, text, ha="center"))

    def arrow(self, start, end, colour: str) -> None:
        style = {"arrowstyle": "-|>", "mutation_scale": 13, "shrinkA": 0, "shrinkB": 0}
        self.axes.add_patch(FancyArrowPatch(start, end, color=colour, linewidth=1.8, **style))

    def bar(self, x: float, top: float, bottom: float) -> None:
        self.axes.plot([x, x], [top, bottom], color=RED, linewidth=3.5, solid_capstyle="butt")

    def text(self, x: float, y: float, text: str, **style):
        style = {"fontsize": LETTER, "va": "center"} | style
        return self.axes.text(x, y, text, family=_fonts(), parse_math=False, **style)

    def label(self, y: float, text: str, **style) -> None:
        """At the left edge of the page."""
        place = blended_transform_factory(self.figure.transFigure, self.axes.transData)
        self.text(0.01, y, text, transform=place, **style)

    def right_of(self, word) -> float:
        """Where a word ends."""
        return self.axes.transData.inverted().transform(word.get_window_extent())[1, 0]

    def fit_words(self) -> None:
        """Makes the words in all boxes as much smaller as the longest needs."""
        pixels = self.axes.transData.transform([(0, 0), (0.86, 0)])
        room = pixels[1, 0] - pixels[0, 0]
        widest = max(word.get_window_extent().width for word in self.words)
        for word in self.words:
            word.set_fontsize(LETTER * min(1, room / widest))

    def save(self, file: BinaryIO) -> bool:
        """Whether the installed fonts have every letter. One that they lack is drawn as a box."""
        with warnings.catch_warnings(record=True) as lacking:
            warnings.filterwarnings("always", message="Glyph .* missing from")
            self.fit_words()
            self.figure.savefig(file, format="png")
        return not lacking


def _left(view: View, k: int) -> float:
    """Where window k begins."""
    return (k - view.first) * (len(view.columns) + GAP)


def _fonts() -> list[str]:
    installed = set(matplotlib.font_manager.get_font_names())
    return ["DejaVu Sans", *(font for font in FONTS if font in installed)]
