"""Repeats a record and compares the results.

    ptb verify results/ptb/fast/seed-1 --data_path=DIR                     trains anew
    ptb verify results/ptb/large/seed-2 --data_path=DIR --max_epochs=2     trains two epochs
    ptb verify results/ptb/medium/seed-1 --data_path=DIR --train_path=NEW  trains in NEW, resumes
    ptb verify results/ptb/fast/seed-1 --data_path=DIR --save_path=RUN     evaluates RUN

The text must have the fingerprint that the record names. Give its path if it was moved. Initial
weights from another run or from a file of vectors must be those of the record. An evaluation must
give every recorded figure within a relative 1e-5: perplexity, bits per character, share of unknown
words. A new training must come within 2%. With the same commit and versions, on the same kind of
machine, it is bit-identical. With --max_epochs, train and valid perplexity of each of these epochs
must come within 5%: while the learning rate is high, rounding errors change the path more.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import tempfile
from pathlib import Path
from typing import NoReturn

from absl import flags

from ptb.command_line.config_flags import PREREQUISITES
from ptb.command_line.help import flag_group
from ptb.command_line.paths import define_path
from ptb.command_line.program import FLAGS, note, run_tool, user_errors
from ptb.command_line.text_source import TextSource, define_data_flags
from ptb.command_line.training_flags import load_beginnings
from ptb.command_line.without_effect import refuse_without_effect
from ptb.experiments.records.record import Figure, column, evaluate, read_result, run_script
from ptb.machine.escape import escape
from ptb.machine.system import STOP_SIGNALS
from ptb.runs.beginning import DIGESTS
from ptb.runs.description import read_description
from ptb.runs.identity import changeable, differences
from ptb.runs.run_folder import RunFolder
from ptb.training.config import PRESETS, Config
from ptb.training.report import EpochReport

EVALUATED, TRAINED, EPOCH = 1e-5, 0.02, 0.05
# When and how fast the learning rate falls. Changed before, these leave the run as it would have
# been with them from the start.
FALL = ("constant_epochs", "learning_rate_decay")
EPOCH_FIGURES = ("train_perplexity", "valid_perplexity")
# The exit statuses of a command that a signal stopped.
STOPPED = tuple(128 + number for number in STOP_SIGNALS)
FIGURES = tuple(Figure.__annotations__)


def verify(
    folder: Path,
    run: Path | None = None,
    train_path: Path | None = None,
    max_epochs: int | None = None,
) -> bool:
    """Returns whether the record holds, and prints each figure beside the recorded one.

    Evaluates `run`. Where there is none, trains anew, for `max_epochs` epochs or all of them, in
    `train_path`, where a run is resumed, or in a folder that is removed. The text is that of the
    data flags, else the record's. Raises ValueError where there is no such record, the text is
    another, or no training can repeat it; where a script fails, the process ends with its status.
    """
    recorded, description = read_result(folder), read_description(folder / "config.json")
    config = Config.from_dict(description["config"])
    source = TextSource.of_run(description["corpus"].get("source", {}))
    corpus = source.load(("train", "valid"), ("test",), config.vocab_size)
    fingerprint = description["corpus"].get("fingerprint")
    if corpus.fingerprint != fingerprint:
        raise ValueError(
            f"the text has the fingerprint {corpus.fingerprint[:12]} and the record's has "
            f"{str(fingerprint)[:12]}: name the record's text, by --data_path or --dataset"
        )
    if run is not None:
        _check_run(run, description)
        return _compare(recorded, run, EVALUATED)
    _check_can_be_trained(folder, recorded, description, config, max_epochs)
    begun = _beginning_flags(description, corpus)
    ended = 0 if train_path is None else _ended(train_path, folder, description)
    if max_epochs is None and ended > config.num_epochs:
        raise ValueError(
            f"--train_path={train_path} has {ended} epochs and the record {config.num_epochs}: "
            "name a new folder"
        )
    if ended:
        note(f"epochs that were trained before in {escape(str(train_path))}: {ended}")
    with contextlib.ExitStack() as cleanup:
        run = train_path or Path(cleanup.enter_context(tempfile.TemporaryDirectory())) / "run"
        described = [*_model(description), *_flags(config), *begun, *source.to_flags()]
        try:
            if ended < (max_epochs or config.num_epochs):
                _train(run, described, max_epochs)
        except SystemExit as stopped:
            if train_path is None:
                note("no run was kept: to be able to resume one, give --train_path=FOLDER")
            elif stopped.code in STOPPED and RunFolder(train_path).exists:
                note(f"the same command resumes the run in {escape(str(train_path))}")
            else:
                note(f"save_path is the folder of --train_path={escape(str(train_path))}")
            raise
        if train_path is None:
            note("this run is for the comparison only, and is removed after it")
        if max_epochs is None:
            return _compare(recorded, run, TRAINED)
        return _compare_epochs(folder, run, max_epochs)


def _check_can_be_trained(
    folder: Path, recorded: dict, description: dict, config: Config, max_epochs: int | None
) -> None:
    """Raises ValueError if a training with the record's config does not repeat its epochs."""
    epochs = min(len(column(folder / "metrics.csv", name)) for name in EPOCH_FIGURES)
    if max_epochs is None and epochs != config.num_epochs:
        few = f", or --max_epochs={epochs}" if epochs < config.num_epochs else ""
        _refuse_to_train(f"ended after {epochs} of {config.num_epochs} epochs", few)
    if max_epochs is not None and max_epochs > min(epochs, config.num_epochs):
        raise ValueError(
            f"--max_epochs={max_epochs}: the record has {epochs} epochs, give at most as many"
        )
    if changes := description.get("changes"):
        names = dict.fromkeys(name for change in changes for name in change["now"])
        free = (*changeable(description["config"]), *FALL)
        if others := [name for name in names if name not in free]:
            _refuse_to_train(f"is of a run whose {', '.join(others)} changed in training")
        if not _has_rates(column(folder / "metrics.csv", "learning_rate"), config):
            _refuse_to_train("is of a run that had other learning rates than its config says")
    if recorded.get("rollbacks"):
        _refuse_to_train("is of a run that diverged and was rolled back")


