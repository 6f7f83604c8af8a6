"""Trains a recurrent language model and measures its perplexity.

    python3 train.py                                     the built-in corpus, about a minute
    python3 train.py --data_path=DIR --save_path=RUN     your text; resumes where it stopped
    python3 train.py --model=medium --dataset=ptb        the paper's medium model on its text

Zaremba, Sutskever, Vinyals: Recurrent Neural Network Regularization, 2014 (arXiv 1409.2329).
Published perplexities on Penn Treebank, one model each: of the original tutorial's code in block
mode (tensorflow/models, pull request 2276), and those in its documentation, of an older code:

    model    epochs   train    valid    test        train    valid    test
    small      13     40.55   120.70   115.52       37.99   121.39   115.91
    medium     39     45.68    86.97    83.47       48.45    86.16    82.07
    large      55     37.94    82.75    78.49       37.87    82.62    78.29

    batch_size        rows of text read side by side
    num_steps         time steps that the gradient flows back through
    constant_epochs   epochs at the first learning rate, before it decays
    keep_prob         chance that dropout keeps a value
    init_scale        weights start uniformly in +-init_scale
"""

from __future__ import annotations

import contextlib
import sys

from absl import flags

from ptb.command_line.config_flags import config_from_flags
from ptb.command_line.devices import cluster_from_flags, start_tensorflow
from ptb.command_line.open_run import define_training_flags, open_run
from ptb.command_line.program import FLAGS, fail, note, run, user_errors
from ptb.command_line.run_report import note_nothing_learned, print_header, print_result, print_row
from ptb.command_line.text_source import TextSource
from ptb.training.model import build_model, check_memory

flags.disclaim_key_flags()


def main() -> None:
    with contextlib.ExitStack() as cleanup:
        if FLAGS.distribution == "multi_worker":
            cleanup.enter_context(_workers())
        _train(cleanup)


@contextlib.contextmanager
def _workers():
    """Ends with one line where another worker is lost."""
    from ptb.training.cluster import WorkerLost, lost_workers  # noqa: PLC0415

    try:
        with lost_workers():
            yield
    except WorkerLost as error:
        fail(
            f"{error}: the same command goes on from the last checkpoint, also with another "
            "number of workers"
        )


def _train(cleanup: contextlib.ExitStack) -> None:
    """The run, in order. `cleanup` is done however it ends."""
    with user_errors():
        config = config_from_flags()
        options = _save_options()
        cluster = cluster_from_flags()
        is_chief = cluster is None or cluster.is_chief
        corpus = _load_and_check(config)
        folder, description = open_run(config, corpus, cleanup) if is_chief else (None, None)
        model, replicas, session = _session(config, options, corpus, folder, description)
        reports = session.start().reports

    from ptb.runs.run_folder import CannotSave  # noqa: PLC0415
    from ptb.training.loop import Diverged  # noqa: PLC0415
    from ptb.training.stop import Stopped, StopRequest  # noqa: PLC0415

    if is_chief:
        print_header(config, corpus, model)
        for report in reports:
            print_row(report)
    try:
        with StopRequest() as stop:
            for report in session.epochs(lambda: stop.check(replicas.most)):
                if is_chief:
                    print_row(report)
                    note_nothing_learned(report, corpus)
    except Stopped as stopped:
        if is_chief:
            _print_stopped(session)
        raise SystemExit(stopped.status) from None
    except (Diverged, CannotSave) as error:
        fail(str(error))
    if is_chief:
        with user_errors():
            best = session.load_best()
        print_result(config, corpus, model, best)


def _save_options():
    """The `SaveOptions` of the flags. Raises ValueError for a bad value."""
    from ptb.runs.save_options import SaveOptions  # noqa: PLC0415

    if FLAGS.on_divergence == "rollback" and FLAGS.save_path is None:
        raise ValueError("--on_divergence=rollback has nothing to go back to: give a --save_path")
    return SaveOptions(FLAGS.checkpoint_every, FLAGS.keep, FLAGS.on_divergence)


def _load_and_check(config):
    """The corpus, with windows known to fit, so that nothing fails after the first epoch."""
    from ptb.data import reader  # noqa: PLC0415

    batch_size, num_steps = config.batch_size, config.num_steps
    source = TextSource.from_flags()
    corpus = source.load(("train", "valid"), ("test",), config.vocab_size)
    for split, check in (
        ("train", lambda ids: reader.epoch(ids, batch_size, num_steps, config.sampling, (0, 0))),
        ("valid", lambda ids: reader.every_token(ids, batch_size, num_steps)),
        ("test", lambda ids: reader.every_token(ids, 1, num_steps)),
    ):
        try:
            if split in corpus.splits:
                check(corpus.splits[split])
        except ValueError as error:
            raise ValueError(f"the {split} split is too short: {error}") from None
    check_memory(config, len(corpus.vocabulary), batch_size, num_steps, training=True)
    return corpus


def _session(config, options, corpus, folder, description):
    """The model, the replicas that train it, and the run."""
    strategy = start_tensorflow()

    from ptb.runs.session import Session  # noqa: PLC0415
    from ptb.training.distribution import Replicas  # noqa: PLC0415
    from ptb.training.loop import Training  # noqa: PLC0415

    replicas = Replicas(strategy)
    with replicas.scope():
        model = build_model(config, len(corpus.vocabulary))
    training = Training(model, corpus.train, corpus.valid, config, replicas=replicas)
    # Nothing is left to refuse: a batch_size that cannot be shared out binds no folder.
    if folder:
        folder.start(description, corpus.vocabulary.to_text())
    return model, replicas, Session(model, training, config, folder, options, note)


def _print_stopped(session) -> None:
    rest = "saved: the same command goes on from there"
    if FLAGS.save_path is None:
        rest = "nothing is saved without --save_path"
    print(f"stopped at {session.where()}; {rest}", file=sys.stderr)


def start() -> None:
    """Defines the flags and runs the command."""
    define_training_flags()
    run(main)
