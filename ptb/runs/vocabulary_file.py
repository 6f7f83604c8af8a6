"""Reads `vocabulary.txt` of a run: one word on each line, in the order of the ids."""

from __future__ import annotations

from pathlib import Path

from ptb.data.vocabulary import Vocabulary
from ptb.machine.untrusted import read_text
from ptb.runs.run_files import MAX_VOCABULARY_BYTES, sha256

MAX_WORDS = 10_000_000


def read_vocabulary(path: Path, corpus: dict) -> Vocabulary:
    """Reads the words. Raises ValueError if the run did not write this file.

    `corpus` is the part of config.json about the text, with a checksum and the number of words.
    """
    try:
        text = read_text(path, MAX_VOCABULARY_BYTES)
        if corpus.get("vocabulary_sha256") != sha256(text):
            raise ValueError("it is not the vocabulary that this run was trained with")
        if text.count("\n") > MAX_WORDS:
            raise ValueError(f"it has more than {MAX_WORDS:,} words")
        vocabulary = Vocabulary.from_text(text)
        _check_words(vocabulary, corpus.get("vocab_size"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from None
    return vocabulary


def _check_words(vocabulary: Vocabulary, vocab_size: int | None) -> None:
    """Raises ValueError for words that no run can have, even if the checksum is right."""
    if vocab_size not in (None, len(vocabulary)):
        raise ValueError(f"it has {len(vocabulary):,} words and config.json says {vocab_size:,}")
    vocabulary.check_readable()
