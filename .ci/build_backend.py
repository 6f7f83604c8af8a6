"""Builds with setuptools, and removes the `build` and `*.egg-info` that it leaves in the tree."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from setuptools import build_meta
from setuptools.build_meta import (
    build_sdist,
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    get_requires_for_build_wheel,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]


def _made() -> set[Path]:
    return {Path("build"), *Path().glob("*.egg-info")}


@contextlib.contextmanager
def _clean_tree() -> Iterator[None]:
    """Removes what a build leaves, once it is done: pip asks for the metadata before it."""
    try:
        yield
    finally:
        for path in _made():
            shutil.rmtree(path, ignore_errors=True)


def build_wheel(*arguments, **options):
    """The hook of PEP 517."""
    with _clean_tree():
        return build_meta.build_wheel(*arguments, **options)


def build_editable(*arguments, **options):
    """The hook of PEP 660."""
    with _clean_tree():
        return build_meta.build_editable(*arguments, **options)
