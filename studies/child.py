"""Measuring in a process of its own: what peak memory and the time of a first call need."""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path


def in_child(function: Callable, *arguments):
    """`function(*arguments)`, in a fresh Python process that has started TensorFlow."""
    with ProcessPoolExecutor(1, get_context("spawn"), initializer=_start) as pool:
        return pool.submit(function, *arguments).result()


def peak_bytes() -> int:
    """The most memory that this process has held so far.

    Linux says it of the process; elsewhere `getrusage` does, which also knows what was held before
    the program began.
    """
    status = Path("/proc/self/status")
    if status.exists():
        lines = status.read_text(encoding="ascii").splitlines()
        return 1024 * int(next(line for line in lines if line.startswith("VmHWM:")).split()[1])
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _start() -> None:
    from studies.study import start_quietly  # noqa: PLC0415

    start_quietly()
