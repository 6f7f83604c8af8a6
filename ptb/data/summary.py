"""Counts of a text: tokens, different tokens (types), `<unk>`, the longest line."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ptb.data.parts import parts
from ptb.data.text import is_spaced
from ptb.data.vocabulary import EOS, Vocabulary

# exp of more nats overflows a float.
MAX_NATS = 700


def exp_of_nats(nats: float) -> float:
    """The perplexity of a cross-entropy in nats; infinite from `MAX_NATS` on."""
    return math.exp(nats) if nats < MAX_NATS else math.inf


@dataclass(frozen=True)
class SplitSummary:
    """Counts of one split.

    `types` are its distinct tokens before any became `<unk>`; `longest_line` is in tokens, with
    its `<eos>`. `characters` and `words` are those of all tokens but the first, which nothing
    predicts, as they were written before any became `<unk>`: a line break is one of each.
    `first_characters` and `first_words` are those of the first token, which is predicted too if
    documents are told apart (`ptb.data.documents`). `lacks_spaces` says that the text has white
    space which is neither a token nor counted: more than one space between words, tabs, or spaces
    at the ends of lines, with `--tokens=word`. `lacks_capitals` says that `--lowercase` changed the
    text.
    """

    tokens: int
    types: int
    unknown: int
    longest_line: int
    characters: int = 0
    words: int = 0
    first_characters: int = 0
    first_words: int = 0
    lacks_spaces: bool = False
    lacks_capitals: bool = False

    @property
    def unknown_share(self) -> float:
        """The share of the tokens that are `<unk>`, from 0 to 1."""
        return self.unknown / self.tokens

    def bits_per_character(self, perplexity: float, first: int = 0) -> float | None:
        """The bits per character of a perplexity, which compare models with different tokens.

        They do so only if `not_comparable` is None.

        `first` is 1 if the first token is predicted too (`Windows.first`), else 0. None for a split
        without a predicted character.
        """
        characters = self.characters + first * self.first_characters
        if not characters:
            return None
        return math.log2(perplexity) * (self.tokens - 1 + first) / characters

    @property
    def not_comparable(self) -> str | None:
        """Why scores per character or word do not compare with those of other tokens, in words.

        The letters of a word that became `<unk>` are counted, but not predicted. White space that
        is left out is neither, and lower case is easier to predict. None if they compare.
        """
        if self.unknown:
            return "the text has <unk>"
        if self.lacks_spaces:
            return "the text has white space that is left out"
        return "the text was read in lower case" if self.lacks_capitals else None

    def word_perplexity(self, perplexity: float, first: int = 0) -> float | None:
        """The perplexity per word of a perplexity per token; words end at white space.

        `first` as for `bits_per_character`.
        """
        words = self.words + first * self.first_words
        if not words:
            return None
        return exp_of_nats(math.log(perplexity) * (self.tokens - 1 + first) / words)


class Extents:
    """The characters and words of each token of a lexicon, by the number of the token.

    Two spaced tokens (`ptb.data.text.is_spaced`) have a space between. A word is what lies between
    white space; a line break is one too, as it is a token.
    """

    def __init__(self, tokens: Sequence[str], kind: str):
        # What each is in the text, without the spaces between tokens.
        surfaces = ["\n" if token == EOS else token for token in tokens]
        is_end = np.array([token == EOS for token in tokens])
        self._lengths = np.array([len(s) for s in surfaces], np.int64)
        self._spaced = np.array([is_spaced(token, kind) for token in tokens])
        self._begins = np.array([bool(s[:1].strip()) for s in surfaces])
        self._ends = np.array([bool(s[-1:].strip()) for s in surfaces])
        # What begins amid a token, after white space in it.
        within = [len(s.split()) - bool(s[:1].strip()) for s in surfaces]
        self._within = np.array(within, np.int64) + is_end

    def predicted(self, numbers: np.ndarray) -> tuple[int, int]:
        """Characters and words of tokens `[N]` but the first."""
        characters = words = 0
        for before, after in zip(parts(numbers[:-1]), parts(numbers[1:]), strict=True):
            spaces = self._spaced[after] & self._spaced[before]
            begins = self._begins[after] & (spaces | ~self._ends[before])
            characters += int(self._lengths[after].sum() + spaces.sum())
            words += int(self._within[after].sum() + begins.sum())
        return characters, words

    def of_first(self, numbers: np.ndarray) -> tuple[int, int]:
        """Characters and words of the first of tokens `[N]`."""
        first = numbers[0]
        return int(self._lengths[first]), int(self._within[first] + self._begins[first])

    def counts(self, numbers: np.ndarray) -> tuple[int, int, int, int]:
        """`predicted` and `of_first`, in the order of the fields of `SplitSummary`."""
        return *self.predicted(numbers), *self.of_first(numbers)


def summarize(
    ids: np.ndarray,
    type_counts: np.ndarray,
    vocabulary: Vocabulary,
    extents: tuple[int, ...] = (),
) -> SplitSummary:
    """The summary of ids `[N]` of the vocabulary, from a text with these counts of its types.

    `extents` are its characters and words, as `Extents.counts` gives them.
    """
    unknown = 0 if vocabulary.unknown_id is None else int((ids == vocabulary.unknown_id).sum())
    line_ends = np.flatnonzero(ids == (-1 if vocabulary.eos_id is None else vocabulary.eos_id))
    longest = int(np.diff(line_ends, prepend=-1).max()) if len(line_ends) else len(ids)
    return SplitSummary(len(ids), int((type_counts > 0).sum()), unknown, longest, *extents)


def table(summaries: Mapping[str, SplitSummary]) -> str:
    """A text table with one row per split; `distinct` counts different tokens."""
    lines = [f"{'split':<6} {'tokens':>13} {'distinct':>11} {'<unk>':>8} {'longest line':>13}"]
    for split, row in summaries.items():
        lines.append(
            f"{split:<6} {row.tokens:>13,} {row.types:>11,} {row.unknown_share:>8.2%} "
            f"{row.longest_line:>13,}"
        )
    return "\n".join(lines)
