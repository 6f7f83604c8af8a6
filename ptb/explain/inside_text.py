"""Prints the results of `ptb.explain.inside` as tables, or gives them as values for JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ptb.explain.diagram import WIDTH, display_width, pad
from ptb.explain.diagram_text import fill
from ptb.explain.inside import Inside, Tracking
from ptb.explain.phrases import say
from ptb.machine.escape import visible
from ptb.machine.strict_json import rounded

NEAREST = 3  # earlier words that are named for a prediction


def inside_text(inside: Inside, units: Sequence[int], language: str = "en") -> str:
    """A table of surprisal and of the earlier words that matter, and one for each unit."""
    words = [visible(word) for word in inside.words]
    width = max(map(display_width, words))
    labels = [pad(word, width) for word in words]
    lines = [*fill(say(language, "inside words", num_steps=inside.num_steps), WIDTH), ""]
    lines.append(f"{'':{width}}  {'nats':>6}  {'>= num_steps':>12}  t-k: |gradient|")
    beyond = inside.beyond_window()
    for t, label in enumerate(labels):
        if t == 0:
            lines.append(f"{label}  {'-':>6}")
            continue
        row = inside.importance[t - 1, :t]
        order = np.argsort(-row, kind="stable")[:NEAREST]
        # A word of another document has none.
        most = [f"t-{t - 1 - s}: {words[s]} {row[s]:.3f}" for s in order if row[s] > 0]
        figures = f"{inside.nats[t]:6.3f}  {beyond[t - 1]:12.1%}"
        lines.append("  ".join([label, figures, *most]))
    names = list(inside.activations)
    for unit in units:
        lines += ["", say(language, "unit of layer", unit=unit, layer=inside.layer)]
        lines.append(f"{'':{width}}" + "".join(f"{name:>8}" for name in names))
        for t, label in enumerate(labels):
            values = (f"{inside.activations[name][t, unit]:8.3f}" for name in names)
            lines.append(label + "".join(values))
    return "\n".join(lines)


def trackings_text(trackings: Sequence[Tracking], language: str = "en") -> str:
    """A table of the units that follow the agreements of the grammar."""
    lines = [*fill(say(language, "agreement words"), WIDTH), ""]
    lines.append(f"{'agreement':12}{'unit':>5} {'part':6}{'chosen':>8}{'held out':>10}")
    lines += [
        f"{f'{each.agreement} = {each.vowel}':12}{each.unit:>5} {each.part:6}{each.chosen:>8.3f}"
        f"{each.held_out:>10.3f}"
        for each in trackings
    ]
    return "\n".join(lines)


def as_json(inside: Inside, units: Sequence[int], trackings: Sequence[Tracking]) -> dict:
    """The same, with every number; null for the surprisal of the first word."""
    return {
        "layer": inside.layer,
        "num_steps": inside.num_steps,
        "words": inside.words,
        "nats": [None if math.isnan(each) else each for each in rounded(inside.nats)],
        "units": {
            str(unit): {
                name: rounded(values[:, unit]) for name, values in inside.activations.items()
            }
            for unit in units
        },
        "gradient_norms": [rounded(row[: t + 1]) for t, row in enumerate(inside.importance)],
        "share_beyond_num_steps": rounded(inside.beyond_window()),
        "agreement": [vars(each) for each in trackings],
    }
