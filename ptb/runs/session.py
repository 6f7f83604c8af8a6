"""One start of a run: goes on from the newest checkpoint, saves, rolls back, stops when asked."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf

from ptb.runs.checkpoint import Checkpoint
from ptb.runs.checkpoint_folder import REMEDY
from ptb.runs.run_folder import RunFolder
from ptb.runs.save_options import SaveOptions
from ptb.training.config import Config
from ptb.training.loop import Diverged, Place, Training
from ptb.training.progress import Progress
from ptb.training.report import EpochReport
from ptb.training.stop import Stopped

MOST_ROLLBACKS = 3


class Session:
    """Trains `model` to the end of its run.

    Without a `folder`, nothing is saved: the best weights stay in memory, and there is nothing to
    go on from. Of several workers, only the chief has one, and the others follow it. `note` is told
    in a line whatever the user should know.
    """

    def __init__(
        self,
        model,
        training: Training,
        config: Config,
        folder: RunFolder | None,
        options: SaveOptions,
        note: Callable[[str], None],
    ):
        self._model, self._training, self._config = model, training, config
        self._folder, self._options, self._note = folder, options, note
        self._best_weights: dict[str, np.ndarray] = {}
        self._saved = time.monotonic()
        self._place: Place | None = None

    def start(self) -> Progress:
        """Goes to the newest checkpoint of the folder, or to the start of the run.

        Raises ValueError where no checkpoint of the run is left whole.
        """
        checkpoint = self._newest()
        if checkpoint is None:
            self._training.initialize()
            self._place = self._training.start()
            self._save()
        else:
            self._place = self._enter(checkpoint)
            self._recover_best()
            self._folder.save_reports(self._place.progress.reports)
            self._note(f"going on with {self._folder.path} from {self.where()}")
        self._place = self._training.share(self._place)
        return self._place.progress

    def epochs(self, check: Callable[[], None] = lambda: None) -> Iterator[EpochReport]:
        """Trains to the end of the run, and yields the report of each epoch that ends.

        `check` is called often; it raises Stopped where the run should save and stop.
        Raises Diverged, and CannotSave.
        """
        while self._place.progress.epoch < self._config.num_epochs:
            try:
                yield from self._epochs(check)
            except Stopped:
                self._save()
                raise
            except Diverged as error:
                self._roll_back(error)

    def load_best(self) -> EpochReport:
        """Puts the best weights into the model; the report of their epoch. Raises ValueError."""
        progress = self._place.progress
        if progress.best is None:
            raise ValueError(
                "the best weights are lost, and no epoch ends from which others could come: give "
                f"num_epochs={progress.epoch + 1} or more"
            )
        weights = self._best_weights
        if self._folder:
            weights = self._folder.load("best").weights
        self._model.import_weights(weights)
        return progress.best

    def where(self) -> str:
        """The place of the run, in words."""
        return _where(self._place.progress)

    def _epochs(self, check) -> Iterator[EpochReport]:
        for place in self._training.places(self._place, check, self._most_windows):
            ended = place.progress.epoch > self._place.progress.epoch
            self._place = place
            if ended:
                self._save_epoch()
                yield place.progress.reports[-1]
            elif self._is_due(place.progress):
                self._save()

    def _most_windows(self, progress: Progress) -> int:
        every = self._options.windows
        return every - progress.window % every if every else 2**31

    def _is_due(self, progress: Progress) -> bool:
        """A place where the cost is just rising is none to come back to."""
        every = self._options.windows
        due = progress.window % every == 0 if every else False
        due = due or time.monotonic() - self._saved > self._options.seconds
        return due and not progress.rising(self._config.num_steps, self._model.vocab_size)

    def _checkpoint(self) -> Checkpoint:
        state = [np.asarray(each) for each in tf.nest.flatten(self._place.state)]
        progress, weights = self._place.progress, self._model.export_weights()
        slots = self._training.export_slots()
        return Checkpoint(self._folder.run, progress, weights, state, slots)

    def _save(self) -> None:
        if self._folder:
            self._folder.save(self._checkpoint(), self._options.keep)
            self._saved = time.monotonic()

    def _save_epoch(self) -> None:
        progress = self._place.progress
        if self._folder:
            self._folder.save_epoch(self._checkpoint(), self._options.keep)
            self._saved = time.monotonic()
        elif progress.best_epoch == progress.epoch:
            self._best_weights = self._model.export_weights()

    def _newest(self) -> Checkpoint | None:
        """The newest checkpoint of this run that is whole; its damaged ones are set aside."""
        if not self._folder:
            return None
        folder = self._folder.checkpoints
        found = folder.newest(self._set_aside, self._ignore)
        if found is None and not folder.is_empty:
            raise ValueError(f"no checkpoint in {folder.path} is of this run and whole: {REMEDY}")
        return found

    def _set_aside(self, path: Path, reason: str) -> None:
        if aside := self._folder.set_aside(path):
            self._tell(f"{reason}: it is now {aside.name}, and not used")
        else:
            self._ignore(path, reason)

    def _ignore(self, path: Path, reason: str) -> None:
        self._note(f"{reason}: it stays as it is, and is not used")

    def _enter(self, checkpoint: Checkpoint) -> Place:
        """Takes all that the checkpoint has. Raises ValueError where it does not fit."""
        self._model.import_weights(dict(checkpoint.weights))
        self._training.import_slots(dict(checkpoint.slots))
        return self._training.place(checkpoint.progress, checkpoint.state)

    def _recover_best(self) -> None:
        """Sees to it that the best checkpoint is that of the epoch which the run says is best."""
        progress = self._place.progress
        folder = self._folder.checkpoints
        try:
            if not progress.best_epoch or folder.best().progress.epoch == progress.best_epoch:
                return
            lost = f"the best checkpoint is not of epoch {progress.best_epoch}"
        except ValueError as error:
            lost = str(error)
        at_best = progress.window == 0 and progress.epoch == progress.best_epoch
        finished = progress.epoch >= self._config.num_epochs
        if not at_best:
            rest = f"epoch {progress.epoch} counts" if finished else "later epochs count"
            self._tell(f"{lost}: the best weights are lost, and {rest} in their place")
            best_epoch = progress.epoch if finished and progress.window == 0 else 0
            progress = dataclasses.replace(progress, best_epoch=best_epoch)
            self._place = dataclasses.replace(self._place, progress=progress)
            self._save()
        if progress.best_epoch:
            self._folder.save_best(self._checkpoint())

    def _roll_back(self, error: Diverged) -> None:
        """Goes back to the last good checkpoint with half the learning rate, or raises `error`."""
        rollbacks = self._place.progress.rollbacks + 1
        stops = self._options.on_divergence == "stop" or rollbacks > MOST_ROLLBACKS
        if self._folder:
            self._go_back(error, rollbacks, stops)
        elif stops:
            raise error
        self._place = self._training.share(self._place)
        self._save()

    def _go_back(self, error: Diverged, rollbacks: int, stops: bool) -> None:
        try:
            checkpoint = self._newest()
        except ValueError as damaged:
            raise Diverged(f"{error}; {damaged}") from None
        if checkpoint is None:
            raise error
        back = _where(checkpoint.progress)
        if stops:
            after = f" after {MOST_ROLLBACKS} rollbacks" if rollbacks > MOST_ROLLBACKS else ""
            raise Diverged(f"{error}; stopped{after}; the last good checkpoint is {back}") from None
        place = self._enter(checkpoint)
        self._place = dataclasses.replace(place, progress=place.progress.rolled_back(rollbacks))
        rate = self._training.learning_rate(self._place.progress)
        self._tell(
            f"{error}: rollback {rollbacks} of {MOST_ROLLBACKS}: back to {back} with "
            f"learning_rate {rate:g}"
        )

    def _tell(self, line: str) -> None:
        self._note(line)
        self._folder.log(line)


def _where(progress: Progress) -> str:
    if progress.window:
        return f"epoch {progress.epoch + 1}, after window {progress.window}"
    return f"the end of epoch {progress.epoch}" if progress.epoch else "the start"