def _ended(path: Path, folder: Path, description: dict) -> int:
    """How many epochs of a second training have ended in `path`.

    Raises ValueError if a training there would not be one of the record in `folder`.
    """
    if path.resolve() == folder.resolve():
        raise ValueError(f"--train_path={path} is the folder of the record: name a new one")
    if not RunFolder(path).exists:
        return 0
    try:
        _check_run(path, description)
    except ValueError as error:
        raise ValueError(f"{error}: name a new folder as --train_path") from None
    return len(_reports(path))


def _train(run: Path, described: list[str], max_epochs: int | None) -> None:
    """Trains in `run`, or resumes the run there, until `max_epochs` epochs have ended, or all."""

    def enough() -> bool:
        return max_epochs is not None and len(_reports(run)) >= max_epochs

    run_script("train", [*described, f"--save_path={run}"], enough)


def _reports(run: Path) -> list[EpochReport]:
    """The reports of the epochs that have ended; none where no run is, or it cannot be read."""
    if not RunFolder(run).exists:
        return []
    try:
        newest = RunFolder(run).checkpoints.newest(lambda *_: None, lambda *_: None)
    except (OSError, ValueError):
        newest = None  # training says what is wrong with the run
    return list(newest.progress.reports) if newest else []


def _has_rates(recorded: list[float], config: Config) -> bool:
    """Whether each epoch had the learning rate of the config."""
    rates = map(config.learning_rate_at, range(len(recorded)))
    return all(math.isclose(*pair, rel_tol=1e-6) for pair in zip(recorded, rates, strict=True))


def _check_run(run: Path, recorded: dict) -> None:
    """Raises ValueError if the run has another text, config or beginning than the record's."""
    saved = RunFolder(run).description()
    config = dataclasses.asdict(Config.from_dict(saved["config"]))
    found = differences(recorded, saved | {"config": config})
    if found := found + _other_beginnings(recorded, saved):
        raise ValueError(f"the run {run} is another than the record's: {'; '.join(found)}")


def _beginning_flags(recorded: dict, corpus) -> list[str]:
    """The flags of the initial weights. Raises ValueError if they are not those of the record."""
    paths = {name: recorded.get(name) for name in DIGESTS.values()}
    now: dict[str, str] = {}
    try:
        for beginning in load_beginnings(**paths, corpus=corpus):
            now |= beginning.description
    except ValueError as error:
        _refuse_to_train(f"began with weights that cannot be read ({error})")
    if found := _other_beginnings(recorded, now):
        _refuse_to_train(f"began with other weights ({'; '.join(found)})")
    return [f"--{name}={path}" for name, path in paths.items() if path is not None]


