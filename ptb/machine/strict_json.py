"""Writes standard JSON, which every program can read: no NaN, no infinity."""

from __future__ import annotations

import json
import math


def dumps(value, indent: int | None = None) -> str:
    """The value as JSON, with null for every number that is NaN or infinite."""
    return json.dumps(_finite(value), indent=indent, allow_nan=False)


def _finite(value):
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return value
