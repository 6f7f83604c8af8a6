"""Text to numbers, fast and in little memory: UTF-8 files become int32 arrays, block by block.

What the tokens of a text are follows from the text, whatever the locale and the environment. Only
punctuation and lower case follow Python's version of Unicode too, which a run keeps.
This is the definition; `serving/tokenizer.py` has it as a graph, and `split` for a short text:

1. A byte order mark, U+FEFF, is left out wherever it stands. A text with a NUL is refused.
2. `\\r\\n` and `\\r` become `\\n`. Nothing else is a line break.
3. If capitals are read as small letters, each character becomes its own lower case, whatever stands
   around it: every capital sigma becomes U+03C3, and U+0130 becomes `i` and U+0307.
4. A word is what lies between white space, which is what `str.split` takes for it. Each line break
   is the word `<eos>`. Where `<eos>` is the last word of a line already, it counts once.
5. A character is a code point, and no space is lost. Each line break is `<eos>`.
6. Words and punctuation are cut as `wordpunct.py` defines, and no space is lost. Each line break is
   `<eos>`.
7. Subwords are what `subword.py` makes of the text in a vocabulary, and no space is lost.

The last line of a file ends in `<eos>`, whether its line break is there or not. A text that comes
as an argument or a request may stop in the middle of a line. Bytes that are not UTF-8 are refused
in a file; in an argument or a request they become U+FFFD, as `bytes.decode` replaces them.

Which id a word gets depends on how often it occurs, which is known only at the end of the text. So
a lexicon numbers the tokens in the order in which they appear, and the corpus renumbers the whole
array once the vocabulary is known. No list of all words is ever held.
"""

from __future__ import annotations

import codecs
import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ptb.data import subword, wordpunct
from ptb.data.parts import parts
from ptb.data.text_file import BYTE_ORDER_MARK, TextFile
from ptb.data.vocabulary import EOS, UNKNOWN, Vocabulary
from ptb.machine.memory import memory_bytes, there_is

# What one time step reads, and what several of these are called.
UNITS = {
    "word": "words",
    "char": "characters",
    "wordpunct": "words and punctuation marks",
    "subword": "subwords",
}
UNIT = {
    "word": "word",
    "char": "character",
    "wordpunct": "word or punctuation mark",
    "subword": "subword",
}
# How a text becomes these, for a reader of a model card.
READINGS = {
    "word": "A word is what lies between white space.",
    "char": "A character is a code point; every space is one.",
    "wordpunct": "Words and punctuation marks are cut apart, Chinese character by character. One "
    "space between two words goes without saying; a mark carries the space beside it, and any "
    "other white space is a token.",
    "subword": "Subwords are byte-level BPE, learned from the train split; a subword carries the "
    "space before it. As in GPT-2's files, a token is written with one printable character for "
    "each byte: `Ġ` is a space. Only tokens are written so: texts go in and come out as they are.",
}
TOKENS = tuple(UNITS)
# The version of the definition above, which a run keeps. 1 read characters with one space between
# two words and none at a line's ends, kept byte order marks, and wrote `<eos>` after `<eos>`. Words
# of 2 with `wordpunct` could have several ideographs.
READING = 3
# White space beside the one space that is between two words and at the end of no line.
OTHER_SPACES = "".join(
    chr(c) for c in range(0x3001) if chr(c).isspace() and chr(c) not in (" ", "\n")
)
# No text has it, so it can stand for a line break among words.
LINE_BREAK = "\0"
MAX_WORD_CHARACTERS = 100_000
NUM_CODE_POINTS = 0x110000


@dataclass(frozen=True)
class TextRead:
    """The result of reading a file: `ids` int32 `[N]` of a lexicon, the sha256, and notes.

    `notes` say what was left out of the text, and how often.
    """

    ids: np.ndarray
    sha256: str
    notes: tuple[str, ...] = ()


class WordLexicon:
    """Numbers words from 0 in the order in which they first appear."""

    line_break = LINE_BREAK

    def __init__(self):
        self._ids = defaultdict(itertools.count().__next__)
        # Whether white space was left out that `join` does not give back, and capitals.
        self.lacks_spaces = self.lacks_capitals = False
        self._last = "\n"

    @property
    def tokens(self) -> list[str]:
        """The words, in the order of their numbers."""
        return [EOS if word == self.line_break else word for word in self._ids]

    @property
    def eos(self) -> int:
        """The number of `<eos>`."""
        return self._ids[self.line_break]

    def encode(self, text: str) -> np.ndarray:
        """The numbers of the words of a text that no word crosses the end of, int32 `[N]`."""
        self._note_spaces(text)
        words = self.split(text)
        return np.fromiter(map(self._ids.__getitem__, words), np.int32, len(words))

    def _note_spaces(self, text: str) -> None:
        """Notes in `lacks_spaces` whether this block has white space that is left out."""
        if not self.lacks_spaces:
            pairs = ("  ", " \n", "\n ")
            between = self._last + text[:1]
            self.lacks_spaces = (
                between in pairs
                or any(pair in text for pair in pairs)
                or any(space in text for space in OTHER_SPACES)
            )
            self._last = text[-1:]

    @staticmethod
    def split(text: str) -> list[str]:
        """The words of a text; a line break is `line_break`."""
        # With spaces around it, a line break cannot stick to a word.
        return text.replace("\n", f" {LINE_BREAK} ").split()

    @staticmethod
    def cut(text: str) -> tuple[str, str]:
        """The text up to the last place that no word crosses, and the rest."""
        end = "" if text[-1].isspace() else text.rsplit(None, 1)[-1]
        return text[: len(text) - len(end)], end

    def join_line_ends(self, ids: np.ndarray) -> tuple[np.ndarray, int]:
        """The numbers of a whole text with one `<eos>` a line, and how many lines had two."""
        written = self._ids.get(EOS)
        if written is None:
            return ids, 0
        doubled = np.flatnonzero((ids[:-1] == written) & (ids[1:] == self.eos))
        if len(doubled):
            ids = np.delete(ids, doubled)
        ids[ids == written] = self.eos
        return ids, len(doubled)


