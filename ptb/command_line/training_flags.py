"""The flags of `train.py`, which `ptb record` takes too, and what they say of saving."""

from __future__ import annotations

from absl import flags

from ptb.command_line.config_flags import define_config_flags
from ptb.command_line.devices import define_distribution_flags
from ptb.command_line.paths import define_path
from ptb.command_line.program import FLAGS, typed_command
from ptb.command_line.text_source import define_data_flags, define_text_flags
from ptb.runs.identity import MEANT
from ptb.runs.save_options import SaveOptions

# These flags belong to the scripts that define them, so that --helpshort lists them there.
flags.disclaim_key_flags()


def define_training_flags() -> None:
    """All that `train.py` takes, and `ptb.experiments.records.record` with it."""
    define_data_flags()
    define_distribution_flags()
    define_text_flags()
    define_config_flags()
    define_path(
        "init_from",
        None,
        "begin with the best weights of the run in this folder (fine-tuning); words that it lacks "
        "start fresh",
    )
    define_path(
        "init_vectors",
        None,
        "begin with the word vectors of this file, in the text format of word2vec or GloVe",
    )
    flags.DEFINE_list(
        "change",
        [],
        "hyperparameters of the run in save_path that this start changes, with commas between: "
        f"{', '.join(MEANT)}",
    )
    flags.DEFINE_integer(
        "early_stopping",
        0,
        "stop after this many epochs without a lower valid perplexity; 0: never",
        0,
        100_000,
    )
    flags.DEFINE_integer(
        "sample_every", 0, "print a sample every so many epochs; 0: none", 0, 100_000
    )
    flags.DEFINE_string(
        "checkpoint_every",
        "300s",
        "save within an epoch too, every so many seconds (300s) or windows (500w), or 0: do not",
    )
    flags.DEFINE_integer("keep", 2, "newest checkpoints to keep, beside the best", 1, 1000)
    flags.DEFINE_enum(
        "on_divergence",
        "stop",
        ["stop", "rollback"],
        "stop, or go back to the last checkpoint with half the learning rate, three times at most",
    )


def save_options_from_flags() -> SaveOptions:
    """Raises ValueError for a bad value."""
    return SaveOptions(FLAGS.checkpoint_every, FLAGS.keep, FLAGS.on_divergence)


def beginnings_from_flags(corpus) -> list:
    """What the run begins with in place of fresh weights (`ptb.runs.beginning`).

    Raises ValueError where that cannot be read.
    """
    from ptb.data import word_vectors  # noqa: PLC0415
    from ptb.runs.beginning import FromRun, FromVectors  # noqa: PLC0415
    from ptb.runs.trained_model import load_run  # noqa: PLC0415

    found: list = []
    if FLAGS.init_from is not None:
        found.append(FromRun(load_run(FLAGS.init_from), FLAGS.init_from))
    if FLAGS.init_vectors is not None:
        words, rows = word_vectors.read(FLAGS.init_vectors, corpus.vocabulary)
        found.append(FromVectors(words, rows, FLAGS.init_vectors))
    return found


def labels_from_flags() -> dict[str, str]:
    """What the run's `config.json` tells people."""
    return {"command": typed_command(), "model": FLAGS.model}
