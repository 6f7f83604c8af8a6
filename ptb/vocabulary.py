"""Words to ids and back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

EOS = "<eos>"
UNKNOWN = "<unk>"


class Vocabulary:
    """An ordered list of words; the id of a word is its place in the list.

    A word that is not in the list gets the id of `<unk>` where the list has one.
    """

    def __init__(self, words: Sequence[str]):
        """Raises ValueError where `words` is empty or names a word twice."""
        self.words = tuple(words)
        self._ids = {word: i for i, word in enumerate(self.words)}
        if not self.words:
            raise ValueError("the vocabulary has no words: give it at least one")
        if len(self._ids) != len(self.words):
            word, count = Counter(self.words).most_common(1)[0]
            raise ValueError(f"the vocabulary has {word!r} {count} times: list each word once")
        self.unknown_id = self._ids.get(UNKNOWN)

    @classmethod
    def from_tokens(cls, tokens: Iterable[str], max_size: int | None = None) -> Vocabulary:
        """Counts `tokens` and orders the words by (-count, word), as the tutorial does.

        With `max_size`, the rarest words are left out until `<unk>`, which then counts for all
        of them, makes at most `max_size` words.
        """
        counts = Counter(tokens)
        if max_size is not None and len(counts) > max_size:
            rest = counts.pop(UNKNOWN, 0)
            kept = _by_count(counts)[: max_size - 1]
            rest += counts.total() - sum(counts[word] for word in kept)
            counts = Counter({word: counts[word] for word in kept} | {UNKNOWN: rest})
        return cls(_by_count(counts))

    @classmethod
    def from_text(cls, text: str) -> Vocabulary:
        """The inverse of `to_text`."""
        return cls(text.removesuffix("\n").split("\n"))

    def to_text(self) -> str:
        """The contents of `vocabulary.txt`: one word a line, in the order of the ids."""
        return "".join(f"{word}\n" for word in self.words)

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: str) -> bool:
        return word in self._ids

    def encode(self, tokens: Iterable[str]) -> np.ndarray:
        """The ids of `tokens`, int32 `[N]`.

        Raises ValueError for a word outside the vocabulary where there is no `<unk>`.
        """
        if self.unknown_id is not None:
            ids, unknown = self._ids, self.unknown_id
            return np.fromiter((ids.get(token, unknown) for token in tokens), np.int32)
        try:
            return np.fromiter((self._ids[token] for token in tokens), np.int32)
        except KeyError as error:
            raise ValueError(
                f"the word {error.args[0]!r} is not among the {len(self)} words of the "
                f"vocabulary, which has no {UNKNOWN}: train with --vocab_size below {len(self)}, "
                f"so that rare words become {UNKNOWN}"
            ) from None

    def decode(self, ids: Iterable[int]) -> list[str]:
        """The words of `ids`."""
        return [self.words[i] for i in ids]


def _by_count(counts: Counter) -> list[str]:
    return sorted(counts, key=lambda word: (-counts[word], word))