class WordpunctLexicon(WordLexicon):
    """Numbers words and punctuation from 0 in the order in which they first appear."""

    line_break = "\n"
    split = staticmethod(wordpunct.split)
    cut = staticmethod(wordpunct.cut)

    def _note_spaces(self, text: str) -> None:
        """No space is left out."""

    def join_line_ends(self, ids: np.ndarray) -> tuple[np.ndarray, int]:
        """The numbers as they are: a written `<eos>` is three tokens."""
        return ids, 0


class PieceLexicon(WordpunctLexicon):
    """Numbers the pieces that subwords are within, from 0 in the order in which they appear."""

    split = staticmethod(subword.split)
    cut = staticmethod(subword.cut)


class CharLexicon:
    """Numbers characters from 0; a line break is `<eos>`."""

    lacks_spaces = False

    def __init__(self):
        self.lacks_capitals = False
        self.eos = 0
        self.tokens: list[str] = [EOS]
        self._ids = np.full(NUM_CODE_POINTS, -1, np.int32)
        self._ids[ord("\n")] = self.eos

    def encode(self, text: str) -> np.ndarray:
        """The numbers of the characters of a text, int32 `[N]`."""
        code_points = np.frombuffer(text.encode("utf-32-le"), np.uint32)
        ids = self._ids[code_points]
        if (ids < 0).any():
            new = np.unique(code_points[ids < 0])
            self._ids[new] = np.arange(len(self.tokens), len(self.tokens) + len(new))
            self.tokens += map(chr, new)
            ids = self._ids[code_points]
        return ids

    def join_line_ends(self, ids: np.ndarray) -> tuple[np.ndarray, int]:
        """The numbers as they are: a written `<eos>` is five characters."""
        return ids, 0


LEXICONS: dict[str, type[WordLexicon] | type[CharLexicon]] = {
    "word": WordLexicon,
    "char": CharLexicon,
    "wordpunct": WordpunctLexicon,
    "subword": PieceLexicon,
}


def lexicon(tokens: str) -> WordLexicon | CharLexicon:
    """An empty lexicon of `tokens`, one of `TOKENS`. Raises ValueError for anything else."""
    if tokens not in LEXICONS:
        raise ValueError(f"tokens={tokens} is unknown: choose from {', '.join(TOKENS)}")
    return LEXICONS[tokens]()


def split(
    text: str,
    tokens: str = "word",
    lowercase: bool = False,
    vocabulary: Vocabulary | None = None,
) -> list[str]:
    """The tokens of a short text, which may stop in the middle of a line.

    Subwords need a vocabulary; without it, they are the pieces that subwords are within. Raises
    ValueError for a text with a NUL.
    """
    if "\0" in text:
        raise ValueError("the text has a NUL character: remove it")
    text = text.replace(BYTE_ORDER_MARK, "").replace("\r\n", "\n").replace("\r", "\n")
    numbers = lexicon(tokens)
    ids, _ = encode([text], numbers, lowercase)
    names = numbers.tokens
    words = [names[i] for i in ids]
    if tokens != "subword" or vocabulary is None:
        return words
    pieces = ([EOS] if w == EOS else subword.encode_piece(w, vocabulary) for w in words)
    return list(itertools.chain.from_iterable(pieces))


def without_last_space(text: str, kind: str) -> str:
    """A text to continue, without a space at its end that the next token brings along itself.

    That is one space after a word (wordpunct), or one that is alone or begins a line (subword): no
    text has it as a token there. `kind` is one of `TOKENS`.
    """
    before = text[-2:-1]
    is_due = {
        "wordpunct": wordpunct.is_word(before),
        "subword": before in ("", "\n", "\r") or not before.isspace(),
    }
    return text[:-1] if text.endswith(" ") and is_due.get(kind) else text


