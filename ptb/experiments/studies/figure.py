"""What the figures of the studies have in common: size, colours, spread.

The colours are those of `ptb.machine.colours`; markers and dashes differ as well. Panels stand one
above the other, with letters large enough for a phone.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import matplotlib
from matplotlib.figure import Figure
from matplotlib.text import Text

from ptb.experiments.studies import chinese
from ptb.experiments.studies.measurements import Row, estimates
from ptb.machine.colours import SERIES, fonts

MARKERS = "osD^vPX"
DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)))
STYLE = {"font.size": 13, "axes.titlesize": 13, "legend.fontsize": 11.5, "lines.linewidth": 2}


def png(draw: Callable[[list[Row]], Figure], rows: list[Row], language: str = "en") -> bytes:
    """The figure that `draw` makes of `rows`, its labels in English or Chinese ("zh")."""
    content = io.BytesIO()
    with matplotlib.rc_context(STYLE | {"font.family": fonts()}):
        figure = draw(rows)
        if language == "zh":
            _label_in_chinese(figure)
        figure.savefig(content, format="png")
    return content.getvalue()


def _label_in_chinese(figure: Figure) -> None:
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            english = [text.get_text() for text in axis.get_ticklabels()]
            labels = [chinese.label(text) for text in english]
            if labels != english:
                axis.set_ticks(axis.get_ticklocs(), labels)
    for text in figure.findobj(Text):
        text.set_text(chinese.label(text.get_text()))


def panels(count: int, height: float = 4.0):
    """A figure and its `count` axes, one above the other; `height` in inches each."""
    figure = Figure(figsize=(6.4, height * count), dpi=125, layout="constrained")
    figure.get_layout_engine().set(hspace=0.06)  # type: ignore[call-arg]
    axes = figure.subplots(count, squeeze=False)[:, 0]
    for each in axes:
        each.grid(alpha=0.3)
    return figure, list(axes)


def line(
    axes, rows: list[Row], x: str, y: str, index: int, label: str, of=estimates, **style
) -> None:
    """The mean of column `y` against column `x`, and its interval as a band.

    Its colour is that of SERIES unless `style` has another. `of` gives the spreads.
    """
    points = of(rows, y, x)
    xs = sorted(points)
    style = {
        "color": SERIES[index % len(SERIES)],
        "marker": MARKERS[index % len(MARKERS)],
        "linestyle": DASHES[index % len(DASHES)],
        "markersize": 6,
    } | style
    axes.plot(xs, [points[value].mean for value in xs], label=label, **style)
    axes.fill_between(
        xs,
        [points[value].band[0] for value in xs],
        [points[value].band[1] for value in xs],
        color=style["color"],
        alpha=0.2,
        linewidth=0,
    )


def legend_above(axes, **style) -> None:
    """A legend in the upper right corner, with room for it above what is drawn."""
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.35 * (high - low))
    axes.legend(loc="upper right", **style)
