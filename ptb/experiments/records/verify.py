"""Repeats a record and compares the results.

    ptb verify results/ptb/fast/seed-1 --data_path=DIR                  trains anew
    ptb verify results/ptb/fast/seed-1 --data_path=DIR --save_path=RUN  evaluates RUN

The text must have the fingerprint that the record names. Give its path if it was moved. Initial
weights from another run or from a file of vectors must be those of the record. An evaluation must
give every recorded figure within a relative 1e-5: perplexity, bits per character, share of unknown
words. A new training must come within 2%. With the same commit and versions, on the same kind of
machine, it is bit-identical.
"""

from __future__ import annotations

import dataclasses
import math
import tempfile
from pathlib import Path
from typing import NoReturn

from ptb.command_line.config_flags import PREREQUISITES
from ptb.command_line.help import flag_group
from ptb.command_line.paths import define_path
from ptb.command_line.program import FLAGS, note, run_tool, user_errors
from ptb.command_line.text_source import TextSource, define_data_flags
from ptb.command_line.training_flags import load_beginnings
from ptb.experiments.records.record import Figure, column, evaluate, read_result, run_script
from ptb.machine.escape import escape
from ptb.runs.beginning import DIGESTS
from ptb.runs.description import read_description
from ptb.runs.identity import changeable, differences
from ptb.runs.run_folder import RunFolder
from ptb.training.config import PRESETS, Config

EVALUATED, TRAINED = 1e-5, 0.02
# When and how fast the learning rate falls. Changed before, these leave the run as it would have
# been with them from the start.
FALL = ("constant_epochs", "learning_rate_decay")
FIGURES = tuple(Figure.__annotations__)


def verify(folder: Path, run: Path | None) -> bool:
    """Returns whether the record holds, and prints each figure beside the recorded one.

    The text is that of the data flags, else the record's. Raises ValueError where there is no such
    record, or the text is another; where a script fails, the process ends with its status.
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
    epochs = len(column(folder / "metrics.csv", "epoch"))
    if epochs != config.num_epochs:
        _refuse_to_train(f"ended after {epochs} of {config.num_epochs} epochs")
    if changes := description.get("changes"):
        names = dict.fromkeys(name for change in changes for name in change["now"])
        free = (*changeable(description["config"]), *FALL)
        if others := [name for name in names if name not in free]:
            _refuse_to_train(f"is of a run whose {', '.join(others)} changed in training")
        if not _has_rates(column(folder / "metrics.csv", "learning_rate"), config):
            _refuse_to_train("is of a run that had other learning rates than its config says")
    if recorded.get("rollbacks"):
        _refuse_to_train("is of a run that diverged and was rolled back")
    begun = _beginning_flags(description, corpus)
    with tempfile.TemporaryDirectory() as temporary:
        run = Path(temporary) / "run"
        try:
            flags = [*_model(description), *_flags(config), *begun, *source.to_flags()]
            run_script("train", [*flags, f"--save_path={run}"])
            note("this run is for the comparison only, and is removed after it")
        except SystemExit:
            note("no run was kept: ptb verify trains from the beginning again")
            raise
        return _compare(recorded, run, TRAINED)


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


def _refuse_to_train(why: str) -> NoReturn:
    raise ValueError(f"the record {why}, and cannot be trained again: give its run as --save_path")


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
            then, now = figure[name], math.inf if answer[name] is None else answer[name]
            near = abs(now - then) <= tolerance * then
            holds = holds and near
            verdict = "the same" if now == then else "holds" if near else "DIFFERS"
            what = name.replace("_", " ")
            print(f"{split} {what} of {weights} {now:.4f}, recorded {then:.4f}: {verdict}")
    return holds


def main(arguments: list[str]) -> int:
    with user_errors():
        if len(arguments) != 1:
            raise ValueError("name the folder of the record, and beside it where the text is")
        run = Path(FLAGS.save_path) if FLAGS.save_path else None
        holds = verify(Path(arguments[0]), run)
    print("the record holds" if holds else "the record does not hold")
    return 0 if holds else 1


def start() -> None:
    """Defines the flags and runs the command."""
    define_data_flags("The text of the record, if it was moved", "where the record found it")
    with flag_group("run"):
        define_path(
            "save_path",
            None,
            "Folder of a run to evaluate. Default: train anew, and keep no run.",
        )
    run_tool(main)
