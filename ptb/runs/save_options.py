"""When a run is saved, and what it does where training diverges."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class SaveOptions:
    """When to save, how many to keep, and what to do where training diverges.

    `every`          "300s" or "500w": seconds, or windows of an epoch; "0" only after epochs
    `keep`           how many of the newest checkpoints stay, beside the best
    `on_divergence`  "stop" or "rollback"

    None of it changes what is learned. Raises ValueError for a bad value.
    """

    every: str = "300s"
    keep: int = 2
    on_divergence: str = "stop"

    def __post_init__(self):
        if not re.fullmatch(r"0|[1-9]\d{0,8}[sw]", self.every):
            raise ValueError(
                f"checkpoint_every={self.every} is not an interval: write seconds as 300s, "
                "windows as 500w, or 0 to save only after each epoch"
            )

    @property
    def seconds(self) -> float:
        return float(self.every[:-1]) if self.every.endswith("s") else float("inf")

    @property
    def windows(self) -> int:
        """0 where they do not count."""
        return int(self.every[:-1]) if self.every.endswith("w") else 0
