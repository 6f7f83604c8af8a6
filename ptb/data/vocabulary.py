"""Words to ids and back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

EOS = "<eos>"
UNKNOWN = "<unk>"


class Vocabulary:
    """An ordered list of words; the id of a word is its place in the list.

    A word that is not in the list gets the id of `<unk>` where the list has one. `unknown_id` and
    `eos_id` are the ids of `<unk>` and `<eos>`; None where the list lacks them.
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
        self.unknown_id, self.eos_id = self._ids.get(UNKNOWN), self._ids.get(EOS)

    @classmethod
    def from_counts(
        cls, counts: Mapping[str, int], max_size: int | None = None, min_count: int = 1
    ) -> Vocabulary:
        """Orders the words by (-count, word), as the tutorial does.

        Words with fewer than `min_count` occurrences are left out, and with `max_size` the rarest
        ones after them, until `<unk>`, which then counts for all of them, makes at most `max_size`
        words. `<unk>` itself is never left out, and `<eos>` only by `max_size`.

        Raises ValueError for a `max_size` below 1.
        """
        if max_size is not None and max_size < 1:
            raise ValueError(f"vocab_size={max_size} is out of bounds: give 1 or more")
        kept = {w: n for w, n in counts.items() if w != UNKNOWN and (n >= min_count or w == EOS)}
        words = _by_count(kept)
        has_unknown = UNKNOWN in counts or len(kept) < len(counts)
        if max_size is not None and len(words) + has_unknown > max_size:
            words, has_unknown = words[: max_size - 1], True
        if has_unknown:
            unknown_count = sum(counts.values()) - sum(counts[word] for word in words)
            words = _by_count({word: counts[word] for word in words} | {UNKNOWN: unknown_count})
        return cls(words)

    @classmethod
    def from_text(cls, text: str) -> Vocabulary:
        """The inverse of `to_text`."""
        return cls(text.removesuffix("\n").split("\n"))

    def to_text(self) -> str:
        """The contents of `vocabulary.txt`: one word a line, in the order of the ids."""
        return "".join(f"{word}\n" for word in self.words)

    def check_readable(self) -> None:
        """Raises ValueError for words that `vocabulary.txt` cannot hold, or no text can begin with.

        A text begins after `<eos>`, or after `<unk>` if there is none.
        """
        if EOS not in self and self.unknown_id is None:
            raise ValueError(f"the vocabulary has neither {EOS} nor {UNKNOWN}: add one of them")
        for number, word in enumerate(self.words, start=1):
            if not word or "\r" in word or "\n" in word:
                raise ValueError(
                    f"line {number:,} of the vocabulary is {word!r}, which is not a word"
                )

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: str) -> bool:
        return word in self._ids

    def id_of(self, token: str) -> int:
        """The id of a token, that of `<unk>` for one outside the vocabulary, or -1 for neither."""
        return self._ids.get(token, -1 if self.unknown_id is None else self.unknown_id)

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
            raise ValueError(self.cannot_encode(error.args[0])) from None

    def cannot_encode(self, token: str) -> str:
        """What to tell someone whose text has a token that `encode` refuses."""
        kind, or_char = (
            "word",
            ", or, without spaces between words, --tokens=char or --tokens=subword",
        )
        if " " in self and all(len(word) == 1 or word in (EOS, UNKNOWN) for word in self.words):
            kind, or_char = "character", ""
        return (
            f"the {kind} {token!r} is not among the {len(self)} of the vocabulary, which has no "
            f"{UNKNOWN}: train with --vocab_size below {len(self)}, so that the rarest become "
            f"{UNKNOWN}{or_char}"
        )

    def decode(self, ids: Iterable[int]) -> list[str]:
        """The words of `ids`."""
        return [self.words[i] for i in ids]


def _by_count(counts: Mapping[str, int]) -> list[str]:
    return sorted(counts, key=lambda word: (-counts[word], word))
