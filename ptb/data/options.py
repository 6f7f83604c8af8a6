"""Options that say how a text becomes tokens and a vocabulary."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field

from ptb.data.text import READING, TOKENS
from ptb.machine.checked import check_fields

SPLITS = ("train", "valid", "test")
# The name of the only split, if a file is not cut.
WHOLE = "whole"


@dataclass(frozen=True)
class TextOptions:
    """How a text becomes tokens and a vocabulary. Raises ValueError for a value out of bounds.

    Attributes:
      tokens: what one token is: one of `ptb.data.text.TOKENS`, such as "word" or "char".
      lowercase: whether to convert the text to lower case.
      min_count: words that occur less often in train become `<unk>`. None means 1, with one
        exception: 2, if another split has words that train lacks, train has no `<unk>`, and the
        maximum size of the vocabulary leaves no word out. If no word occurs once then, `<unk>`
        joins the vocabulary although train never contains it.
      shares: how to split a single file: percentages of train, valid and test, in this order.
    """

    tokens: str = field(default="word", metadata={"choices": TOKENS})
    lowercase: bool = False
    min_count: int | None = None
    shares: tuple[float, ...] | None = None

    def __post_init__(self):
        check_fields(self)
        if self.min_count is not None and self.min_count < 1:
            raise ValueError(f"min_count={self.min_count} is out of bounds: give at least 1")
        if self.shares is not None:
            _check_shares(self.shares)


def unicode_of(tokens: str, lowercase: bool) -> dict[str, str]:
    """The version of Unicode, if the tokens of a text follow from it: from this Python's tables.

    They say what punctuation is, and the lower case of a character.
    """
    follows = lowercase or tokens in ("wordpunct", "subword")
    return {"unicode": unicodedata.unidata_version} if follows else {}


def parse_shares(text: str) -> tuple[float, ...]:
    """The numbers of "90,5,5". Raises ValueError for any other text."""
    try:
        return tuple(float(share) for share in text.split(","))
    except ValueError:
        raise ValueError(f"split={text} is not a list of numbers: write --split=90,5,5") from None


def reading_changed(source: dict) -> str:
    """The reason, in words, if the reading rules have changed since the run; else empty."""
    reading, tokens = source.get("reading", 1), source.get("tokens")
    if "data_path" not in source or reading == READING:
        then, now = source.get("unicode"), unicodedata.unidata_version
        if then in (None, now):
            return ""
        return f" (the text was read with Unicode {then}, and this Python has Unicode {now})"
    if reading == 2:
        changed = " (the reading of ideographs changed since: each is a token of its own now)"
        return changed if tokens == "wordpunct" else ""
    if tokens == "char":
        return (
            " (the reading of spaces changed since: characters keep every space now, and no byte "
            "order mark)"
        )
    return (
        " (the rules of reading changed since: byte order marks, and an <eos> that is written at a "
        "line's end, are left out now)"
    )


def _check_shares(shares) -> None:
    train_is_there = len(shares) == len(SPLITS) and shares[0] > 0 and min(shares) >= 0
    if not (train_is_there and abs(sum(shares) - 100) <= 1e-9):  # NaN is refused too
        raise ValueError(
            f"split={','.join(f'{share:g}' for share in shares)} is not a list of percentages "
            "of train, valid and test: give three numbers that sum to 100, such as --split=90,5,5"
        )
