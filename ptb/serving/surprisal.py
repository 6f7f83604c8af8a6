"""The surprisal of each word of a text, as a table and as a picture."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import BinaryIO

from ptb.data.text import UNIT, shown
from ptb.data.vocabulary import UNKNOWN
from ptb.machine.colours import GREY, LOSS, fonts
from ptb.machine.escape import visible

WORDS_OF_A_ROW, MOST_ROWS = 25, 20


@dataclass(frozen=True)
class Word:
    """A token of a text and its surprisal.

    `text` is the token as a reader knows it (`ptb.data.text.shown`), `bits` its surprisal -log2 p,
    `is_unknown` whether it became `<unk>`. `bits` is None for a token that nothing predicts, as the
    first of a text may be.
    """

    text: str
    bits: float | None
    is_unknown: bool


def words_of(score: dict, kind: str) -> list[Word]:
    """The words of the only row of what `score` or `inside` gave.

    `kind` is one of `ptb.data.text.TOKENS`.
    """
    columns = [score[name][0].numpy() for name in ("tokens", "token_log_probs", "token_is_unknown")]
    first = len(columns[0]) - int(score["num_tokens"][0])  # the first one that is predicted
    return [
        Word(
            shown(token.decode(), kind),
            -float(log_prob) / math.log(2) if place >= first else None,
            bool(is_unknown),
        )
        for place, (token, log_prob, is_unknown) in enumerate(zip(*columns, strict=True))
    ]


def table(words: list[Word], kind: str = "word") -> str:
    """A line for each word: its bits, then the word. `kind` says what words are."""
    lines = [f"  bits  {UNIT[kind]}"]
    for word in words:
        bits = "-" if word.bits is None else f"{word.bits:.2f}"
        became = f" ({UNKNOWN})" if word.is_unknown and word.text != UNKNOWN else ""
        lines.append(f"{bits:>6}  {visible(word.text)}{became}")
    return "\n".join(lines)


def draw(words: list[Word], title: str, file: BinaryIO) -> None:
    """A bar for each of the first 500 words, as a PNG; grey where a word became `<unk>`."""
    from matplotlib.figure import Figure  # noqa: PLC0415

    words = words[: WORDS_OF_A_ROW * MOST_ROWS]
    rows = [words[i : i + WORDS_OF_A_ROW] for i in range(0, len(words), WORDS_OF_A_ROW)]
    figure = Figure(figsize=(11, 2.2 * len(rows) + 0.5), dpi=120, layout="constrained")
    figure.suptitle(title, family=fonts())
    highest = max((word.bits or 0 for word in words), default=0)
    for axes, row in zip(figure.subplots(len(rows), squeeze=False)[:, 0], rows, strict=True):
        bits = [word.bits or 0 for word in row]
        colors = [GREY if word.is_unknown else LOSS for word in row]
        axes.bar(range(len(row)), bits, color=colors)
        labels, style = [_label(word) for word in row], {"rotation": 45, "ha": "right"}
        axes.set_xticks(range(len(row)), labels, family=fonts(), **style)
        axes.set(ylabel="bits", xlim=(-0.6, len(rows[0]) - 0.4), ylim=(0, 1.05 * highest or 1))
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(file, format="png")


def _label(word: Word) -> str:
    """The word as Matplotlib may draw it: short, and never as a formula."""
    text = visible(word.text)
    return (text if len(text) <= 20 else f"{text[:19]}…").replace("$", r"\$")
