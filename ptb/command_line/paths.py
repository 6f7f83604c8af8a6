"""Flags whose value is a file or folder, all checked in the same way."""

from __future__ import annotations

import os
import re
import sys

from absl import flags


def define_path(name: str, default: str | None, help_text: str, may_be_empty: bool = False) -> None:
    """Defines a flag whose value is a path, checked by `checked_path`."""
    parser, serializer = _PathParser(may_be_empty), flags.ArgumentSerializer()
    flags.DEFINE(parser, name, default, help_text, serializer=serializer)


def checked_path(text: str) -> str:
    """Expands a `~` at the start of a path.

    Raises ValueError for a name that cannot be a file or folder of this machine, or that
    TensorFlow, whose paths are UTF-8, cannot open.
    """
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text):
        raise ValueError("is a URL: give a file or folder of this machine")
    try:
        text.encode()
    except UnicodeEncodeError:
        if (encoding := sys.getfilesystemencoding()) != "utf-8":
            remedy = f"is not a name in {encoding}, the encoding of the locale: set PYTHONUTF8=1"
            raise ValueError(remedy) from None
        raise ValueError("is not UTF-8: rename the file or folder") from None
    path = os.path.expanduser(text)
    if path.startswith("~"):
        folder = text.split("/", 1)[0]
        raise ValueError(f"{folder} is not the home folder of a user here: give the full path")
    return path


class _PathParser(flags.ArgumentParser):
    syntactic_help = "a path"

    def __init__(self, may_be_empty: bool):
        super().__init__()
        self._may_be_empty = may_be_empty

    def parse(self, argument: str) -> str:
        if not argument and not self._may_be_empty:
            raise ValueError("is empty: give a path, or leave the flag out")
        return checked_path(argument)

    def flag_type(self) -> str:
        return "path"
