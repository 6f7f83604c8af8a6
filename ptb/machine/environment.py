"""The environment of a measurement: versions, the machine, the memory of this process."""

from __future__ import annotations

import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from ptb.machine.child import ROOT
from ptb.machine.cores import available_cores
from ptb.machine.processor import CPUINFO, described, units
from ptb.machine.system import lines_of


def versions() -> dict[str, str]:
    """The versions of Python and of the numerical packages."""
    packages = ("tensorflow", "keras", "numpy")
    return {"python": platform.python_version()} | {name: version(name) for name in packages}


def versions_in_words() -> str:
    """`versions` on one line."""
    python, *packages = versions().items()
    return ", ".join([f"Python {python[1]}", *(f"{name} {number}" for name, number in packages)])


def machine(cpuinfo: Path = CPUINFO) -> dict:
    """The properties of the machine that speed depends on; `units` as in `processor.units`.

    `processor` ends with the family and model where the system has them: a virtual machine often
    hides the rest of the name.
    """
    found = described(cpuinfo)
    named = found.get("model name") or platform.processor() or platform.machine()
    if "cpu family" in found and "model" in found:
        named += f" (family {found['cpu family']}, model {found['model']})"
    return {
        "cores": available_cores(),
        "processor": named,
        "units": units(cpuinfo) or [],
        "system": platform.system(),
    }


def origin(**others: str | None) -> dict:
    """What the figures of a measurement depend on. `others` are versions of more programs."""
    return {"machine": machine(), "versions": versions() | others, "commit": commit()}


def commit(root: Path = ROOT) -> str | None:
    """The commit of the tree at `root`, marked "-dirty" if files differ from it.

    None if `root` is not the top of a git tree: one that it is installed in is another project's.
    """
    try:
        if _git(root, "rev-parse", "--show-cdup") != "\n":
            return None
        return _git(root, "describe", "--always", "--dirty", "--abbrev=12").strip() or None
    except OSError:
        return None


def _git(folder: Path, *arguments: str) -> str:
    """What git prints in `folder`; nothing if it fails."""
    return subprocess.run(
        ["git", *arguments], cwd=folder, capture_output=True, encoding="utf-8", check=False
    ).stdout


def peak_bytes() -> int:
    """The peak memory of this process so far, in bytes.

    From the system on Linux; elsewhere from `getrusage`, which includes memory that was used before
    the program started. 0 on Windows, which has neither.
    """
    for line in lines_of(Path("/proc/self/status")):
        if line.startswith("VmHWM:"):
            return 1024 * int(line.split()[1])
    try:
        import resource  # noqa: PLC0415
    except ModuleNotFoundError:
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
