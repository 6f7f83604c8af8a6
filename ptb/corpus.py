"""A corpus: the ids of three splits, and the vocabulary that the train split gave them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from ptb.grammar import Grammar, default_grammar, generate
from ptb.vocabulary import EOS, Vocabulary

SPLITS = ("train", "valid", "test")


@dataclass(frozen=True)
class Corpus:
    """`splits` holds int32 ids `[N]` by the name of the split; a split may be absent.

    `data_path` is the folder that the text was read from, where it was read.
    `grammar` is what the text was generated from, where it was: it knows the best reachable
    perplexity.
    """

    name: str
    vocabulary: Vocabulary
    splits: dict[str, np.ndarray] = field(repr=False)
    data_path: str | None = None
    grammar: Grammar | None = None

    @property
    def train(self) -> np.ndarray:
        return self.splits["train"]

    @property
    def valid(self) -> np.ndarray:
        return self.splits["valid"]

    @property
    def test(self) -> np.ndarray:
        return self.splits["test"]

    @cached_property
    def fingerprint(self) -> str:
        """sha256 of the vocabulary and of every split's ids: equal texts, equal fingerprints."""
        digest = hashlib.sha256(self.vocabulary.to_text().encode())
        for name, ids in sorted(self.splits.items()):
            digest.update(f"\n{name} {len(ids)}\n".encode())
            digest.update(ids.astype("<i4").tobytes())
        return digest.hexdigest()


def load_text(
    data_path: str | Path,
    vocab_size: int | None = None,
    splits: tuple[str, ...] = SPLITS,
    optional_splits: tuple[str, ...] = (),
    vocabulary: Vocabulary | None = None,
) -> Corpus:
    """Reads `ptb.{train,valid,test}.txt` or `{train,valid,test}.txt` in the folder `data_path`.

    The vocabulary is made from the train split alone, capped at `vocab_size` words, unless one is
    given (that of an earlier run). Only the named `splits` are read, and train where the
    vocabulary must be made; a missing one of the `optional_splits` is passed over.

    Raises ValueError where a file is missing, empty, not UTF-8, or has a word that the
    vocabulary cannot encode.
    """
    folder = Path(data_path)
    if not folder.is_dir():
        raise ValueError(
            f"data_path {str(folder)!r} is not a folder: give the folder that holds "
            "train.txt, valid.txt and test.txt"
        )
    tokens = {split: read_tokens(_find(folder, split)) for split in splits}
    tokens |= {
        split: read_tokens(_find(folder, split))
        for split in optional_splits
        if _candidates(folder, split)
    }
    if vocabulary is None:
        train = tokens.get("train") or read_tokens(_find(folder, "train"))
        vocabulary = Vocabulary.from_tokens(train, vocab_size)
    encoded = {}
    for split, words in tokens.items():
        try:
            encoded[split] = vocabulary.encode(words)
        except ValueError as error:
            raise ValueError(f"{_find(folder, split)}: {error}") from None
    return Corpus(folder.resolve().name, vocabulary, encoded, data_path=str(folder.resolve()))


def built_in(vocab_size: int | None = None, vocabulary: Vocabulary | None = None) -> Corpus:
    """The corpus that needs no file: generated from a grammar whose perplexity floor is known."""
    texts = generate()
    vocabulary = vocabulary or Vocabulary.from_tokens(texts["train"], vocab_size)
    encoded = {split: vocabulary.encode(words) for split, words in texts.items()}
    # With a capped vocabulary it is another text, whose floor nobody computed.
    grammar = default_grammar() if vocabulary.unknown_id is None else None
    return Corpus("grammar", vocabulary, encoded, grammar=grammar)


def _find(folder: Path, split: str) -> Path:
    """The file of `split` in `folder`. Raises ValueError where there is none."""
    found = _candidates(folder, split)
    if not found:
        raise ValueError(
            f"the {split} split is missing: {str(folder)!r} has neither ptb.{split}.txt "
            f"nor {split}.txt"
        )
    return found[0]


def _candidates(folder: Path, split: str) -> list[Path]:
    paths = (folder / f"ptb.{split}.txt", folder / f"{split}.txt")
    return [path for path in paths if path.exists()]


def read_tokens(path: Path) -> list[str]:
    """The words of a UTF-8 text, with `<eos>` at the end of every line.

    A last line without a line break is a line like any other.
    Raises ValueError where the file is not UTF-8, or has fewer than two lines.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} is not UTF-8 (byte {error.start}): convert it, for example with iconv"
        ) from None
    if not text.strip():
        raise ValueError(f"{path} is empty: it needs at least two lines of text")
    lines = text.removesuffix("\n").split("\n")
    if len(lines) < 2:
        raise ValueError(f"{path} has one line only: put one sentence on each line")
    return [word for line in lines for word in (*line.split(), EOS)]
