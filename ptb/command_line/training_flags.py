"""The flags of `ptb train`, which `ptb record` takes too."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from absl import flags

from ptb.command_line.config_flags import define_config_flags
from ptb.command_line.devices import define_distribution_flags
from ptb.command_line.help import flag_group
from ptb.command_line.paths import define_path
from ptb.command_line.program import FLAGS, typed_command
from ptb.command_line.text_source import define_data_flags, define_text_flags
from ptb.runs.identity import MEANT
from ptb.runs.run_folder import RunFolder
from ptb.runs.save_options import MAX_KEEP, ON_DIVERGENCE, SaveOptions
from ptb.training.config import MAX_EPOCHS


def define_training_flags() -> None:
    """Defines the flags of `ptb train`, which `ptb record` takes too."""
    define_data_flags()
    define_text_flags()
    define_config_flags()
    with flag_group("training"):
        define_path(
            "init_from",
            None,
            "Fine-tuning: folder of a run whose best weights this run starts from. Words that it "
            "does not know start fresh. Default: none.",
        )
        define_path(
            "init_vectors",
            None,
            "File of word vectors to start from, in the text format of word2vec or GloVe. Default: "
            "none.",
        )
        flags.DEFINE_integer(
            "early_stopping",
            0,
            "Stop after this many epochs without a lower perplexity on the valid split. 0: never.",
            0,
            MAX_EPOCHS,
        )
        flags.DEFINE_enum(
            "on_divergence",
            "stop",
            ON_DIVERGENCE,
            "What to do if the loss is NaN or infinite, or perplexity explodes. rollback: return "
            "to the last checkpoint with half the learning rate, at most three times.",
        )
        flags.DEFINE_integer(
            "sample_every",
            0,
            "Print a generated sample after every this many epochs. 0: never.",
            0,
            100_000,
        )
    with flag_group("saving"):
        define_path(
            "save_path",
            None,
            "Folder of the run, for the config, the metrics and the checkpoints. If the folder "
            "holds a run, training resumes. Default: nothing is saved.",
        )
        flags.DEFINE_list(
            "change",
            [],
            "Hyperparameters that may differ from the run in --save_path, comma-separated. "
            f"Without this flag, a difference is an error. Possible: {', '.join(MEANT)}. "
            "Default: none.",
        )
        flags.DEFINE_string(
            "checkpoint_every",
            "300s",
            "How often to save within an epoch: seconds (300s) or windows (500w). 0: only after "
            "each epoch.",
        )
        flags.DEFINE_integer(
            "keep", 2, "Number of newest checkpoints to keep, besides the best.", 1, MAX_KEEP
        )
    define_distribution_flags()


def save_options_from_flags() -> SaveOptions:
    """When to save. Raises ValueError for a bad value."""
    return SaveOptions(FLAGS.checkpoint_every, FLAGS.keep, FLAGS.on_divergence)


def load_beginnings(init_from: str | None, init_vectors: str | None, corpus) -> list:
    """The weights that the run starts from, if not fresh ones (`ptb.runs.beginning`).

    Raises ValueError if they cannot be read.
    """
    from ptb.data import word_vectors  # noqa: PLC0415
    from ptb.runs.beginning import FromRun, FromVectors  # noqa: PLC0415
    from ptb.runs.trained_model import load_run  # noqa: PLC0415

    found: list = []
    if init_from is not None:
        with _loading("init_from", init_from):
            found.append(FromRun(load_run(init_from), init_from))
    if init_vectors is not None:
        with _loading("init_vectors", init_vectors):
            words, rows = word_vectors.read(init_vectors, corpus.vocabulary)
        found.append(FromVectors(words, rows, init_vectors))
    return found


@contextlib.contextmanager
def _loading(name: str, path: str) -> Iterator[None]:
    """Adds the name of the flag to an error, and that a run with checkpoints resumes without it."""
    try:
        yield
    except (OSError, ValueError) as error:
        reason = str(error)
        if isinstance(error, OSError):
            reason = f"{path!r} cannot be read ({error.strerror})"
        run = RunFolder(FLAGS.save_path) if FLAGS.save_path else None
        resumes = run is not None and run.exists and not run.checkpoints.is_empty
        rest = f", or leave out --{name} to resume the run" if resumes else ""
        raise ValueError(f"--{name}: {reason}{rest}") from None


def labels_from_flags() -> dict[str, str]:
    """The command and the preset, which the run's `config.json` keeps for readers."""
    return {"command": typed_command(), "model": FLAGS.model}
