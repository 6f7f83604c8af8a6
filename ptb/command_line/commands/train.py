"""Trains a recurrent language model and measures its perplexity.

    python3 train.py                                     the built-in corpus, about a minute
    python3 train.py --data_path=DIR --save_path=RUN     your text; the same command resumes the run
    python3 train.py --model=medium --dataset=ptb        the paper's medium model on Penn Treebank
    python3 train.py --init_from=RUN --data_path=DIR     fine-tunes a trained model on your text

The models are those of Zaremba, Sutskever, Vinyals: Recurrent Neural Network Regularization, 2014
(arXiv 1409.2329). Perplexities that the original tutorial published for one run on Penn Treebank:

                      its code, in block mode          its documentation, an older code
    model    epochs   train    valid    test           train    valid    test
    small      13     40.55   120.70   115.52          37.99   121.39   115.91
    medium     39     45.68    86.97    83.47          48.45    86.16    82.07
    large      55     37.94    82.75    78.49          37.87    82.62    78.29

Source of the first three: tensorflow/models, pull request 2276.
"""

from __future__ import annotations

import contextlib
import sys

from ptb.command_line.config_flags import config_from_flags
from ptb.command_line.devices import cluster_from_flags, start_tensorflow
from ptb.command_line.program import FLAGS, fail, note, run, user_errors
from ptb.command_line.run_report import (
    note_memorized,
    note_nothing_learned,
    print_header,
    print_result,
    print_row,
    print_sample,
    print_what_next,
)
from ptb.command_line.text_source import TextSource
from ptb.command_line.training_flags import (
    define_training_flags,
    labels_from_flags,
    load_beginnings,
    save_options_from_flags,
)
from ptb.command_line.without_effect import refuse_without_effect
from ptb.runs.run_folder import CannotSave
from ptb.runs.train import Devices, open_training


def main() -> None:
    with contextlib.ExitStack() as cleanup:
        if FLAGS.distribution == "multi_worker":
            cleanup.enter_context(_workers())
        _train(cleanup)


@contextlib.contextmanager
def _workers():
    """Ends the command with one line if another worker is lost."""
    from ptb.training.cluster import WorkerLost, lost_workers  # noqa: PLC0415

    try:
        with lost_workers():
            yield
    except WorkerLost as error:
        fail(
            f"{error}: the same command resumes from the last checkpoint, also with another "
            "number of workers"
        )


def training_from_flags():
    """Opens the training that the flags describe: a context manager, as `open_training`.

    Raises ValueError for wrong flags or a wrong text.
    """
    if FLAGS.save_path is None:
        refuse_without_effect(("change", "checkpoint_every", "keep"), without="--save_path")
    config, save, cluster = config_from_flags(), save_options_from_flags(), cluster_from_flags()
    corpus = TextSource.from_flags().load(("train", "valid"), ("test",), config.vocab_size)
    devices = Devices(start_tensorflow, is_chief=cluster is None or cluster.is_chief)
    options = {
        "labels": labels_from_flags(),
        "beginnings": load_beginnings(FLAGS.init_from, FLAGS.init_vectors, corpus),
        "change": FLAGS.change,
        "early_stopping": FLAGS.early_stopping,
    }
    return open_training(config, corpus, FLAGS.save_path, save, note, devices, **options)


def _note_softmax(training) -> None:
    """A note if an adaptive softmax was asked for that this vocabulary is too small for."""
    wanted = any(FLAGS[name].present for name in ("softmax", "adaptive_cutoffs"))
    if wanted and training.config.softmax == "adaptive" and not training.model.cutoffs:
        note(
            f"--adaptive_cutoffs={training.config.adaptive_cutoffs} has no effect: the vocabulary "
            f"has only {len(training.corpus.vocabulary):,} words"
        )


def _train(cleanup: contextlib.ExitStack) -> None:
    """Trains, printing the header, a row for each epoch, and the result."""
    with user_errors():
        training = cleanup.enter_context(training_from_flags())

    from ptb.training.loop import Diverged  # noqa: PLC0415
    from ptb.training.stop import Stopped  # noqa: PLC0415

    if training.is_chief:
        print_header(training.config, training.corpus, training.model)
        _note_softmax(training)
        for report in training.reports:
            print_row(report)
        if training.is_complete:
            note(f"the run is complete: to train longer, give {_how_to_train_longer(training)}")
    try:
        for report in training.epochs():
            if training.is_chief:
                print_row(report)
                note_nothing_learned(report, training.corpus)
                note_memorized(training.reports)
                if FLAGS.sample_every and report.epoch % FLAGS.sample_every == 0:
                    print_sample(training, report.epoch)
    except Stopped as stopped:
        if training.is_chief:
            _print_stopped(training.where())
        raise SystemExit(stopped.status) from None
    except (Diverged, CannotSave) as error:
        fail(str(error))
    with user_errors():
        result = training.result()
    if training.is_chief:
        print_result(result)
        print_what_next(FLAGS.save_path, result.best.epoch, result.test is not None)


def _how_to_train_longer(training) -> str:
    done = len(training.reports)
    if done < training.config.num_epochs:
        return "the same command without --early_stopping"
    # Its own num_epochs may be fewer, if it was lowered.
    change = ", with --change=num_epochs" if training.config.schedule == "linear" else ""
    return f"--num_epochs={done + 1} or more{change}"


def _print_stopped(where: str) -> None:
    rest = "the run is saved; the same command resumes it"
    if FLAGS.save_path is None:
        rest = "nothing was saved; add --save_path=FOLDER to be able to resume"
    with contextlib.suppress(OSError):  # the terminal may have gone
        print(f"stopped at {where}: {rest}", file=sys.stderr)


def start() -> None:
    """Defines the flags and runs the command."""
    define_training_flags()
    run(main)
