"""Trains a recurrent language model and measures its perplexity.

    python3 train.py                                     the built-in corpus, about a minute
    python3 train.py --data_path=DIR --save_path=RUN     your text; resumes where it stopped
    python3 train.py --model=medium --dataset=ptb        the paper's medium model on its text

Zaremba, Sutskever, Vinyals: Recurrent Neural Network Regularization, 2014 (arXiv 1409.2329).
Published perplexities on Penn Treebank, one model each:

    model    epochs   train    valid    test    (the original tutorial's figures)
    small      13     37.99   119.39   115.91
    medium     39     48.45    86.16    82.07
    large      55     37.87    82.62    78.29

    batch_size        rows of text read side by side
    num_steps         time steps that the gradient flows back through
    constant_epochs   epochs at the first learning rate, before it decays
    keep_prob         chance that dropout keeps a value
    init_scale        weights start uniformly in +-init_scale
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import shlex
import sys
from importlib.metadata import version

from absl import flags

from command_line import (
    FLAGS,
    TextSource,
    bits_per_character,
    build_model,
    check_memory,
    cluster_from_flags,
    config_from_flags,
    define_config_flags,
    define_data_flags,
    define_distribution_flags,
    define_text_flags,
    fail,
    note,
    run,
    start_tensorflow,
    user_errors,
)

SAVE_FLAGS = ("checkpoint_every", "keep", "on_divergence")
COLUMNS = ("epoch", "rate", "train ppl", "valid ppl", "|gradient|", "words/s", "seconds")


def main() -> None:
    with contextlib.ExitStack() as cleanup:
        if FLAGS.distribution == "multi_worker":
            cleanup.enter_context(_workers())
        _train(cleanup)


@contextlib.contextmanager
def _workers():
    """Ends with one line where another worker is lost."""
    from training.cluster import WorkerLost, lost_workers  # noqa: PLC0415

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
        folder, description = _open_run(config, corpus, cleanup) if is_chief else (None, None)
        model, replicas, session = _session(config, options, corpus, folder, description)
        reports = session.start().reports

    from training.loop import Diverged  # noqa: PLC0415
    from training.run_folder import CannotSave  # noqa: PLC0415
    from training.stop import Stopped, StopRequest  # noqa: PLC0415

    if is_chief:
        _print_header(config, corpus, model)
        for report in reports:
            _print_row(report)
    try:
        with StopRequest() as stop:
            for report in session.epochs(lambda: stop.check(replicas.most)):
                if is_chief:
                    _print_row(report)
    except Stopped as stopped:
        if is_chief:
            _print_stopped(session)
        raise SystemExit(stopped.status) from None
    except (Diverged, CannotSave) as error:
        fail(str(error))
    if is_chief:
        with user_errors():
            best = session.load_best()
        _print_result(config, corpus, model, best)


def _save_options():
    """The `SaveOptions` of the flags. Raises ValueError for a bad value."""
    from training.save_options import SaveOptions  # noqa: PLC0415

    if FLAGS.on_divergence == "rollback" and FLAGS.save_path is None:
        raise ValueError("--on_divergence=rollback has nothing to go back to: give a --save_path")
    return SaveOptions(FLAGS.checkpoint_every, FLAGS.keep, FLAGS.on_divergence)


def _load_and_check(config):
    """The corpus, with windows known to fit, so that nothing fails after the first epoch."""
    from ptb import reader  # noqa: PLC0415

    batch_size, num_steps = config.batch_size, config.num_steps
    source = TextSource.from_flags()
    corpus = source.load(("train", "valid"), ("test",), config.vocab_size)
    for split, check in (
        ("train", lambda ids: reader.epoch(ids, batch_size, num_steps, config.sampling, (0, 0))),
        ("valid", lambda ids: reader.every_token(ids, batch_size, num_steps)),
    ):
        try:
            check(corpus.splits[split])
        except ValueError as error:
            raise ValueError(f"the {split} split is too short: {error}") from None
    check_memory(config, len(corpus.vocabulary), 2, batch_size, num_steps)
    return corpus


def _open_run(config, corpus, cleanup):
    """The run folder `--save_path`, new or of the same run, and what its `config.json` will say.

    None and None where nothing is to be saved. Nothing is written yet but the lock.

    Raises ValueError where the folder holds another run, or another process writes in it.
    """
    from training.config import Config  # noqa: PLC0415
    from training.run_folder import RunFolder  # noqa: PLC0415

    if FLAGS.save_path is None:
        return None, None
    folder = RunFolder(FLAGS.save_path)
    if folder.exists:
        _refuse_another_run(folder.description(), config, corpus)
    cleanup.callback(folder.release)
    if died := folder.acquire():
        note(f"{died}, died while it had {FLAGS.save_path}")
    description = _description(config, corpus)
    if folder.exists:
        # Another process may have started a run since.
        saved = folder.description()
        _refuse_another_run(saved, config, corpus)
        _note_other_versions(saved.get("versions"), description["versions"])
        # The command and the versions stay those that the run began with.
        num_epochs = max(config.num_epochs, Config.from_dict(saved["config"]).num_epochs)
        description = saved | {"config": description["config"] | {"num_epochs": num_epochs}}
    return folder, description


def _refuse_another_run(saved: dict, config, corpus) -> None:
    """A run goes on only with its own config, but for what may change, and its own text."""
    from training.config import Config  # noqa: PLC0415
    from training.run_folder import changeable  # noqa: PLC0415

    may_change = changeable(saved["config"])
    old = dataclasses.asdict(Config.from_dict(saved["config"]))
    differences = [
        f"{name} was {old[name]} and is now {value}"
        for name, value in dataclasses.asdict(config).items()
        if name not in may_change and value != old[name]
    ]
    if saved["corpus"].get("fingerprint") != corpus.fingerprint:
        differences.append(
            f"the corpus was {saved['corpus'].get('name')} "
            f"({str(saved['corpus'].get('fingerprint'))[:12]}) and is now {corpus.name} "
            f"({corpus.fingerprint[:12]})"
        )
    if differences:
        raise ValueError(
            f"save_path {FLAGS.save_path!r} holds another run: {'; '.join(differences)}: "
            f"give another save_path or the same flags ({', '.join((*may_change, *SAVE_FLAGS))} "
            "may change)"
        )


def _note_other_versions(old, new: dict) -> None:
    """Arithmetic is the same bit for bit only in the same versions."""
    for name, version_now in new.items():
        version_then = old.get(name) if isinstance(old, dict) else None
        if version_then != version_now:
            note(f"the run began with {name} {version_then}, and this is {version_now}")


def _description(config, corpus) -> dict:
    """What `config.json` says of a run."""
    packages = ("tensorflow", "keras", "numpy")
    return {
        "command": shlex.join(["python3", *sys.argv]),
        "model": FLAGS.model,
        "config": dataclasses.asdict(config),
        "corpus": {
            "name": corpus.name,
            "source": corpus.source,
            "fingerprint": corpus.fingerprint,
            "vocab_size": len(corpus.vocabulary),
            "tokens": {split: len(ids) for split, ids in corpus.splits.items()},
        },
        "versions": {"python": sys.version.split()[0]} | {p: version(p) for p in packages},
    }


def _session(config, options, corpus, folder, description):
    """The model, the replicas that train it, and the run."""
    strategy = start_tensorflow()

    from training.distribution import Replicas  # noqa: PLC0415
    from training.loop import Training  # noqa: PLC0415
    from training.session import Session  # noqa: PLC0415

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


def _print_header(config, corpus, model) -> None:
    from ptb import summary  # noqa: PLC0415

    unit = "characters" if corpus.tokens == "char" else "words"
    print(
        f"corpus {corpus.name}: vocabulary of {len(corpus.vocabulary):,} {unit}, "
        f"fingerprint {corpus.fingerprint[:12]}"
    )
    print(summary.table(corpus.summary))
    if corpus.summary["train"].unknown == 0 < sum(row.unknown for row in corpus.summary.values()):
        note("train has no <unk>, so the model never learns it")
    print(
        f"model {FLAGS.model}: {config.num_layers} x {config.hidden_size} {config.cell}, "
        f"{model.count_params():,} weights, batch_size {config.batch_size}, "
        f"num_steps {config.num_steps}, seed {config.seed}"
    )
    print(" ".join(f"{name:>10}" for name in COLUMNS), flush=True)


def _print_row(report) -> None:
    print(
        f"{report.epoch:>10} {report.learning_rate:>10.4g} {report.train_perplexity:>10.2f} "
        f"{report.valid_perplexity:>10.2f} {report.mean_grad_norm:>10.2f} "
        f"{report.words_per_second:>10,.0f} {report.seconds:>10.1f}",
        flush=True,
    )


def _print_result(config, corpus, model, best) -> None:
    """Test perplexity of the best epoch, and beside it the floor where that is known."""
    from ptb import reader  # noqa: PLC0415
    from training.perplexity import Evaluator  # noqa: PLC0415

    print(f"best epoch {best.epoch}: valid perplexity {best.valid_perplexity:.3f}")
    _print_bits("valid", best.valid_perplexity, corpus)
    if "test" not in corpus.splits:
        print("no test split: nothing to test on")
        return
    score = Evaluator(model)(reader.every_token(corpus.test, 1, config.num_steps))
    print(
        f"test perplexity {score.perplexity:.3f} "
        f"({score.nats:.1f} nats over {score.tokens:,} tokens, batch_size 1)"
    )
    _print_bits("test", score.perplexity, corpus)
    if corpus.summary["test"].unknown:
        print(f"test <unk> {corpus.summary['test'].unknown_share:.2%} of the tokens")
    if corpus.grammar:
        _print_floors(config.num_steps, corpus, score.perplexity)


def _print_bits(split: str, perplexity: float, corpus) -> None:
    bits = bits_per_character(perplexity, corpus.tokens)
    if bits is not None:
        print(f"{split} bits per character {bits:.4f}")


def _print_floors(num_steps: int, corpus, perplexity: float) -> None:
    """The lowest perplexities that any model of the grammar's text can reach in the long run."""
    grammar = corpus.grammar
    nats, tokens = grammar.score(corpus.vocabulary.decode(corpus.test))
    print(f"the grammar's own perplexity on this test split {math.exp(nats / tokens):.3f}")
    for memory, floor in (
        ("with full memory", grammar.perplexity_floor()),
        (f"with a memory emptied every {num_steps} steps", grammar.perplexity_floor(num_steps)),
    ):
        print(
            f"floor {memory} {floor:.3f}: the test perplexity is {perplexity / floor:.3f} times it"
        )


def _define_save_flags() -> None:
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


if __name__ == "__main__":
    define_data_flags()
    define_distribution_flags()
    define_text_flags()
    define_config_flags()
    _define_save_flags()
    run(main)
