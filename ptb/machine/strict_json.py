"""Writes standard JSON, which every program can read: no NaN, no infinity, no digits too many."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path

from ptb.machine.atomic_file import write_text_atomically


def dumps(value, indent: int | None = None) -> str:
    """The value as JSON, with null for every number that is NaN or infinite."""
    return json.dumps(_finite(value), indent=indent, allow_nan=False)


def write(path: Path, value) -> None:
    """Writes the value to `path` as indented JSON, atomically."""
    write_text_atomically(path, dumps(value, indent=2) + "\n")


def _finite(value):
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return value


def rounded(values: Iterable[float]) -> list[float]:
    """Rounds to six significant digits, the precision of float32."""
    return [float(f"{value:.6g}") for value in values]
