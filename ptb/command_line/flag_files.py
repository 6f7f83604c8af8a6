"""`--flagfile`: reads flags from a file, one on each line."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from ptb.command_line.paths import checked_path
from ptb.machine.untrusted import read_text

MAX_BYTES = 1_000_000


def expand_flag_files(arguments: list[str]) -> list[str]:
    """Replaces every `--flagfile=FILE` by the lines of the file.

    Empty lines and those that begin with # or // are left out. Raises ValueError for a file that
    is not a small regular one in UTF-8, and for files that name each other in a circle.
    """
    return _expand(arguments, [], [MAX_BYTES])


def _expand(arguments: list[str], open_files: list[str], bytes_left: list[int]) -> list[str]:
    expanded = []
    rest = iter(arguments)
    for argument in rest:
        if argument == "--":
            return [*expanded, argument, *rest]
        match = re.fullmatch(r"--?flagfile(?:=(.*))?", argument, re.DOTALL)
        if not match:
            expanded.append(argument)
            continue
        name = match[1] if match[1] is not None else next(rest, "")
        try:
            lines = _lines(name, open_files, bytes_left)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ValueError(f"--flagfile={name} cannot be read ({reason})") from None
        expanded += _expand(lines, [*open_files, name], bytes_left)
    return expanded


def _lines(name: str, open_files: list[str], bytes_left: list[int]) -> list[str]:
    if name in open_files:
        raise ValueError("it names itself")
    path = checked_path(name)
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise ValueError("it is not a regular file")
    text = read_text(Path(path), bytes_left[0])
    # Files that name others again and again must not become large together either.
    bytes_left[0] -= len(text.encode()) + 1
    lines = map(str.strip, text.split("\n"))
    return [line for line in lines if line and not line.startswith(("#", "//"))]
