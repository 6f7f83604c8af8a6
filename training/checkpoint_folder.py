"""The checkpoints of a run: which is the newest, which are kept, which are damaged.

checkpoints/00000012.npz           the newest has the highest number
checkpoints/00000011.npz           the one before
checkpoints/best.npz               after the epoch with the lowest valid perplexity
checkpoints/damaged-00000010.npz   one that could not be read
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

from training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint

REMEDY = "train with another save_path, or delete the folder checkpoints in this one and train anew"
NUMBERED = re.compile(r"(\d{8})\.npz")
BEST = "best.npz"


class CheckpointFolder:
    """The folder `checkpoints` of a run. `run` is what its checkpoints must be named after."""

    def __init__(self, path: Path, run: str):
        self.path = path
        self._run = run

    def numbers(self) -> list[int]:
        """The numbers of the checkpoints, the newest first; none where there is no folder."""
        try:
            names = [NUMBERED.fullmatch(path.name) for path in self.path.iterdir()]
        except FileNotFoundError:
            return []
        return sorted((int(match[1]) for match in names if match), reverse=True)

    def save(self, checkpoint: Checkpoint, keep: int) -> None:
        """Saves it as the newest, and removes all but the `keep` newest."""
        numbers = self.numbers()
        save_checkpoint(self._numbered(max(numbers, default=0) + 1), checkpoint)
        for number in numbers[keep - 1 :]:
            self._numbered(number).unlink(missing_ok=True)

    def save_best(self, checkpoint: Checkpoint) -> None:
        """Saves it in the place of the best so far."""
        save_checkpoint(self.path / BEST, checkpoint)

    def newest(self, refused: Callable[[Path, str], None]) -> Checkpoint | None:
        """The checkpoint that is farthest on, is whole and of this run; None where there is none.

        The best one counts where the numbered ones that are left lie before it. `refused` is told
        of every damaged one on the way, and why.
        """
        found = []
        for path in [*map(self._numbered, self.numbers()), self.path / BEST]:
            if (path.name != BEST and found) or not os.path.lexists(path):
                continue
            try:
                found.append(self._load(path))
            except ValueError as error:
                refused(path, str(error))
        return max(found, key=_how_far, default=None)

    @property
    def has_best(self) -> bool:
        """Whether there is a best checkpoint, be it whole or not."""
        return os.path.lexists(self.path / BEST)

    @property
    def num_damaged(self) -> int:
        """How many were set aside."""
        return len(list(self.path.glob("damaged-*")))

    def best(self) -> Checkpoint:
        """The best checkpoint. Raises ValueError where it is missing, damaged, or another run's."""
        best = self._load(self.path / BEST)
        if not best.progress.reports:
            raise ValueError(f"the checkpoint {self.path / BEST} is of no epoch that has ended")
        return best

    def set_aside(self, path: Path) -> Path:
        """Renames what is no checkpoint, so that it is neither used nor counted; its new name."""
        aside = path.with_name(f"damaged-{path.name}")
        count = 1
        while aside.exists():
            count += 1
            aside = path.with_name(f"damaged-{count}-{path.name}")
        path.rename(aside)
        return aside

    def remove_temporary(self) -> None:
        """Removes what processes left that died while they wrote. Only for the folder's writer."""
        for folder in (self.path, self.path.parent):
            for path in folder.glob(".*"):
                if re.fullmatch(r"\..+\.\d+", path.name) and not path.is_dir():
                    path.unlink(missing_ok=True)

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
