"""The checkpoints of a run: which is the newest, which are kept, which are damaged.

checkpoints/00000012.npz           the newest has the highest number
checkpoints/00000011.npz           the one before
checkpoints/best.npz               after the epoch with the lowest valid perplexity
checkpoints/damaged-00000010.npz   one that could not be read

Only files that name this run in their first bytes are removed, renamed or replaced. Whatever else
has such a name stays as it is.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable
from pathlib import Path

from ptb.runs.checkpoint import Checkpoint, is_blank, load_checkpoint, run_of, save_checkpoint

REMEDY = "train with another save_path, or delete the folder checkpoints in this one and train anew"
NUMBERED = re.compile(r"(\d{8}|[1-9]\d{8,17})\.npz")
BEST = "best.npz"


class CheckpointFolder:
    """The folder `checkpoints` of a run.

    `run` is what its checkpoints must be named after, `token` what a writer's temporary files are.
    """

    def __init__(self, path: Path, run: str, token: str | None = None):
        self.path = path
        self._run, self._token = run, token

    def numbers(self) -> list[int]:
        """The numbers of the checkpoints, the newest first; none where there is no folder."""
        try:
            names = [NUMBERED.fullmatch(path.name) for path in self.path.iterdir()]
        except FileNotFoundError:
            return []
        return sorted((int(match[1]) for match in names if match), reverse=True)

    def save(self, checkpoint: Checkpoint, keep: int) -> None:
        """Saves it as the newest, and removes all but the `keep` newest of this run."""
        numbers = self.numbers()
        newest = self._numbered(max(numbers, default=0) + 1)
        save_checkpoint(newest, checkpoint, self._token)
        own = [path for path in map(self._numbered, numbers) if run_of(path) == self._run]
        for path in own[keep - 1 :]:
            path.unlink(missing_ok=True)

    def save_best(self, checkpoint: Checkpoint) -> None:
        """Saves it in the place of the best so far. Raises OSError if that is not of this run."""
        try:
            self.check_best()
        except ValueError as error:
            raise OSError(None, str(error)) from None
        save_checkpoint(self.path / BEST, checkpoint, self._token)

    def check_best(self) -> None:
        """Raises ValueError if a file that is not this run's has the name of the best."""
        best = self.path / BEST
        if os.path.lexists(best) and not self._is_own(best):
            raise ValueError(f"{best} is no checkpoint of this run: move it away")

    def newest(
        self, refused: Callable[[Path, str], None], ignored: Callable[[Path, str], None]
    ) -> Checkpoint | None:
        """The checkpoint that is farthest on, is whole and of this run; None where there is none.

        The best one counts where the numbered ones that are left lie before it. `refused` is told
        of every damaged one on the way, and why; `ignored` of those of another run.
        """
        found = []
        for path in [*map(self._numbered, self.numbers()), self.path / BEST]:
            if (path.name != BEST and found) or not os.path.lexists(path):
                continue
            if run_of(path) not in (None, self._run):
                ignored(path, f"the checkpoint {path} is of another run")
                continue
            try:
                found.append(self._load(path))
            except ValueError as error:
                refused(path, str(error))
        return max(found, key=_how_far, default=None)

    @property
    def has_own(self) -> bool:
        """Whether a checkpoint of this run is here, be it whole or damaged."""
        return any(map(self._is_own, self.path.glob("*.npz")))

    @property
    def is_empty(self) -> bool:
        """Whether nothing here has the name of a checkpoint, be it whole or damaged, of any run."""
        return not (self.numbers() or self.has_best or any(self.path.glob("damaged-*")))

    @property
    def has_best(self) -> bool:
        """Whether there is a best checkpoint, be it whole or not."""
        return os.path.lexists(self.path / BEST)

    def best(self) -> Checkpoint:
        """The best checkpoint. Raises ValueError where it is missing, damaged, or another run's."""
        best = self._load(self.path / BEST)
        if not best.progress.reports:
            raise ValueError(f"the checkpoint {self.path / BEST} is of no epoch that has ended")
        return best

    def set_aside(self, path: Path) -> Path | None:
        """Renames a damaged checkpoint, so that it is neither used nor counted; its new name.

        None for a file that is not known to be a checkpoint of this run, which stays.
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
        """Removes what the writer with this token had not finished: it must be dead."""
        for path in self.path.glob(f".*.{self._token}"):
            name = path.name.removeprefix(".").removesuffix(f".{self._token}")
            if name == BEST or NUMBERED.fullmatch(name):
                path.unlink(missing_ok=True)

    def _is_own(self, path: Path) -> bool:
        """Whether it is a checkpoint of this run, or nothing but zeros, as a crash leaves it."""
        return run_of(path) == self._run or is_blank(path)

    def remove(self) -> None:
        """Removes the checkpoints of this run, and the folder if nothing else is in it."""
        for path in self.path.glob("*.npz"):
            if run_of(path) == self._run:
                path.unlink()
        with contextlib.suppress(OSError):
            self.path.rmdir()

    def _numbered(self, number: int) -> Path:
        return self.path / f"{number:08}.npz"

    def _load(self, path: Path) -> Checkpoint:
        checkpoint = load_checkpoint(path)
        if checkpoint.run != self._run:
            raise ValueError(f"the checkpoint {path} is of another run")
        return checkpoint


def _how_far(checkpoint: Checkpoint) -> tuple[int, int, int]:
    progress = checkpoint.progress
    return progress.rollbacks, progress.epoch, progress.window
