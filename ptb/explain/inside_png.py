"""Draws the results of `ptb.explain.inside`."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import BinaryIO

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from ptb.explain.inside import Inside
from ptb.explain.inside_text import visible
from ptb.explain.phrases import say
from ptb.machine.colours import LOSS, STATE, fonts

DPI, WORD = 120, 0.24  # pixels of an inch; inches of a word
LONGEST = 12  # characters of a word that are drawn


def draw_inside(inside: Inside, units: Sequence[int], file: BinaryIO, language: str = "en") -> bool:
    """Surprisal, the units, and how much earlier words matter, over one axis of words.

    Returns whether the installed fonts have every letter.
    """
    words = [_short(visible(word)) for word in inside.words]
    count = len(words)
    rows = len(inside.activations)
    heights = [1.1, *(0.24 * rows for _ in units), max(1.5, WORD * (count - 1))]
    figure = Figure(
        figsize=(max(7.0, WORD * count + 2.2), sum(heights) + 0.75 * len(heights) + 0.8),
        dpi=DPI,
        layout="constrained",
    )
    panels = figure.subplots(len(heights), sharex=True, height_ratios=heights, squeeze=False)[:, 0]
    _draw_surprisal(panels[0], inside, language)
    for panel, unit in zip(panels[1:-1], units, strict=True):
        image = _draw_unit(panel, inside, unit, language)
    if len(units):
        figure.colorbar(image, ax=list(panels[1:-1]), aspect=30, pad=0.01)
    image = _draw_importance(panels[-1], inside, words, language)
    figure.colorbar(image, ax=panels[-1], pad=0.01, label="|gradient|")
    for panel in panels[:-1]:
        panel.tick_params(labelbottom=False)
    panels[-1].set_xticks(range(count), words, rotation=90, family=fonts(), parse_math=False)
    with warnings.catch_warnings(record=True) as lacking:
        warnings.filterwarnings("always", message="Glyph .* missing from")
        figure.savefig(file, format="png")
    return not lacking


def _draw_surprisal(panel, inside: Inside, language: str) -> None:
    panel.bar(range(len(inside.words)), np.nan_to_num(inside.nats), color=LOSS)
    panel.set_title(say(language, "surprisal in nats"), **_title())
    panel.spines[["top", "right"]].set_visible(False)


def _draw_unit(panel, inside: Inside, unit: int, language: str):
    """A line of squares for each gate and each part of the state; one beyond 1 is scaled down."""
    labels, lines = [], []
    for name, values in inside.activations.items():
        scale = max(1.0, float(np.abs(values[:, unit]).max()))
        lines.append(values[:, unit] / scale)
        labels.append(name if scale == 1.0 else f"{name} / {scale:.1f}")
    image = panel.imshow(
        np.stack(lines), aspect="auto", cmap="PRGn", vmin=-1, vmax=1, interpolation="nearest"
    )
    panel.set_yticks(range(len(labels)), labels)
    panel.set_title(say(language, "unit of layer", unit=unit, layer=inside.layer), **_title())
    return image


def _draw_importance(panel, inside: Inside, words: list[str], language: str):
    """Row: the word that is predicted; column: an earlier word. The line is where windows end."""
    values = np.where(inside.importance > 0, inside.importance, np.nan)
    highest = np.nanmax(values) if np.isfinite(values).any() else 1.0
    norm = LogNorm(highest / 1000, highest, clip=True)
    image = panel.imshow(values, aspect="auto", cmap="Oranges", norm=norm, interpolation="nearest")
    rows = np.arange(len(values) + 1) - 0.5
    # In row t, the oldest word of a window that ends with word t is t - num_steps + 1.
    edge = rows + 1.0 - inside.num_steps
    shown = edge > -1.5
    if shown.sum() > 1:
        panel.step(edge[shown], rows[shown], where="pre", color=STATE, linewidth=2)
        panel.set_xlim(-0.5, len(words) - 0.5)
    panel.set_yticks(range(len(values)), words[1:], family=fonts(), parse_math=False)
    title = say(language, "importance", num_steps=inside.num_steps)
    panel.set_title(title, **_title())
    return image


def _title() -> dict:
    return {"loc": "left", "fontsize": 9, "family": fonts()}


def _short(word: str) -> str:
    return word if len(word) <= LONGEST else f"{word[: LONGEST - 1]}…"
