"""The folder of a run's checkpoints: finds the newest, keeps a few, sets damaged ones aside.

checkpoints/00000012.safetensors           the newest has the highest number
checkpoints/00000011.safetensors           the one before
checkpoints/best.safetensors               after the epoch with the lowest valid perplexity
checkpoints/damaged-00000010.safetensors   one that could not be read

A run of the older format 2 has `.npz` files. They count in the same way: a new checkpoint has the
next number, and a new best one replaces the old.

Only files that name this run in their first bytes are removed, renamed or replaced. Any other file
with such a name is left alone.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable
from pathlib import Path

from ptb.runs.checkpoint import (
    SUFFIX,
    SUFFIX_2,
    Checkpoint,
    Damaged,
    is_blank,
    load_checkpoint,
    run_id_of,
    save_checkpoint,
)

REMEDY = "train with another save_path, or delete the folder checkpoints in this one and train anew"
NUMBERED = re.compile(r"(\d{8}|[1-9]\d{8,17})\.(safetensors|npz)")
BEST, BEST_2 = f"best{SUFFIX}", f"best{SUFFIX_2}"


class OfAnotherRun(ValueError):
    """A checkpoint is of another run than the folder's `config.json`."""


class CheckpointFolder:
    """The folder `checkpoints` of a run.

    Its checkpoints must be named after `run_id`, a writer's temporary files after `token`.
    """

    def __init__(self, path: Path, run_id: str, token: str | None = None):
        self.path = path
        self._run_id, self._token = run_id, token

    def numbered(self) -> list[Path]:
        """The numbered checkpoints, newest first; empty if there is no folder."""
        try:
            paths = [path for path in self.path.iterdir() if NUMBERED.fullmatch(path.name)]
        except FileNotFoundError:
            return []
        return sorted(paths, key=lambda path: (int(path.stem), path.suffix), reverse=True)

    def save(self, checkpoint: Checkpoint, keep: int) -> None:
        """Saves a checkpoint as the newest, and removes all but the `keep` newest of this run."""
        before = self.numbered()
        number = int(before[0].stem) + 1 if before else 1
        save_checkpoint(self.path / f"{number:08}{SUFFIX}", checkpoint, self._token)
        own = [path for path in before if run_id_of(path) == self._run_id]
        for path in own[keep - 1 :]:
            path.unlink(missing_ok=True)

    def save_best(self, checkpoint: Checkpoint) -> None:
        """Replaces the best checkpoint. Raises OSError if that file belongs to another run."""
        try:
            self.check_best()
        except ValueError as error:
            raise OSError(None, str(error)) from None
        save_checkpoint(self.path / BEST, checkpoint, self._token)
        if self._is_own(self.path / BEST_2):
            (self.path / BEST_2).unlink()

    def check_best(self) -> None:
        """Raises ValueError if the best checkpoint is a file of another run or program."""
        if self.has_best and not self._is_own(self._best):
            raise ValueError(f"{self._best} is not a checkpoint of this run: move it away")

    def newest(
        self, refused: Callable[[Path, ValueError], None], ignored: Callable[[Path, str], None]
    ) -> Checkpoint | None:
        """The latest intact checkpoint of this run; None if there is none.

        That is the best one if all intact numbered ones are older. `refused` is called with every
        checkpoint on the way that cannot be loaded and the error, `ignored` with those of other
        runs and the reason.
        """
        found = []
        listed = self.numbered()
        for path in [*listed, self._best]:
            if path != self._best and found:
                continue
            if run_id_of(path) not in (None, self._run_id):
                ignored(path, f"the checkpoint {path} belongs to another run")
                continue
            try:
                found.append(self._load(path))
            except ValueError as error:
                if os.path.lexists(path):
                    refused(path, error)
                elif path in listed:  # the run that is training has saved a newer one
                    return self.newest(refused, ignored)
        return max(found, key=_how_far, default=None)

    @property
    def has_own(self) -> bool:
        """Whether there is a checkpoint of this run, intact or damaged."""
        return any(map(self._is_own, self._files()))

    @property
    def is_empty(self) -> bool:
        """Whether no file has the name of a checkpoint, of any run, intact or damaged."""
        return not (self.numbered() or self.has_best or any(self.path.glob("damaged-*")))

    @property
    def has_best(self) -> bool:
        """Whether there is a best checkpoint, intact or damaged."""
        return os.path.lexists(self._best)

    def best(self) -> Checkpoint:
        """Loads the best checkpoint. Raises ValueError if missing, damaged or of another run."""
        best = self._load(self._best)
        if not best.progress.reports:
            raise Damaged(f"the checkpoint {self._best} does not belong to an epoch that has ended")
        return best

    def set_aside(self, path: Path) -> Path | None:
        """Renames a damaged checkpoint, so that it is no longer used; returns the new name.

        Returns None, and changes nothing, if the file may not be a checkpoint of this run.
        """
        if not self._is_own(path):
            return None
        aside = path.with_name(f"damaged-{path.name}")
        count = 1
        while os.path.lexists(aside):
            count += 1
            aside = path.with_name(f"damaged-{count}-{path.name}")
        path.rename(aside)
        return aside

    def remove_temporary(self) -> None:
        """Removes unfinished files of the writer with this token, which must be dead."""
        for path in self.path.glob(f".*.{self._token}"):
            name = path.name.removeprefix(".").removesuffix(f".{self._token}")
            if is_best(Path(name)) or NUMBERED.fullmatch(name):
                path.unlink(missing_ok=True)

    def _is_own(self, path: Path) -> bool:
        """Whether a file is a checkpoint of this run, or all zeros, as after a crash."""
        return run_id_of(path) == self._run_id or is_blank(path)

    def remove(self) -> None:
        """Removes the checkpoints of this run, and the folder if nothing else is in it."""
        for path in self._files():
            if run_id_of(path) == self._run_id:
                path.unlink()
        with contextlib.suppress(OSError):
            self.path.rmdir()

    @property
    def _best(self) -> Path:
        """The path of the best checkpoint; of format 2 only if there is none of today's format."""
        best, best_2 = self.path / BEST, self.path / BEST_2
        return best_2 if os.path.lexists(best_2) and not os.path.lexists(best) else best

    def _files(self) -> list[Path]:
        """All files with the suffix of a checkpoint."""
        return [path for suffix in (SUFFIX, SUFFIX_2) for path in self.path.glob(f"*{suffix}")]

    def _load(self, path: Path) -> Checkpoint:
        checkpoint = load_checkpoint(path)
        if checkpoint.run_id != self._run_id:
            raise OfAnotherRun(f"the checkpoint {path} belongs to another run than config.json")
        return checkpoint


def is_best(path: Path) -> bool:
    """Whether the best checkpoint of a run has this name."""
    return path.name in (BEST, BEST_2)


def _how_far(checkpoint: Checkpoint) -> tuple[int, int, int]:
    progress = checkpoint.progress
    return progress.rollbacks, progress.epoch, progress.window