def _other_beginnings(recorded: dict, now: dict) -> list[str]:
    """Says in words which initial weights are others than those of the record."""
    return [
        f"the sha256 of {name} was {_digest(recorded, key)} and is now {_digest(now, key)}"
        for key, name in DIGESTS.items()
        if recorded.get(key) != now.get(key)
    ]


def _digest(description: dict, key: str) -> str:
    return description.get(key, "none")[:12]


def _refuse_to_train(why: str, other: str = "") -> NoReturn:
    raise ValueError(
        f"the record {why}, and cannot be trained again: give its run as --save_path{other}"
    )


def _model(description: dict) -> list[str]:
    """The flag of the preset, which train.py prints; the other flags say the same."""
    name = description.get("model")
    return [f"--model={name}"] if name in PRESETS else []


def _flags(config: Config) -> list[str]:
    """The flags of every field that affects the figures."""
    unread = {
        name
        for name, (other, values) in PREREQUISITES.items()
        if getattr(config, other) not in values
    }
    fields = dataclasses.asdict(config).items()
    return [f"--{name}={value}" for name, value in fields if name not in unread]


def _compare(recorded: dict, run: Path, tolerance: float) -> bool:
    figures = [(split, (), recorded[split]) for split in ("valid", "test")]
    for split, figure in (recorded.get("last_epoch") or {}).items():
        figures.append((split, ("--checkpoint=latest",), figure))
    holds = True
    for split, options, figure in figures:
        answer = evaluate(run, split, *options)
        weights = escape(answer["weights"])
        for name in [name for name in FIGURES if figure.get(name) is not None]:
            now = math.inf if answer[name] is None else answer[name]
            what = f"{split} {name.replace('_', ' ')} of {weights}"
            holds = _holds(what, now, figure[name], tolerance) and holds
    return holds


def _compare_epochs(folder: Path, run: Path, num_epochs: int) -> bool:
    holds, reports = True, _reports(run)
    if len(reports) < num_epochs:
        raise ValueError(f"the run in {run} has lost epochs: train in a new folder")
    recorded = {name: column(folder / "metrics.csv", name) for name in EPOCH_FIGURES}
    for epoch in range(num_epochs):
        for name in EPOCH_FIGURES:
            what = f"{name.replace('_', ' ')} of epoch {epoch + 1}"
            now, then = getattr(reports[epoch], name), recorded[name][epoch]
            holds = _holds(what, now, then, EPOCH) and holds
    return holds


def _holds(what: str, now: float, then: float, tolerance: float) -> bool:
    """Whether a figure is the recorded one, within a relative `tolerance`. Prints both."""
    near = abs(now - then) <= tolerance * then
    verdict = "the same" if now == then else "holds" if near else "DIFFERS"
    print(f"{what} {now:.4f}, recorded {then:.4f}: {verdict}")
    return near


def main(arguments: list[str]) -> int:
    with user_errors():
        if len(arguments) != 1:
            raise ValueError("name the folder of the record, and beside it where the text is")
        if FLAGS.save_path:
            refuse_without_effect(("train_path", "max_epochs"), where="with --save_path")
        run, new = (Path(path) if path else None for path in (FLAGS.save_path, FLAGS.train_path))
        holds = verify(Path(arguments[0]), run, new, FLAGS.max_epochs)
    what = "the record"
    if FLAGS.max_epochs:
        what += f", compared up to epoch {FLAGS.max_epochs},"
    print(f"{what} {'holds' if holds else 'does not hold'}")
    return 0 if holds else 1


def start() -> None:
    """Defines the flags and runs the command."""
    define_data_flags("The text of the record, if it was moved", "where the record found it")
    with flag_group("run"):
        define_path(
            "save_path",
            None,
            "Folder of a run to evaluate. Default: train anew.",
        )
        define_path(
            "train_path",
            None,
            "Folder for the new run, which is kept; the same command resumes it. Default: a "
            "temporary folder.",
        )
        flags.DEFINE_integer(
            "max_epochs",
            None,
            "Train only this many epochs, from the first, and compare each with the record's. "
            "Default: all.",
            lower_bound=1,
        )
    run_tool(main)
