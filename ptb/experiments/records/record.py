"""Trains and evaluates a model, and keeps all that is needed to repeat it: a record.

    ptb record results/ptb/fast/seed-1 --model=fast --seed=1 --data_path=DIR

The flags are those of `train.py`. The record has `result.json` and `train.log`, the output. From
the run it has `config.json`, `metrics.csv`, `timing.csv` and `learning_curve.png`. It holds neither
weights nor text; give `--save_path=RUN` to keep the run.

If this is interrupted, the same command resumes the run. Then `seconds` is null, because the time
was not measured in one piece, and `commit` is that of the last start. `config.json` keeps the
command and the versions of the first start.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import math
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, BinaryIO, NotRequired, TypedDict

from ptb.command_line.config_flags import config_from_flags
from ptb.command_line.program import FLAGS, note, run_tool, typed_command, user_errors
from ptb.command_line.text_source import SOURCE_FLAGS, TextSource
from ptb.command_line.training_flags import define_training_flags
from ptb.machine import strict_json
from ptb.machine.atomic_file import write_atomically, write_text_atomically
from ptb.machine.checked import Limits, check
from ptb.machine.environment import commit, machine
from ptb.machine.process import Children, command_of, exit_status
from ptb.machine.system import WINDOWS
from ptb.machine.untrusted import read_json, read_text
from ptb.runs.description import read_description
from ptb.runs.identity import describe, refuse_another_run
from ptb.runs.run_folder import RunFolder
from ptb.training.config import PRESETS, Config

COPIED = ("config.json", "metrics.csv", "timing.csv", "learning_curve.png")
LOG, RESULT = "train.log", "result.json"
# Stands in a folder until it is a record. What is beside it was made by the same command.
UNFINISHED, MARK = "unfinished", "A record is being made here: the same command goes on with it.\n"
# A hundred thousand epochs, which is the highest number that a config may have.
MAX_TABLE_BYTES = 30_000_000
# No perplexity is higher: that of 700 nats a word, at which it is cut off.
MAXIMUM = 1.1e304


Positive = Annotated[float, Limits(1e-6, MAXIMUM)]


class Figure(TypedDict):
    """What `evaluate.py --json` says, as far as it is read again."""

    perplexity: Positive
    bits_per_character: NotRequired[Positive | None]
    unknown_share: NotRequired[Annotated[float, Limits(0, 1)] | None]


class LastEpoch(TypedDict, total=False):
    """The perplexities of the last epoch."""

    valid: Figure
    test: Figure


class Result(TypedDict):
    """A `result.json`, as far as it is read again."""

    valid: Figure
    test: Figure
    seconds: Positive | None
    last_epoch: NotRequired[LastEpoch | None]
    rollbacks: NotRequired[Annotated[int, Limits(0, 1000)]]


def record(folder: Path, path: Path, flags: list[str], command: str) -> dict:
    """Trains with `flags`, evaluates, fills `folder`, and returns the content of `result.json`.

    `path` is the run's, and `command` what the record says of itself. Where a script fails, the
    process ends with its status, and a run that was begun stays.
    """
    begun_before = RunFolder(path).exists
    folder.mkdir(parents=True, exist_ok=True)
    present = _names(folder)
    write_text_atomically(folder / UNFINISHED, MARK)
    try:
        began = time.perf_counter()
        log = run_script("train", [*flags, f"--save_path={path}"])
        seconds = time.perf_counter() - began
        result = {
            "command": command,
            "seconds": None if begun_before else round(seconds, 1),
            "valid": evaluate(path, "valid"),
            "test": evaluate(path, "test"),
            "last_epoch": last_epoch(path),
            "rollbacks": RunFolder(path).load("latest").progress.rollbacks,
            "commit": commit(),
            "machine": machine(),
        }
    except SystemExit:
        if [path.name for path in folder.iterdir()] == [UNFINISHED]:
            (folder / UNFINISHED).unlink()
            folder.rmdir()
        if RunFolder(path).exists:
            note(f"no record was made; the same command resumes the run in {path}")
        raise
    if appeared := (_names(folder) - present) & {*COPIED, LOG, RESULT}:
        raise ValueError(
            f"{folder / min(appeared)} was put there while the run trained: move it away and run "
            "the same command again"
        )
    for name in COPIED:
        content = (path / name).read_bytes()
        write_atomically(folder / name, partial(_write, content))
    # The last file makes it a record.
    write_text_atomically(folder / LOG, log)
    strict_json.write(folder / RESULT, result)
    (folder / UNFINISHED).unlink()
    return result


def _write(content: bytes, file: BinaryIO) -> None:
    file.write(content)


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def evaluate(run: Path, split: str, *flags: str) -> dict:
    """The output of `evaluate.py` for the run, on the text that the flags of this program name.

    Raises ValueError if the perplexity is infinite, which no record holds.
    """
    flags += tuple(given_flags(SOURCE_FLAGS))
    answer = json.loads(
        run_script("evaluate", [f"--save_path={run}", f"--split={split}", "--json", *flags])
    )
    if answer["perplexity"] is None:
        raise ValueError(f"the {split} perplexity of {str(run)!r} is infinite: train it otherwise")
    del answer["text"]  # a record says nothing of this machine's folders
    return answer


def last_epoch(run: Path) -> dict | None:
    """Valid and test of the last epoch, which the tutorial tests; None if it is the best epoch."""
    valid = column(run / "metrics.csv", "valid_perplexity")
    if valid[-1] == min(valid):
        return None
    return {split: evaluate(run, split, "--checkpoint=latest") for split in ("valid", "test")}


def column(table: Path, name: str) -> list[float]:
    """A column of a run's `metrics.csv` or `timing.csv`: one value per epoch.

    Raises ValueError where it is not there, or has something else than numbers.
    """
    try:
        rows = csv.DictReader(io.StringIO(read_text(table, MAX_TABLE_BYTES), newline=""))
        values = [float(row[name]) for row in rows]
    except (OSError, KeyError, TypeError, ValueError, csv.Error):
        values = []
    if not values or not all(map(math.isfinite, values)):
        raise ValueError(f"{table} has no column {name} of numbers")
    return values


def read_result(folder: Path) -> dict:
    """Reads the `result.json` of a record. Raises ValueError if it is not one."""
    path = folder / RESULT
    try:
        result = read_json(path)
        check("its content", result, Result)
        if unknown := set(result.get("last_epoch") or {}) - {"valid", "test"}:
            raise ValueError(f"last_epoch has the unknown {min(unknown)}")
    except FileNotFoundError:
        raise ValueError(f"{path} is missing: give a folder that ptb record made") from None
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read ({error})") from None
    return result


def preset_of(folder: Path) -> str | None:
    """The preset whose recipe a record follows, for as many epochs as it trains.

    Its precision and its seed may be others. None: its recipe is not that of a preset. Raises
    ValueError for a damaged `config.json`.
    """
    recipe = _recipe(Config.from_dict(read_description(folder / "config.json")["config"]))
    return next((name for name, preset in PRESETS.items() if _recipe(preset) == recipe), None)


def _recipe(config: Config) -> Config:
    return replace(config, num_epochs=1, precision="float32", seed=1)


def given_flags(names) -> list[str]:
    """The given flags among `names`, as arguments for another command."""
    return [FLAGS[name].serialize() for name in names if FLAGS[name].present]


def run_script(name: str, flags: list[str], enough: Callable[[], bool] = lambda: False) -> str:
    """Runs `ptb NAME` and returns its stdout. If it fails, this process ends with its status.

    A signal that asks this process to stop goes to the command, which saves. The command is asked
    to stop too, once `enough()` is true after a line of its output.
    """
    lines, stopped = [], False
    with Children() as children:
        process = children.start(command_of(name, *flags), stdout=subprocess.PIPE)
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line)
            # A second signal would end it before it has saved.
            if not (stopped or children.received) and enough():
                stopped = True
                children.send(signal.SIGTERM)
        status = exit_status(process.wait())
    if stopped and status == (1 if WINDOWS else 128 + signal.SIGTERM):
        status = 0
    if status or children.received:
        raise SystemExit(status or 128 + children.received)
    return "".join(lines)


def main(arguments: list[str]) -> None:
    with user_errors():
        if len(arguments) != 1:
            raise ValueError("name the folder of the record, and beside it the flags of train.py")
        config = config_from_flags()
        # Without a text to test on there is no record.
        splits = ("train", "valid", "test")
        corpus = TextSource.from_flags().load(splits, vocab_size=config.vocab_size)
        folder = Path(arguments[0])
        path = Path(FLAGS.save_path) if FLAGS.save_path else folder / "run"
        _check_paths(folder, path)
        # A run that was there before any attempt to make a record is its user's.
        is_own = not FLAGS.save_path and (_is_unfinished(folder) or not path.exists())
        _check_run(RunFolder(path), config, corpus, FLAGS.change)
        names = [name for name in FLAGS if name != "save_path"]
        result = record(folder, path, given_flags(names), typed_command())
        if is_own and not RunFolder(path).remove():
            note(f"{path} has files that are not of the run, and stays")
        elif is_own:
            note(f"the run in {path} is removed; to keep one, name its folder by --save_path")
    valid, test, seconds = result["valid"], result["test"], result["seconds"]
    in_all = "" if seconds is None else f", {seconds:.0f} s in all"
    print(f"valid {valid['perplexity']:.3f}, test {test['perplexity']:.3f}{in_all}")


def _check_paths(folder: Path, path: Path) -> None:
    """Raises ValueError if `folder` is the run's, or has files of anything but this record."""
    if path.resolve() == folder.resolve():
        raise ValueError(f"save_path {str(path)!r} is the folder of the record: name another")
    made = (UNFINISHED, *COPIED, LOG) if _is_unfinished(folder) else ()
    attempt = {path.resolve(), *(folder.resolve() / name for name in made)}
    if folder.exists() and not attempt.issuperset(folder.resolve().iterdir()):
        raise ValueError(f"{folder} is there already: name a new folder, or remove it")


def _is_unfinished(folder: Path) -> bool:
    """Whether making a record was begun in the folder."""
    path = folder / UNFINISHED
    return path.is_file() and not path.is_symlink() and path.read_bytes() == MARK.encode()


def _check_run(run: RunFolder, config, corpus, change) -> None:
    """Raises ValueError if the run is another one, or has more epochs than the record.

    `change` are the hyperparameters that may change. Epochs that have ended stay.
    """
    refuse_another_run(run, describe(config, corpus), change)
    if not run.exists:
        return
    epochs = 0
    with contextlib.suppress(ValueError):  # of a run whose first epoch has not ended
        epochs = len(column(run.path / "metrics.csv", "epoch"))
    if "num_epochs" not in change:
        epochs = max(epochs, Config.from_dict(run.description()["config"]).num_epochs)
    if epochs > config.num_epochs:
        raise ValueError(
            f"save_path {str(run.path)!r} holds a run of {epochs} epochs: give "
            f"--num_epochs={epochs}, or another save_path"
        )


def start() -> None:
    """Defines the flags and runs the command."""
    define_training_flags()
    run_tool(main)
