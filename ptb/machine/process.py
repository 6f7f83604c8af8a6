"""Starts other processes of this program."""

from __future__ import annotations

import sys
from pathlib import Path

PROGRAM = Path(__file__).parents[1] / "__main__.py"

# The environment of a child whose output is read: it writes UTF-8, whatever the console has.
UTF_8 = {"PYTHONIOENCODING": "utf-8"}


def command_of(name: str, *arguments: str) -> list[str]:
    """The command line that starts `ptb NAME` from any folder."""
    return [sys.executable, str(PROGRAM), name, *arguments]
