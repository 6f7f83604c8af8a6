"""Measuring in a process of its own: what peak memory and the time of a first call need."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context


def in_child(function: Callable, *arguments):
    """`function(*arguments)`, in a fresh Python process that has started TensorFlow."""
    with ProcessPoolExecutor(1, get_context("spawn"), initializer=_start) as pool:
        return pool.submit(function, *arguments).result()


def _start() -> None:
    from ptb.experiments.studies.study import start_quietly  # noqa: PLC0415

    start_quietly()
