"""The sentences of the TFDS dataset, fetched and prepared where that has not been done yet."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import tensorflow as tf
import tensorflow_datasets as tfds
from absl import logging

from ptb.data.penn_treebank.penn_treebank_dataset_builder import Builder

TFDS_NAMES = {"train": "train", "valid": "validation", "test": "test"}
SENTENCES_PER_BLOCK = 1024


def blocks_of_sentences(
    tokens: str, data_dir: str | Path | None = None
) -> Callable[[str], Iterator[str]]:
    """A function from train, valid or test to its text, in blocks of lines, a sentence each.

    Shows a progress bar on stderr while TFDS fetches the text and prepares it in `data_dir`.
    Raises ValueError where that fails.
    """
    builder = _prepared(tokens, data_dir)
    separator = " " if tokens == "word" else ""

    def blocks(split: str) -> Iterator[str]:
        with without_notes():
            examples = builder.as_dataset(split=TFDS_NAMES[split])
        sentences = examples.map(
            lambda example: tf.strings.reduce_join(example["tokens"], separator=separator)
        )
        try:
            for batch in sentences.batch(SENTENCES_PER_BLOCK).as_numpy_iterator():
                yield "".join(f"{sentence.decode()}\n" for sentence in batch)
        except tf.errors.OpError as error:
            raise ValueError(
                f"{builder.data_dir} is damaged ({type(error).__name__}): delete it, and the next "
                "run prepares it again"
            ) from None

    return blocks


def _prepared(tokens: str, data_dir: str | Path | None) -> Builder:
    return prepare(lambda: Builder(data_dir=data_dir, config=tokens), data_dir)


def prepare(make: Callable, data_dir: str | Path | None):
    """The builder that `make` makes, with its dataset in `data_dir`, fetched if it is not there.

    Raises ValueError without a folder to keep it in, and whatever the builder raises.
    """
    if data_dir is None and os.path.expanduser("~") == "~":
        raise ValueError("there is no home folder to keep the dataset in: give --data_dir")
    if not sys.stderr.isatty():
        tfds.disable_progress_bar()
    with without_notes():
        builder = make()
        config = tfds.download.DownloadConfig(try_download_gcs=False)
        builder.download_and_prepare(download_config=config)
    return builder


@contextlib.contextmanager
def without_notes():
    """Leaves TFDS its progress bars, and keeps its notes to itself: stdout is for figures."""
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.set_verbosity(verbosity)
