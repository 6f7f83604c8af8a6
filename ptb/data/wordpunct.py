"""Words and punctuation apart, so that the text can be put together again.

The name is that of NLTK's tokenizer, which cuts at the same places and loses the spaces. Here no
space is lost: one space between two words goes without saying, and any other is in a token.

    "Well, (it's) so  it is."   Well / ", " / "(" / it / ' / s / ") " / so / "  " / it / is / .

A token is one of four things, and the first that fits is taken:

1. a word: characters that are neither white space, punctuation nor ideographs;
2. one character of punctuation or one ideograph, with the one space before it and the one space
   after it, if any: Chinese has no spaces between its words, so it is read by characters;
3. white space that is more than the one space between two words;
4. a line break.

Punctuation is what Unicode calls punctuation or a symbol, other than `_`. Kana, Hangul and other
letters are no ideographs. The patterns are written
so that Python's `re` and TensorFlow's RE2 read them alike: each range is spelled out.
"""

from __future__ import annotations

import functools
import re
import sys
import unicodedata
from collections.abc import Callable, Iterable

# What `str.split` takes for white space, line breaks aside: first and last code points.
SPACES = (
    (0x09, 0x09),
    (0x0B, 0x0C),
    (0x1C, 0x20),
    (0x85, 0x85),
    (0xA0, 0xA0),
    (0x1680, 0x1680),
    (0x2000, 0x200A),
    (0x2028, 0x2029),
    (0x202F, 0x202F),
    (0x205F, 0x205F),
    (0x3000, 0x3000),
)
# Han, with its repetition mark and its zero, in the planes that Unicode keeps for it.
IDEOGRAPHS = (
    (0x3005, 0x3005),
    (0x3007, 0x3007),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)


def re2_class(ranges: Iterable[tuple[int, int]]) -> str:
    """The inside of a character class, in RE2's syntax."""
    return "".join(rf"\x{{{first:x}}}-\x{{{last:x}}}" for first, last in ranges)


def python_class(ranges: Iterable[tuple[int, int]]) -> str:
    """The inside of a character class, in Python's syntax."""
    return "".join(rf"\U{first:08x}-\U{last:08x}" for first, last in ranges)


@functools.cache
def punctuation() -> tuple[tuple[int, int], ...]:
    """First and last code points of the ranges of punctuation."""
    ranges: list[tuple[int, int]] = []
    for point in range(sys.maxunicode + 1):
        if unicodedata.category(chr(point))[0] in "PS" and point != ord("_"):
            if ranges and ranges[-1][1] == point - 1:
                ranges[-1] = (ranges[-1][0], point)
            else:
                ranges.append((point, point))
    return tuple(ranges)


def patterns(write_class=python_class) -> dict[str, str]:
    """`word`, one character of a word, and `token`. A NUL, which no text has, is in neither."""
    single, spaces = write_class((*punctuation(), *IDEOGRAPHS)), write_class(SPACES)
    word = rf"[^{single}{spaces}\n{write_class([(0, 0)])}]"
    return {"word": word, "token": rf"{word}+| ?[{single}] ?|[{spaces}]+|\n"}


@functools.cache
def _compiled() -> dict[str, re.Pattern]:
    known = patterns()
    word = known["word"]
    return {
        "token": re.compile(known["token"]),
        "between_words": re.compile(rf"(?<={word}) (?={word})"),
        "word": re.compile(rf"{word}+"),
    }


def split(text: str) -> list[str]:
    """The tokens of a text; a line break is `\\n`."""
    known = _compiled()
    return known["token"].findall(known["between_words"].sub("\0", text))


def is_word(token: str) -> bool:
    """Whether the token is a word: two of them have a space between."""
    return _compiled()["word"].fullmatch(token) is not None


def cut(text: str) -> tuple[str, str]:
    """The text up to a place that no token crosses, as late as possible, and the rest.

    The one space between two words may be left out there.
    """
    line = text.rfind("\n") + 1
    place = text.rfind(" ", line + 1, len(text) - 1)
    while place >= 0 and not (is_word(text[place - 1]) and is_word(text[place + 1])):
        place = text.rfind(" ", line + 1, place)
    if place >= 0:
        return text[:place], text[place + 1 :]
    place = last_place(text, line, _is_border)
    return text[:place], text[place:]


def _is_border(before: str, after: str) -> bool:
    """Whether no token has both of two neighbouring characters. A mark may carry one space."""
    if before.isspace() or after == " ":
        return False
    return not (is_word(before) and is_word(after))


def last_place(text: str, start: int, is_border: Callable[[str, str], bool]) -> int:
    """The last place after `start` with a border between two characters; else `start`."""
    for place in range(len(text) - 1, start, -1):
        if is_border(text[place - 1], text[place]):
            return place
    return start
