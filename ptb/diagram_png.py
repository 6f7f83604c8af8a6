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

from ptb.diagram import ELLIPSIS, View, display_width

BLUE, ORANGE, RED, GREEN, GREY = "#0072b2", "#e69f00", "#d55e00", "#009e73", "#666666"
PALE = {BLUE: "#d6e8f4", ORANGE: "#fbe9c6", GREY: "#ececec", GREEN: "#d3ece4"}
WIDTH, DPI = 6.4, 125  # inches, and pixels of an inch
UNIT = 0.36  # inches of a line
LABEL, GAP = 1.6, 0.4  # widths, in boxes
# Fonts for letters that matplotlib's own lacks, where one of them is installed.
FONTS = ("Noto Sans CJK SC", "WenQuanYi Zen Hei", "PingFang SC", "Microsoft YaHei", "SimHei")


def draw_batch(sequential: View, random: View, file: BinaryIO) -> None:
    """Inputs and targets of sequential windows, and below them the inputs of random ones."""
    rows = len(sequential.rows)
    letters = min(sequential.word_width, _longest_word(sequential, random))
    canvas = _Canvas(_row_width(sequential), 3 * rows + 12.6, letters)
    canvas.grid(sequential, 0, "Sequential: the inputs")
    canvas.state(sequential, rows + 2.3)
    canvas.gradient(sequential, rows + 3.5)
    canvas.grid(sequential, rows + 5, "The targets: one token later", targets=True)
    canvas.grid(random, 2 * rows + 8, "Random: the inputs")
    canvas.state(random, 3 * rows + 10.3)
    canvas.gradient(random, 3 * rows + 11.5)
    canvas.save(file)


def draw_unrolled(view: View, file: BinaryIO) -> None:
    """One cell for each shown step of row 0 of one window, from the inputs up to the targets."""
    count = len(view.columns)
    canvas = _Canvas(LABEL + count * 1.5 + 0.2, 13.6, letters=max(7, view.word_width))
    k, inputs, targets = view.first, view.cells(view.first, 0), view.cells(view.first, 0, True)
    canvas.text(0, 0.5, f"Row 0 of window {k}: num_steps = {view.windows.num_steps}", weight="bold")
    levels = (
        (2, "target", ORANGE),
        (4, "", GREY),
        (6, "", GREEN),
        (8, "", GREY),
        (10, "input", BLUE),
    )
    contents = (targets, ["softmax"] * count, ["cell"] * count, ["embed"] * count, inputs)
    for (y, label, colour), texts in zip(levels, contents, strict=True):
        canvas.text(0, y, label)
        for column, text in enumerate(texts):
            x = LABEL + 1.5 * column
            if view.columns[column] is None:
                canvas.text(x + 0.5, y, ELLIPSIS, ha="center")
                continue
            canvas.box(x, y, text, colour)
            if y < 10:
                canvas.arrow((x + 0.5, y + 1.6), (x + 0.5, y + 0.4), GREY)
    for column in range(count + 1):
        x = LABEL + 1.5 * column
        canvas.arrow((x - 0.5, 6), (x, 6), GREEN)
    canvas.text(0, 6, "carried" if k else "zero", color=GREEN)
    right = LABEL + 1.5 * count - 0.5
    canvas.arrow((right, 11.5), (LABEL - 0.1, 11.5), RED)
    canvas.bar(LABEL - 0.1, 11.1, 11.9)
    canvas.text(0, 11.5, "gradient", color=RED)
    canvas.text(0, 12.7, "The same cell, with the same weights, at every step", color=GREY)
    canvas.save(file)


class _Canvas:
    """Boxes, arrows and words on a page whose unit is one box wide and one line high.

    A box has room for `letters`.
    """

    def __init__(self, width: float, height: float, letters: int):
        self.figure = Figure(figsize=(WIDTH, UNIT * height), dpi=DPI)
        FigureCanvasAgg(self.figure)
        self.axes = self.figure.add_axes((0.01, 0, 0.98, 1))
        self.axes.set(xlim=(0, width), ylim=(height - 0.4, -0.4))
        self.axes.set_axis_off()
        # A letter is at most about 0.72 of its size wide, on the average of a word.
        self.font_size = min(13, 72 * 0.98 * WIDTH / width * 0.9 / (0.72 * letters))

    def grid(self, view: View, top: float, title: str, targets: bool = False) -> None:
        """A title, the names of the windows, and a line of boxes for each row."""
        self.text(0, top, title, weight="bold")
        for line, row in enumerate(view.rows):
            self.text(0, top + 2 + line, ELLIPSIS if row is None else f"row {row}")
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
        self.text(0, y, "state", color=GREEN)
        for k in view.shown:
            left, right = _left(view, k), _left(view, k) + len(view.columns)
            carried = view.windows.carries_state and k > 0
            self.text(left, y, "carried" if carried else "zero", color=GREEN)
            end = right + GAP if view.windows.carries_state and k != view.shown[-1] else right
            self.arrow((left + 1.4, y), (end - 0.06, y), GREEN)

    def gradient(self, view: View, y: float) -> None:
        """Back to the beginning of each window, and no farther."""
        self.text(0, y, "gradient", color=RED)
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
        self.text(x + 0.5, y, text, ha="center", fontsize=self.font_size)

    def arrow(self, start, end, colour: str) -> None:
        style = {"arrowstyle": "-|>", "mutation_scale": 13, "shrinkA": 0, "shrinkB": 0}
        self.axes.add_patch(FancyArrowPatch(start, end, color=colour, linewidth=1.8, **style))

    def bar(self, x: float, top: float, bottom: float) -> None:
        self.axes.plot([x, x], [top, bottom], color=RED, linewidth=3.5, solid_capstyle="butt")

    def text(self, x: float, y: float, text: str, **style) -> None:
        style = {"fontsize": 13, "va": "center"} | style
        self.axes.text(x, y, text, family=_fonts(), parse_math=False, **style)

    def save(self, file: BinaryIO) -> None:
        with warnings.catch_warnings():
            # A letter that no installed font has is drawn as a box: nothing more can be done.
            warnings.filterwarnings("ignore", message="Glyph .* missing from")
            self.figure.savefig(file, format="png")


def _row_width(view: View) -> float:
    return LABEL + 2 * len(view.columns) + GAP


def _longest_word(*views: View) -> int:
    """In columns, among the words that are shown."""
    return max(
        display_width(word)
        for view in views
        for k in view.shown
        for row in view.rows
        if row is not None
        for targets in (False, True)
        for word in view.cells(k, row, targets)
    )


def _left(view: View, k: int) -> float:
    """Where window k begins."""
    return LABEL + (k - view.first) * (len(view.columns) + GAP)


def _fonts() -> list[str]:
    installed = set(matplotlib.font_manager.get_font_names())
    return ["DejaVu Sans", *(font for font in FONTS if font in installed)]
