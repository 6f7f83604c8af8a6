"""One start of a run: resumes from the newest checkpoint, saves, rolls back, stops when asked."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from ptb.runs.averages_by_position import named_averages
from ptb.runs.checkpoint import Checkpoint, Damaged
from ptb.runs.checkpoint_folder import REMEDY
from ptb.runs.identity import in_words
from ptb.runs.run_folder import RunFolder
from ptb.runs.save_options import SaveOptions
from ptb.training.loop import Diverged, Training
from ptb.training.progress import Progress
from ptb.training.report import EpochReport
from ptb.training.stop import Stopped

MAX_ROLLBACKS = 3  # of each learning rate


class Session:
    """Takes `training` to the end of the run.

    Without a `folder`, nothing is saved, and the best weights stay in memory. Of several workers,
    only the chief has a folder; the others follow it. `note` is called with each line that the user
    should read. `begin` changes the initial weights and returns lines that say how. The run ends
    after `early_stopping` epochs without a better valid perplexity, unless that is 0.
    """

    def __init__(
        self,
        training: Training,
        folder: RunFolder | None,
        options: SaveOptions,
        note: Callable[[str], None],
        begin: Callable[[], list[str]] = list,
        early_stopping: int = 0,
    ):
        self._training, self._state, self._begin = training, training.state, begin
        self._folder, self._options, self._note = folder, options, note
        self._early_stopping = early_stopping
        self._best_weights: dict[str, np.ndarray] = {}
        self._saved = time.monotonic()

    def start(self, changed: dict[str, tuple] | None = None) -> Progress:
        """Restores the newest checkpoint of the folder, or starts the run.

        `changed` has the hyperparameters that this start changes, with both values. A new learning
        rate is used as it is, since rollbacks have halved the one before it.

        Raises ValueError if all checkpoints of the run are damaged, or the workers have different
        flags or texts.
        """
        checkpoint = self._newest()
        if checkpoint is None:
            self._training.initialize()
            lines = self._begin()
            self._save()
            for line in lines:
                self.tell(line)
        else:
            self._restore(checkpoint)
            self._recover_best()
            self._folder.save_reports(self._state.progress.reports)
            self._note(f"resuming {self._folder.path} from {self.where()}")
        new_rate = "learning_rate" in (changed or {})
        if new_rate:
            self._state.progress = dataclasses.replace(self._state.progress, rate_factor=1.0)
        self._training.share((self._options, self._early_stopping))
        # Only now: workers that are given different flags change nothing.
        if new_rate:
            self._save()
        if changed:
            self.tell(f"changed at {self.where()}: {'; '.join(in_words(changed))}")
        return self._state.progress

    def epochs(self, check: Callable[[], None] = lambda: None) -> Iterator[EpochReport]:
        """Trains to the end of the run, and yields the report of each epoch that ends.

        `check` is called often; it raises Stopped if the run should save and stop.
        Raises Diverged, and CannotSave.
        """
        while not self.is_complete:
            try:
                yield from self._epochs(check)
            except Stopped:
                self._save()
                raise
            except Diverged as error:
                self._roll_back(error)

    def load_best(self) -> EpochReport:
        """Loads the best weights into the model; returns the report of that epoch.

        Raises ValueError if the weights are lost, or are of another epoch.
        """
        progress = self._state.progress
        if not progress.reports:
            raise ValueError("no epoch has ended yet: train one")
        if progress.best is None and self.is_complete:
            raise ValueError(
                "the best weights are lost, and the run is complete: to train new ones, give "
                f"num_epochs={progress.epoch + 1} or more"
            )
        if progress.best is None:
            raise ValueError("the best weights are lost, and no epoch has ended since: train one")
        weights = self._best_weights
        if self._folder:
            best = self._folder.load("best")
            if best.progress.epoch != progress.best_epoch:
                raise ValueError(
                    f"the best checkpoint of {self._folder.path} is of epoch "
                    f"{best.progress.epoch}, and this training's best epoch is "
                    f"{progress.best_epoch}: open the run again"
                )
            weights = best.evaluation_weights
        self._state.model.import_weights(weights)
        return progress.best

    @property
    def is_complete(self) -> bool:
        """Whether no epoch is left to be trained."""
        progress = self._state.progress
        if progress.epoch >= self._training.config.num_epochs:
            return True
        return bool(self._early_stopping) and self.epochs_since_best >= self._early_stopping

    @property
    def epochs_since_best(self) -> int:
        """Number of epochs since the one with the lowest valid perplexity."""
        progress = self._state.progress
        return progress.epoch - progress.best_epoch if progress.best_epoch else 0

    def where(self) -> str:
        """The place of the run, in words."""
        return _where(self._state.progress)

    def _epochs(self, check) -> Iterator[EpochReport]:
        for costs in self._training.advance(check, self._max_windows):
            progress = self._state.progress
            if not costs:
                self._save_epoch()
                yield progress.reports[-1]
                if self.is_complete:
                    return
            elif self._is_due(progress):
                self._save()

    def _max_windows(self, progress: Progress) -> int:
        every = self._options.windows
        return every - progress.window % every if every else 2**31

    def _is_due(self, progress: Progress) -> bool:
        """Whether to save now. Not while the loss is rising: a rollback would return there."""
        every = self._options.windows
        due = progress.window % every == 0 if every else False
        due = due or time.monotonic() - self._saved > self._options.seconds
        num_steps, vocab_size = self._training.config.num_steps, self._state.model.vocab_size
        return due and not progress.rising(num_steps, vocab_size)

    def _checkpoint(self) -> Checkpoint:
        return Checkpoint(run_id=self._folder.run_id, **vars(self._state.export()))

    def _save(self) -> None:
        if self._folder:
            self._folder.save(self._checkpoint(), self._options.keep)
            self._saved = time.monotonic()

    def _save_epoch(self) -> None:
        progress = self._state.progress
        if self._folder:
            self._folder.save_epoch(self._checkpoint(), self._options.keep)
            self._saved = time.monotonic()
        elif progress.best_epoch == progress.epoch:
            self._best_weights = self._state.export_evaluation_weights()

    def _newest(self) -> Checkpoint | None:
        """The newest intact checkpoint of this run; damaged ones are set aside."""
        if not self._folder:
            return None
        folder = self._folder.checkpoints
        found = folder.newest(self._set_aside, self._ignore)
        if found is None and not folder.is_empty:
            raise ValueError(
                f"no checkpoint in {folder.path} is intact and belongs to this run: {REMEDY}"
            )
        return found

    def _set_aside(self, path: Path, reason: ValueError) -> None:
        aside = self._folder.set_aside(path) if isinstance(reason, Damaged) else None
        if aside:
            self.tell(f"{reason}: it was renamed to {aside.name} and is not used")
        else:
            self._ignore(path, reason)

    def _ignore(self, path: Path, reason: ValueError | str) -> None:
        self._note(f"{reason}: it is left as it is and not used")

    def _restore(self, checkpoint: Checkpoint) -> None:
        """Restores the training state from a checkpoint. Raises ValueError if it does not fit."""
        self._training.restore(named_averages(checkpoint, self._state.model))

    def _recover_best(self) -> None:
        """Makes sure that the best checkpoint belongs to the best epoch of the run."""
        progress = self._state.progress
        folder = self._folder.checkpoints
        try:
            if not progress.best_epoch or folder.best().progress.epoch == progress.best_epoch:
                return
            lost = f"the best checkpoint is not of epoch {progress.best_epoch}"
        except ValueError as error:
            lost = str(error)
        at_best = progress.window == 0 and progress.epoch == progress.best_epoch
        finished = progress.epoch >= self._training.config.num_epochs
        if not at_best:
            rest = f"epoch {progress.epoch} counts" if finished else "later epochs count"
            self.tell(f"{lost}: the best weights are lost, and {rest} in their place")
            best_epoch = progress.epoch if finished and progress.window == 0 else 0
            progress = dataclasses.replace(progress, best_epoch=best_epoch)
            self._state.progress = progress
            self._save()
        if progress.best_epoch:
            self._folder.save_best(self._checkpoint())

    def _roll_back(self, error: Diverged) -> None:
        """Returns to the last good checkpoint with half the learning rate, or raises `error`."""
        halvings = self._state.progress.halvings
        stops = self._options.on_divergence == "stop" or halvings >= MAX_ROLLBACKS
        if self._folder:
            self._go_back(error, stops)
        elif stops:
            raise error
        self._training.share((self._options, self._early_stopping))
        self._save()

    def _go_back(self, error: Diverged, stops: bool) -> None:
        diverged = self._state.progress
        halvings = diverged.halvings
        try:
            checkpoint = self._newest()
        except ValueError as damaged:
            raise error.and_also(str(damaged)) from None
        if checkpoint is None:
            raise error
        back = _where(checkpoint.progress)
        if stops:
            after = f" after {MAX_ROLLBACKS} rollbacks" if halvings >= MAX_ROLLBACKS else ""
            raise error.and_also(f"stopped{after}; the last good checkpoint is {back}") from None
        self._restore(checkpoint)
        self._state.progress = self._state.progress.rolled_back(diverged)
        rate = self._training.learning_rate()
        self.tell(
            f"{error}: rollback {halvings + 1} of {MAX_ROLLBACKS}: back to {back} with "
            f"learning_rate {rate:g}"
        )

    def tell(self, line: str) -> None:
        """Passes a line to `note` and adds it to `log.txt`."""
        self._note(line)
        if self._folder:
            self._folder.log(line)


def _where(progress: Progress) -> str:
    if progress.window:
        return f"epoch {progress.epoch + 1}, after window {progress.window}"
    return f"the end of epoch {progress.epoch}" if progress.epoch else "the start"