def join(tokens: Iterable[str], kind: str = "word") -> Iterator[str]:
    """The inverse of `split`, a piece for each token. `kind` is one of `TOKENS`."""
    after_word = False
    if kind == "subword":
        utf8 = codecs.getincrementaldecoder("utf-8")("replace")
        yield from (utf8.decode(subword.to_bytes(token)) for token in tokens)
        yield utf8.decode(b"", final=True)
        return
    for token in tokens:
        is_word = is_spaced(token, kind)
        yield "\n" if token == EOS else (" " if after_word and is_word else "") + token
        after_word = is_word


def shown(token: str, kind: str) -> str:
    """The token as a reader of the text knows it: a subword's bytes are written as text.

    Bytes that are only a part of a character are written out: `\\xe4`. `<eos>` stays.
    """
    if kind != "subword" or token == EOS:
        return token
    return subword.to_bytes(token).decode(errors="backslashreplace")


def addition(token: str, kind: str, last: str | None = None) -> str | None:
    """What the token adds to a text that ends with the token `last`, as `join` would.

    None for a subword that is only a part of a character.
    """
    if token == EOS:
        return "\n"
    if kind == "subword":
        try:
            return subword.to_bytes(token).decode()
        except UnicodeDecodeError:
            return None
    is_after_word = last is not None and is_spaced(last, kind)
    return (" " if is_after_word and is_spaced(token, kind) else "") + token


def is_spaced(token: str, kind: str) -> bool:
    """Whether a space stands between the token and another one of which this is true."""
    if kind == "wordpunct":
        return token != EOS and (token == UNKNOWN or wordpunct.is_word(token))
    return kind == "word" and token != EOS


def read(path: Path, numbers: WordLexicon | CharLexicon, lowercase: bool = False) -> TextRead:
    """The tokens of a UTF-8 file, plain or `.gz`, as numbers of the lexicon.

    Raises ValueError as `TextFile.blocks` does, and if the file has no words, or more than fit
    into memory.
    """
    file = TextFile(path)
    blocks = _ended(path, file.blocks())
    if isinstance(numbers, WordLexicon):
        blocks = _whole_words(path, blocks, numbers.cut)
    ids, doubled = encode(blocks, numbers, lowercase)
    notes = []
    if file.num_marks:
        notes.append(
            f"{path.name}: {file.num_marks:,} byte order marks amid the text were left out"
        )
    if doubled:
        notes.append(f"{path.name}: {doubled:,} lines end in a written {EOS}, which counts once")
    return TextRead(ids, file.sha256, tuple(notes))


def encode(
    blocks: Iterable[str], numbers: WordLexicon | CharLexicon, lowercase: bool = False
) -> tuple[np.ndarray, int]:
    """The tokens of a text in blocks that no word crosses, as numbers int32 `[N]` of the lexicon.

    Also how many lines ended in a written `<eos>`, which counts once. Raises ValueError if the
    numbers do not fit into memory.
    """
    encoded, num_tokens, memory = [np.empty(0, np.int32)], 0, memory_bytes()
    for block in blocks:
        read = _lower(block) if lowercase else block
        numbers.lacks_capitals |= read != block
        encoded.append(numbers.encode(read))
        num_tokens += len(encoded[-1])
        if 8 * num_tokens > memory:  # the blocks, and the whole that is made of them
            raise ValueError(
                f"the text has more than {num_tokens:,} tokens, and {there_is()}: "
                "give a shorter one"
            )
    return numbers.join_line_ends(np.concatenate(encoded))


def _lower(text: str) -> str:
    """Each character in lower case. `str.lower` alone looks at what stands around a sigma."""
    return text.replace("\u03a3", "\u03c3").lower()


def _ended(path: Path, blocks: Iterable[str]) -> Iterator[str]:
    """The blocks, and a line break after a last line that has none."""
    block, is_blank = "", True
    for block in blocks:
        is_blank = is_blank and block.isspace()
        yield block
    if is_blank:
        raise ValueError(f"{path} is empty: it needs at least one line of text")
    if not block.endswith("\n"):
        yield "\n"


def _whole_words(path: Path, blocks: Iterable[str], cut) -> Iterator[str]:
    """The text in other blocks, which no word crosses the end of; `cut` finds such places."""
    rest = ""
    for block in blocks:
        whole, rest = cut(rest + block)
        if whole:
            yield whole
        if len(rest) > MAX_WORD_CHARACTERS:
            raise ValueError(
                f"{path} has a word of more than {MAX_WORD_CHARACTERS:,} characters: separate the "
                "words by spaces, or train with --tokens=char"
            )


def count(ids: np.ndarray, num_types: int) -> np.ndarray:
    """How often each of the numbers below `num_types` occurs, int64 `[num_types]`."""
    counts = np.zeros(num_types, np.int64)
    for part in parts(ids):
        counts += np.bincount(part, minlength=num_types)
    return counts


def renumber(ids: np.ndarray, table: np.ndarray) -> None:
    """Puts `table[i]` in the place of each number i, in the array itself."""
    for part in parts(ids):
        part[:] = table[part]
