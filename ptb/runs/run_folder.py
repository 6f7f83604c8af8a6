"""The folder of a run (`--save_path`): with the corpus, all that evaluation needs.

config.json           effective config, corpus and its fingerprint, command, versions
vocabulary.txt        a word a line, in the order of the ids
metrics.csv           a row per epoch; the same however often the run was interrupted
timing.csv            how long each epoch took
learning_curve.png    the metrics, drawn
events.*              metrics and timing, for TensorBoard
checkpoints/          the newest ones and the best; see `checkpoint_folder`
log.txt               what happened to the run: rollbacks, damaged checkpoints
lock                  who writes here, and what its temporary files are named after
.NAME.TOKEN           a file that is being written; what a dead writer left is removed by the next

A folder that has anything in it and is no run is refused before any write.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

from ptb.data.vocabulary import Vocabulary
from ptb.machine.atomic_file import sync_folder, write_text_atomically
from ptb.machine.system import open_flags
from ptb.runs.checkpoint import Checkpoint, Unreadable
from ptb.runs.checkpoint_folder import REMEDY, CheckpointFolder, OfAnotherRun, is_best
from ptb.runs.description import read_description
from ptb.runs.identity import run_id
from ptb.runs.lock import Lock, is_lock
from ptb.runs.report_files import write_reports, write_scalars
from ptb.runs.run_files import (
    FILES,
    is_events,
    refuse_all_but_a_run,
    refuse_all_but_a_start,
    sha256,
)
from ptb.runs.vocabulary_file import read_vocabulary
from ptb.training.report import EpochReport

RESUME = "train.py with the flags of this run sets it aside and resumes from the one before"
REMEDIES = {
    Unreadable: "make it a file that can be read here",
    OfAnotherRun: "restore that file, or move the checkpoint away",
}


class CannotSave(OSError):
    """The run folder could not be written. What was saved in it before is whole."""


class RunFolder:
    """Reads and writes one run folder. Every file is replaced at once, never half-written."""

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self._lock = Lock(self.path)

    @property
    def exists(self) -> bool:
        """Whether a run has been started here."""
        return (self.path / "config.json").exists()

    def acquire(self) -> list[str]:
        """Makes the folder and becomes its only writer; returns what to tell the user, in lines.

        Raises ValueError if the folder has something in it and is no run, or another process writes
        in it; CannotSave if it cannot be made.
        """
        with self._saving():
            self._check_own()
            self.path.mkdir(parents=True, exist_ok=True)
            died = self._lock.acquire(self._remove_temporary)
            (self.path / "checkpoints").mkdir(exist_ok=True)
            notes = [f"{died}, died while it had {self.path}"] if died else []
            return [*notes, *self._limits()]

    def _check_own(self) -> None:
        """Raises ValueError if something here is not what a run of ours, or its start, leaves."""
        if not self.exists:
            refuse_all_but_a_start(self.path)
            return
        self.checkpoints.check_best()
        if not self.checkpoints.has_own:  # config.json alone may have come from elsewhere
            refuse_all_but_a_run(self.path)

    def _remove_temporary(self, token: str) -> None:
        """Removes the files that a writer, which died, had not finished: they have its token."""
        for name in FILES:
            (self.path / f".{name}.{token}").unlink(missing_ok=True)
        CheckpointFolder(self.path / "checkpoints", "", token).remove_temporary()

    def _limits(self) -> list[str]:
        """What the file system cannot do for the run, in lines."""
        lacking = [] if self._lock.is_enforced else ["locks: never start this run twice at a time"]
        if not sync_folder(self.path):
            lacking.append("sync of folders: a crash of the machine may lose the newest checkpoint")
        return [f"the file system of {self.path} has no {each}" for each in lacking]

    def release(self) -> None:
        """Releases the lock, so that other processes may write in the folder."""
        self._lock.release()

    def remove(self) -> bool:
        """Removes the run, and the folder if it is then empty; returns whether the folder is gone.

        Raises OSError.
        """
        self.checkpoints.remove()
        events = [p for p in self.path.glob("events.out.tfevents.*") if is_events(p)]
        for path in (*events, *(self.path / name for name in ("log.txt", *FILES[::-1]))):
            path.unlink(missing_ok=True)
        if is_lock(self.path / "lock"):
            (self.path / "lock").unlink()
        with contextlib.suppress(OSError):
            self.path.rmdir()
        return not self.path.exists()

    def start(self, description: dict, vocabulary_text: str) -> None:
        """Writes the first files of a run. Raises CannotSave if that fails.

        `description["corpus"]` must be a dict; it is given the checksum of the vocabulary.
        """
        checksum = {"vocabulary_sha256": sha256(vocabulary_text)}
        description = description | {"corpus": description["corpus"] | checksum}
        with self._saving():
            # First: what has no config.json is not known to be a run.
            self._write("config.json", json.dumps(description, indent=2) + "\n")
            self._write("vocabulary.txt", vocabulary_text)

    def description(self) -> dict:
        """Reads `config.json`. Raises ValueError if it is missing or damaged."""
        path = self.path / "config.json"
        if not self.exists:
            raise ValueError(
                f"{str(self.path)!r} holds no run, because it has no config.json: give the folder "
                "that train saved into"
            )
        try:
            return read_description(path)
        except ValueError as error:
            raise ValueError(f"{error}: give another folder") from None

    def vocabulary(self) -> Vocabulary:
        """Reads the vocabulary. Raises ValueError if the file is not what the run wrote."""
        return read_vocabulary(self.path / "vocabulary.txt", self.description()["corpus"])

    @cached_property
    def run_id(self) -> str:
        """The run id in the checkpoints of this run; see `ptb.runs.identity`.

        Read once: a folder that is deleted under the run is noticed where it is written.
        """
        return run_id(self.description())

    @property
    def checkpoints(self) -> CheckpointFolder:
        """The checkpoints of this run."""
        return CheckpointFolder(self.path / "checkpoints", self.run_id, self._lock.token)

    def set_aside(self, path: Path) -> Path | None:
        """Renames a damaged checkpoint; returns the new name, or None if it may be another file.

        Raises CannotSave.
        """
        with self._saving():
            return self.checkpoints.set_aside(path)

    def save(self, checkpoint: Checkpoint, keep: int) -> None:
        """Saves a checkpoint as the newest, and keeps `keep` of them. Raises CannotSave."""
        with self._saving():
            self.checkpoints.save(checkpoint, keep)

    def save_epoch(self, checkpoint: Checkpoint, keep: int) -> None:
        """Saves the end of an epoch: the checkpoint and the reports.

        Raises CannotSave. After a failure or a crash, missing files are written when the run
        resumes, except TensorBoard's events: they are written first.
        """
        reports = checkpoint.progress.reports
        with self._saving():
            write_scalars(self.path, reports[-1])
            self.checkpoints.save(checkpoint, keep)
            if checkpoint.progress.best_epoch == len(reports):
                self.checkpoints.save_best(checkpoint)
        self.save_reports(reports)

    def log(self, line: str) -> None:
        """Adds a line to `log.txt`. Raises CannotSave."""
        # Through no link, and to no pipe: an open that waits for a reader fails instead.
        flags = open_flags("O_WRONLY", "O_CREAT", "O_APPEND", "O_NOFOLLOW", "O_NONBLOCK")
        with self._saving():
            descriptor = os.open(self.path / "log.txt", flags, 0o644)
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
                file.write(f"{line}\n")

    def save_best(self, checkpoint: Checkpoint) -> None:
        """Saves a checkpoint as the best. Raises CannotSave."""
        with self._saving():
            self.checkpoints.save_best(checkpoint)

    def save_reports(self, reports: Sequence[EpochReport]) -> None:
        """Writes the reports as tables and as a picture. Raises CannotSave."""
        with self._saving():
            write_reports(self.path, reports, self._lock.token)

    def load(self, which: str) -> Checkpoint:
        """Loads the `best` or the `latest` checkpoint.

        Raises ValueError if it is missing or damaged.
        """
        if which not in ("best", "latest"):
            raise ValueError(f"which={which!r} is unknown: choose from best, latest")
        checkpoints = self.checkpoints
        others = checkpoints.numbered()
        if which == "best" and others and not checkpoints.has_best:
            raise ValueError(
                f"the run {str(self.path)!r} has no best epoch: no epoch has ended yet, or the "
                "checkpoint was removed; train.py with the flags of this run resumes from the "
                "newest checkpoint"
            )
        try:
            found = (
                checkpoints.best() if which == "best" else checkpoints.newest(_refuse, _pass_over)
            )
        except ValueError as error:
            damaged = RESUME if others or which == "latest" else REMEDY
            raise ValueError(f"{error}: {REMEDIES.get(type(error), damaged)}") from None
        if found is None:
            where = self.path / "checkpoints"
            raise ValueError(f"there is no checkpoint of this run in {where}: {REMEDY}")
        return found

    def _write(self, name: str, text: str) -> None:
        write_text_atomically(self.path / name, text, self._lock.token)

    @contextlib.contextmanager
    def _saving(self) -> Iterator[None]:
        """Turns an OSError into CannotSave; refuses to write if another process has the folder."""
        try:
            if self._lock.lost:
                raise OSError(None, "it was deleted or replaced")
            yield
        except OSError as error:
            raise CannotSave(
                f"save_path {str(self.path)!r} cannot be written ({error.strerror}): what was "
                "saved before is whole; solve this and run the same command again, or give another "
                "folder"
            ) from None


def _refuse(path: Path, error: ValueError) -> None:
    """Raises for a damaged newest checkpoint: only the run itself may set it aside."""
    if not is_best(path):
        raise error


def _pass_over(path: Path, reason: str) -> None:
    """Ignores a checkpoint of another run."""
