"""What a figure depends on beside the code: the versions of what computes, and this process."""

from __future__ import annotations

import platform
import resource
import sys
from importlib.metadata import version
from pathlib import Path


def versions() -> dict[str, str]:
    """Of Python, and of the packages that compute."""
    packages = ("tensorflow", "keras", "numpy")
    return {"python": platform.python_version()} | {name: version(name) for name in packages}


def versions_in_words() -> str:
    """`versions` on one line."""
    python, *packages = versions().items()
    return ", ".join([f"Python {python[1]}", *(f"{name} {number}" for name, number in packages)])


def peak_bytes() -> int:
    """The most memory that this process has held so far.

    Linux says it of the process; elsewhere `getrusage` does, which also knows what was held before
    the program began.
    """
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="ascii").splitlines() if status.exists() else []
    for line in lines:
        if line.startswith("VmHWM:"):
            return 1024 * int(line.split()[1])
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
