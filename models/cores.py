"""How many cores there are to work on."""

from __future__ import annotations

import os


def available_cores() -> int:
    """The cores that this process may use: `taskset` and containers leave it fewer than all."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS or Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
