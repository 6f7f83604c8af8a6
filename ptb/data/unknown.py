"""Why words of a text became `<unk>`, and which flag would change it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from ptb.data.text import UNITS
from ptb.data.vocabulary import EOS, UNKNOWN, Vocabulary

# Words of natural text are shorter on average, in any language that puts spaces between them.
LONG_WORDS = 20
# Scripts that put no spaces between words: Thai to Khmer, Japanese, and Chinese characters. Their
# words, where somebody has cut them, are shorter on average than UNCUT_CHARACTERS.
NO_SPACES = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")
UNCUT_CHARACTERS, UNCUT_SHARE = 4, 0.1
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
    lacks_spaces = has_no_spaces(tokens, train, kind)
    finer = "--tokens=char or --tokens=subword" if lacks_spaces else FINER[kind]
    is_word = np.array([token not in (EOS, UNKNOWN) for token in tokens])
    is_kept = np.array([token in vocabulary for token in tokens])
    is_lost = is_word & ~is_kept & (train > 0)
    too_rare = is_lost & (train < limits.min_count)
    if too_rare.any():
        why = f"occur less than {limits.min_count} times in train"
        change = f"a smaller --min_count than {limits.min_count} keeps more"
        if not limits.is_given:
            why += ", and stand for the words that only other splits have"
            change = f"{finer} makes fewer"
        yield f"{UNKNOWN}: {_amount(too_rare, counts)}, {units} that {why}; {change}"
    if (cut := is_lost & ~too_rare).any():
        needed = len(vocabulary) + int(cut.sum())
        yield (
            f"{UNKNOWN}: {_amount(cut, counts)}, {units} beyond the vocab_size of "
            f"{limits.vocab_size:,}; --vocab_size={needed} keeps all"
        )
    if (new := is_word & ~is_kept & (train == 0)).any():
        yield (f"{UNKNOWN}: {_amount(new, counts)}, {units} that train lacks; {finer} makes fewer")
    if lacks_spaces:
        yield (
            f"the {units} are as long as if the text had no spaces between its words: "
            "--tokens=subword or --tokens=char reads such a text"
        )


def has_no_spaces(tokens: list[str], counts: np.ndarray, kind: str) -> bool:
    """Whether the words of a text are so long that no spaces can be between all of them."""
    if kind == "char":
        return False
    lengths = np.array([0 if token == EOS else len(token) for token in tokens])
    is_word = lengths > 0
    if kind == "wordpunct":  # marks of punctuation are no words, and an ideograph is one
        is_word &= np.array([any(map(str.isalnum, token)) for token in tokens])
    num_words = int(counts[is_word].sum())
    if not num_words:
        return False
    if int(counts @ lengths) / num_words >= LONG_WORDS:
        return True
    uncut = np.array([0 if t.isascii() else len(NO_SPACES.findall(t)) for t in tokens])
    num_uncut = int(counts[uncut > 0].sum())
    is_long = int(counts @ uncut) >= UNCUT_CHARACTERS * num_uncut
    return is_long and num_uncut >= UNCUT_SHARE * num_words


def _amount(which: np.ndarray, counts: Mapping[str, np.ndarray]) -> str:
    """How many types they are, and which share of each split's tokens."""
    shares = [
        f"{split_counts[which].sum() / split_counts.sum():.2%} of {split}"
        for split, split_counts in counts.items()
        if split_counts[which].any()
    ]
    return f"{int(which.sum()):,} types ({', '.join(shares)})"
