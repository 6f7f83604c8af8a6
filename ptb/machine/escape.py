"""Makes a text safe to print: names, words and messages may come from an untrusted source."""

from __future__ import annotations

import unicodedata

UNSAFE = ("Cc", "Cf", "Cs", "Zl", "Zp")  # categories of Unicode
# Joiners shape Persian, Indic scripts and emoji, and a soft hyphen hides. None moves anything.
HARMLESS = "\u200c\u200d\u00ad"


def escape(text: str, keep: str = "") -> str:
    """Escapes characters that could mislead a terminal or a reader.

    These are control characters, line and paragraph separators, lone surrogates, and format
    characters, which may reorder a line (U+202E) or be invisible. Characters in `HARMLESS` and
    `keep` stay.
    """
    return "".join(_written_out(c) if _is_unsafe(c) and c not in keep else c for c in text)


def visible(token: str) -> str:
    """A token as one word on one line: a space is `␣`."""
    return escape(token).replace(" ", "␣")


def _is_unsafe(character: str) -> bool:
    return unicodedata.category(character) in UNSAFE and character not in HARMLESS


def _written_out(character: str) -> str:
    return character.encode("unicode_escape").decode()
