"""What a figure depends on beside the code: versions, the machine, the memory of this process."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import version
from pathlib import Path

from ptb.machine.cores import available_cores
from ptb.machine.processor import CPUINFO, described, units


def versions() -> dict[str, str]:
    """Of Python, and of the packages that compute."""
    packages = ("tensorflow", "keras", "numpy")
    return {"python": platform.python_version()} | {name: version(name) for name in packages}


def versions_in_words() -> str:
    """`versions` on one line."""
    python, *packages = versions().items()
    return ", ".join([f"Python {python[1]}", *(f"{name} {number}" for name, number in packages)])


def machine(cpuinfo: Path = CPUINFO) -> dict:
    """What the figures of speed depend on. `units` are those of `ptb.machine.processor`."""
    named = described(cpuinfo).get("model name")
    return {
        "cores": available_cores(),
        "processor": named or platform.processor() or platform.machine(),
        "units": units(cpuinfo) or [],
        "system": platform.system(),
    }


def peak_bytes() -> int:
    """The most memory that this process has held so far.

    Linux says it of the process; elsewhere `getrusage` does, which also knows what was held before
    the program began. 0 on Windows, which has neither.
    """
    for line in _lines(Path("/proc/self/status")):
        if line.startswith("VmHWM:"):
            return 1024 * int(line.split()[1])
    try:
        import resource  # noqa: PLC0415
    except ModuleNotFoundError:
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _lines(path: Path) -> list[str]:
    """Of a file that Linux has; none elsewhere, or where it must not be read."""
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
