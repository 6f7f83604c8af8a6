"""Why words of a text became `<unk>`, and which flag would change it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from ptb.data.text import UNITS
from ptb.data.vocabulary import EOS, UNKNOWN, Vocabulary

# Words of natural text are shorter on average, in any language that puts spaces between them.
LONG_WORDS = 20
# What splits a text into pieces of which other texts have fewer that are new.
FINER = {
    "word": "--tokens=wordpunct (punctuation apart) or --tokens=subword",
    "wordpunct": "--tokens=subword or --tokens=char",
    "char": "--tokens=subword",
}


@dataclass(frozen=True)
class Limits:
    """What made the vocabulary: `min_count` as it was used, and whether the user gave it."""

    vocab_size: int | None
    min_count: int
    is_given: bool


def reasons(
    tokens: list[str],
    counts: Mapping[str, np.ndarray],
    vocabulary: Vocabulary,
    limits: Limits,
    kind: str,
) -> Iterator[str]:
    """A line for each reason. `counts` int64 are those of each split, by the lexicon's numbers."""
    units, train = UNITS[kind], counts["train"]
    is_word = np.array([token not in (EOS, UNKNOWN) for token in tokens])
    is_kept = np.array([token in vocabulary for token in tokens])
    is_lost = is_word & ~is_kept & (train > 0)
    too_rare = is_lost & (train < limits.min_count)
    if too_rare.any():
        why = f"occur less than {limits.min_count} times in train"
        change = f"a smaller --min_count than {limits.min_count} keeps more"
        if not limits.is_given:
            why += ", and stand for the words that only other splits have"
            change = f"{FINER[kind]} makes fewer"
        yield f"{UNKNOWN}: {_amount(too_rare, counts)}, {units} that {why}; {change}"
    if (cut := is_lost & ~too_rare).any():
        needed = len(vocabulary) + int(cut.sum())
        yield (
            f"{UNKNOWN}: {_amount(cut, counts)}, {units} beyond the vocab_size of "
            f"{limits.vocab_size:,}; --vocab_size={needed} keeps all"
        )
    if (new := is_word & ~is_kept & (train == 0)).any():
        yield (
            f"{UNKNOWN}: {_amount(new, counts)}, {units} that train lacks; {FINER[kind]} makes "
            "fewer"
        )
    if has_long_words(tokens, train, kind):
        yield (
            f"the {units} have {LONG_WORDS} characters or more on average, as if the text had no "
            "spaces between its words: --tokens=subword or --tokens=char reads such a text"
        )


def has_long_words(tokens: list[str], counts: np.ndarray, kind: str) -> bool:
    """Whether the words of a text are so long that no spaces can be between them."""
    if kind == "char":
        return False
    lengths = np.array([0 if token == EOS else len(token) for token in tokens])
    is_word = lengths > 0
    if kind == "wordpunct":  # marks of punctuation are no words, and an ideograph is one
        is_word &= np.array([any(map(str.isalnum, token)) for token in tokens])
    num_words = int(counts[is_word].sum())
    return bool(num_words) and int(counts @ lengths) / num_words >= LONG_WORDS


def _amount(which: np.ndarray, counts: Mapping[str, np.ndarray]) -> str:
    """How many types they are, and which share of each split's tokens."""
    shares = [
        f"{split_counts[which].sum() / split_counts.sum():.2%} of {split}"
        for split, split_counts in counts.items()
        if split_counts[which].any()
    ]
    return f"{int(which.sum()):,} types ({', '.join(shares)})"
