"""Makes a text safe to print: names, words and messages may come from a stranger."""

from __future__ import annotations

import unicodedata

# Joiners shape Persian, Indic scripts and emoji; a soft hyphen is invisible. None moves anything.
HARMLESS = "\u200c\u200d\u00ad"


def escape(text: str, keep: str = "") -> str:
    """The text with every character written out that could lead a terminal or a reader astray.

    That is what `str.isprintable` is false for: control characters, line and paragraph
    separators, the marks that reorder a line (such as U+202E), lone surrogates, and code points
    without a meaning. Spaces, `HARMLESS` and the characters of `keep` stay.
    """
    return "".join(c if _is_safe(c) or c in keep else _written_out(c) for c in text)


def _is_safe(character: str) -> bool:
    return (
        character.isprintable() or character in HARMLESS or unicodedata.category(character) == "Zs"
    )


def _written_out(character: str) -> str:
    return character.encode("unicode_escape").decode()
