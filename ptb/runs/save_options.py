"""Options: how often a run is saved, and what happens if training diverges."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ptb.machine.checked import check_fields

MAX_KEEP = 1000
ON_DIVERGENCE = ("stop", "rollback")


@dataclass(frozen=True)
class SaveOptions:
    """When to save checkpoints, how many to keep, and what to do if training diverges.

    These options do not change the trained weights. Raises ValueError for a bad value.

    Attributes:
      every: the interval between checkpoints: seconds ("300s") or windows ("500w"). "0": only after
        each epoch.
      keep: how many of the newest checkpoints to keep, besides the best.
      on_divergence: "stop", or "rollback" to an earlier checkpoint with a lower learning rate.
    """

    every: str = "300s"
    keep: int = field(default=2, metadata={"low": 1, "high": MAX_KEEP})
    on_divergence: str = field(default="stop", metadata={"choices": ON_DIVERGENCE})

    def __post_init__(self):
        check_fields(self)
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
        """The interval in windows; 0 if it is not in windows."""
        return int(self.every[:-1]) if self.every.endswith("w") else 0
