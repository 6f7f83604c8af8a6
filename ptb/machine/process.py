"""Other processes of this program."""

from __future__ import annotations

import sys
from pathlib import Path

PROGRAM = Path(__file__).parents[1] / "__main__.py"


def command_of(name: str, *arguments: str) -> list[str]:
    """What starts `ptb NAME` in a process of its own, from any folder."""
    return [sys.executable, str(PROGRAM), name, *arguments]
