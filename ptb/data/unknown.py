"""Explains why words of a text became `<unk>`, and which flag changes it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from ptb.data.text import UNITS
from ptb.data.vocabulary import EOS, UNKNOWN, Vocabulary

# Words are shorter than this on average in every language with spaces between words.
LONG_WORDS = 20
# Scripts without spaces between words: Thai to Khmer, Japanese, and Chinese characters. If someone
# has separated the words, they are shorter than UNCUT_CHARACTERS on average.
NO_SPACES = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")
UNCUT_CHARACTERS, UNCUT_SHARE = 4, 0.1
# Smaller tokens, of which other splits have fewer that train lacks.
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
    """Yields a line for each reason.

    Args:
      tokens: the different tokens of the text.
      counts: for each split, int64 `[len(tokens)]`: how often each token occurs.
      vocabulary: the vocabulary that was made of the text.
      limits: the `vocab_size` and `min_count` that were used.
      kind: one of `ptb.data.text.TOKENS`.
    """
    units, train = UNITS[kind], counts["train"]
    lacks_spaces = has_no_spaces(tokens, train, kind)
    finer = "--tokens=char or --tokens=subword" if lacks_spaces else FINER[kind]
    is_word = np.array([token not in (EOS, UNKNOWN) for token in tokens])
    is_kept = np.array([token in vocabulary for token in tokens])
    is_lost = is_word & ~is_kept & (train > 0)
    too_rare = is_lost & (train < limits.min_count)
    new = is_word & ~is_kept & (train == 0)
    # Then a word of train must become `<unk>`, or nothing could stand for those that train lacks,
    # a written `<unk>` among them.
    is_unknown = np.array([token == UNKNOWN for token in tokens])
    needs_loss = bool((new | is_unknown).any()) and not train[is_unknown].any()
    if too_rare.any():
        why = f"occur fewer than {limits.min_count} times in train"
        if not limits.is_given:
            why += " and stand for words that train lacks"
        more, is_full = int(train[too_rare].max()), len(vocabulary) == limits.vocab_size
        still_loses = (is_lost & (train < more)).any()
        helps = limits.is_given and not is_full and (still_loses or not needs_loss)
        change = f"--min_count={more} keeps more" if helps else f"fewer with {finer}"
        yield f"{UNKNOWN}: {units} that {why}: {_amount(too_rare, counts)}; {change}"
    if (cut := is_lost & ~too_rare).any():
        # Where no size cuts, a given min_count must lose a word, and the default must not.
        rare = train < (limits.min_count if limits.is_given else 2)
        must_cut = needs_loss and (is_word & (train > 0) & rare).any() != limits.is_given
        num_cut = int(cut.sum()) + (EOS not in vocabulary)
        change = _larger_size(len(vocabulary), num_cut, must_cut) or f"fewer with {finer}"
        yield (
            f"{UNKNOWN}: {units} beyond the vocab_size of {limits.vocab_size:,}: "
            f"{_amount(cut, counts)}; {change}"
        )
    if new.any():
        yield f"{UNKNOWN}: {units} that train lacks: {_amount(new, counts)}; fewer with {finer}"
    if lacks_spaces:
        yield (
            f"the {units} are so long that the text seems to have no spaces between words: "
            "train with --tokens=subword or --tokens=char"
        )


def has_no_spaces(tokens: list[str], counts: np.ndarray, kind: str) -> bool:
    """Whether the words of a text are so long that it must lack spaces between words."""
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


def _larger_size(size: int, num_cut: int, must_cut: bool) -> str | None:
    """The vocab_size that keeps more than `size` does, in words; None if there is none.

    With `must_cut` it may not keep all.
    """
    if not must_cut:
        return f"--vocab_size={size + num_cut} keeps all"
    most = size + num_cut - 2
    return f"a larger --vocab_size, at most {most}, keeps more" if most > size else None


def _amount(which: np.ndarray, counts: Mapping[str, np.ndarray]) -> str:
    """How many different tokens, and which share of the tokens of each split."""
    shares = [
        f"{split_counts[which].sum() / split_counts.sum():.2%} of {split}"
        for split, split_counts in counts.items()
        if split_counts[which].any()
    ]
    return f"{int(which.sum()):,} different ({', '.join(shares)})"
