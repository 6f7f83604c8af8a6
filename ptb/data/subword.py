"""Byte-level byte pair encoding (BPE): reads any text without `<unk>`.

Sennrich et al. 2016 (arXiv 1508.07909), of bytes as in GPT-2. A text is cut into pieces, a word
with the space before it, marks of punctuation likewise, or white space. Within each piece the two
neighbours whose union has the lowest id are joined, the leftmost first, until no union is in the
vocabulary. The vocabulary alone says all of that: `vocabulary.txt` is the tokenizer. This is how
`tiktoken` reads GPT-2's vocabulary. The library `tokenizers` learns it, from train alone.

A token is written with one printable character for each byte, as GPT-2's files do; `<eos>` is the
byte of the line break.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from ptb.data import wordpunct
from ptb.data.parts import parts
from ptb.data.vocabulary import EOS, Vocabulary

NUM_BYTES = 256
DEFAULT_SIZE = 10_000
# A longer piece is encoded in parts of this many bytes, so that no text takes quadratic time.
MAX_PIECE_BYTES = 64


def byte_names() -> list[str]:
    """The character that stands for each of the 256 bytes: GPT-2's `bytes_to_unicode`."""
    shown = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(NUM_BYTES) if byte not in shown]
    points = dict(zip(shown, shown, strict=True))
    points |= {byte: NUM_BYTES + place for place, byte in enumerate(hidden)}
    return [chr(points[byte]) for byte in range(NUM_BYTES)]


NAMES = byte_names()
BYTES = {name: byte for byte, name in enumerate(NAMES)}
LINE_BREAK_NAME = NAMES[ord("\n")]


def piece_pattern(write_class=wordpunct.python_class) -> str:
    """What a piece is, for Python's `re` or TensorFlow's RE2."""
    marks, spaces = write_class(wordpunct.punctuation()), write_class(wordpunct.SPACES)
    word = rf"[^{marks}{spaces}\n{write_class([(0, 0)])}]"
    return rf" ?{word}+| ?[{marks}]+|[{spaces}]+|\n"


@functools.cache
def _piece() -> re.Pattern:
    return re.compile(piece_pattern())


@functools.cache
def _mark() -> re.Pattern:
    return re.compile(f"[{wordpunct.python_class(wordpunct.punctuation())}]")


def split(text: str) -> list[str]:
    """The pieces of a text; a line break is `\\n`."""
    return _piece().findall(text)


def cut(text: str) -> tuple[str, str]:
    """The text up to a place that no piece crosses, as late as possible, and the rest."""
    place = wordpunct.last_place(text, text.rfind("\n") + 1, _is_border)
    return text[:place], text[place:]


def _is_border(before: str, after: str) -> bool:
    """Whether no piece has both of two neighbouring characters: white space begins a piece."""
    if before.isspace():
        return False
    is_mark = _mark().match
    return after.isspace() or (is_mark(before) is None) != (is_mark(after) is None)


def to_bytes(token: str) -> bytes:
    """The bytes of a token of the vocabulary."""
    return b"\n" if token == EOS else bytes(BYTES[name] for name in token)


def check(vocabulary: Vocabulary) -> None:
    """Raises ValueError if a vocabulary does not consist of subwords."""
    lacking = [name for name in NAMES if name not in vocabulary and name != LINE_BREAK_NAME]
    foreign = [word for word in vocabulary.words if word != EOS and not set(word) <= set(NAMES)]
    if lacking or foreign or EOS not in vocabulary:
        what = (foreign or lacking or [EOS])[0]
        raise ValueError(
            f"the vocabulary is not one of subwords ({what!r}): restore the run's vocabulary.txt"
        )


def parts_of_piece(piece: str) -> Iterator[list[str]]:
    """The names of the bytes of a piece, up to `MAX_PIECE_BYTES` at once."""
    names = [NAMES[byte] for byte in piece.encode()]
    for start in range(0, len(names), MAX_PIECE_BYTES):
        yield names[start : start + MAX_PIECE_BYTES]


def encode_piece(piece: str, vocabulary: Vocabulary) -> list[str]:
    """The tokens of a piece."""
    return [token for part in parts_of_piece(piece) for token in _join(part, vocabulary)]


def _join(names: list[str], vocabulary: Vocabulary) -> list[str]:
    if names == [LINE_BREAK_NAME]:
        return [EOS]
    while len(names) > 1:
        ids = [vocabulary.id_of(a + b) for a, b in itertools.pairwise(names)]
        known = [(i, place) for place, i in enumerate(ids) if i >= 0]
        if not known:
            break
        _, place = min(known)
        names = [*names[:place], names[place] + names[place + 1], *names[place + 2 :]]
    return names


def learn(pieces: Mapping[str, int], vocab_size: int | None) -> Vocabulary:
    """Learns a vocabulary from the pieces of a text and the count of each.

    Raises ValueError if the size is too small for all bytes, or if the library is missing.
    """
    size = vocab_size or DEFAULT_SIZE
    if size <= NUM_BYTES:
        raise ValueError(
            f"vocab_size={size} is too small for subwords: give more than {NUM_BYTES}, one for "
            "each byte, or use --tokens=char"
        )
    try:
        from tokenizers import Tokenizer, models, pre_tokenizers, trainers  # noqa: PLC0415
    except ImportError:
        raise ValueError(
            "--tokens=subword needs the library tokenizers: install it with pip install tokenizers"
        ) from None
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=size, initial_alphabet=alphabet, show_progress=False, special_tokens=[]
    )
    written = (piece for piece, count in pieces.items() for _ in range(count) if piece != "\n")
    tokenizer.train_from_iterator(written, trainer)
    ids = tokenizer.get_vocab()
    words = sorted(ids, key=ids.__getitem__)
    return Vocabulary([EOS if word == LINE_BREAK_NAME else word for word in words])


class Expansion:
    """Turns the numbers of pieces into the ids of their tokens."""

    def __init__(self, pieces: Sequence[str], vocabulary: Vocabulary):
        ids = [
            vocabulary.encode([EOS] if piece == EOS else encode_piece(piece, vocabulary))
            for piece in pieces
        ]
        self._lengths = np.array([len(each) for each in ids], np.int64)
        self._starts = np.cumsum(self._lengths) - self._lengths
        self._ids = np.concatenate([np.empty(0, np.int32), *ids])

    def __call__(self, numbers: np.ndarray) -> np.ndarray:
        """The ids int32 of the tokens of pieces int32 `[N]`."""
        ids = np.empty(sum(int(self._lengths[part].sum()) for part in parts(numbers)), np.int32)
        end = 0
        for part in parts(numbers):
            lengths = self._lengths[part]
            start, ends = end, end + np.cumsum(lengths)
            end = int(ends[-1])
            # Where the tokens of each piece are, minus where they go.
            shifts = self._starts[part] - (ends - lengths)
            ids[start:end] = self._ids[np.arange(start, end) + np.repeat(shifts, lengths)]
        return ids
