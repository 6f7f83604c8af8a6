"""The memory that this process may use, and errors that mean too little memory."""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path

from ptb.machine.system import lines_of, machine_bytes

# Address space that Python with TensorFlow takes before it has computed anything: 1.8 GiB with
# TensorFlow 2.21 on two cores.
TENSORFLOW_BYTES = 2 << 30


def memory_bytes() -> int:
    """Bytes that this process may use: the least of machine, control group and `ulimit -v`."""
    return _least()[0]


def there_is() -> str:
    """What limits `memory_bytes`, and to how much, in words."""
    return _least()[1]


def _least() -> tuple[int, str]:
    """`memory_bytes` and `there_is`."""
    limits = [
        (limit, f"its control group allows {gib(limit)} of memory") for limit in group_limits()
    ]
    limits.append((machine_bytes(), f"this machine has {gib(machine_bytes())} of memory"))
    if (limit := address_space_limit()) is not None:
        # Under a limit that is too low for TensorFlow, this process will not import it.
        taken = min(limit, max(_mapped(), TENSORFLOW_BYTES if limit >= TENSORFLOW_BYTES else 0))
        words = f"{gib(limit)} of memory, of which this program takes {gib(taken)}"
        limits.append((limit - taken, f"`ulimit -v` allows {words}"))
    return min(limits)


def gib(num_bytes: float) -> str:
    """Bytes in words, such as `3.1 GiB` or `5 MiB`."""
    if num_bytes < 2**30:
        return f"{math.ceil(num_bytes / 2**20)} MiB"
    return f"{num_bytes / 2**30:.{0 if num_bytes >= 10 * 2**30 else 1}f} GiB"


def check_room_for_tensorflow() -> None:
    """Raises ValueError if the limit on address space is too low to import TensorFlow.

    The import would end the process without an error of Python, or with a misleading one.
    """
    limit = address_space_limit()
    if limit is not None and limit < TENSORFLOW_BYTES and "tensorflow" not in sys.modules:
        raise ValueError(
            f"TensorFlow needs about {gib(TENSORFLOW_BYTES)} of address space, and `ulimit -v` "
            f"allows {gib(limit)}: raise it"
        )


def address_space_limit() -> int | None:
    """The limit of `ulimit -v` in bytes; None without a limit."""
    try:
        import resource  # noqa: PLC0415  (not on Windows)
    except ImportError:
        return None
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return None if limit == resource.RLIM_INFINITY else limit


def ran_out(error: BaseException) -> bool:
    """Whether an error means that there was too little memory."""
    if isinstance(error, ImportError):  # of a library that could not be mapped
        return any(said in str(error).lower() for said in ("cannot allocate", "failed to map"))
    # TensorFlow's own error, by its name: this does not import TensorFlow.
    return isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError"


def _mapped() -> int:
    """The address space of this process in bytes; 0 if the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0])
    except (OSError, ValueError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def group_limits(
    groups: Path = Path("/proc/self/cgroup"), root: Path = Path("/sys/fs/cgroup")
) -> list[int]:
    """The memory limits of this process's control groups, of version 1 or 2, in bytes."""
    limits = []
    for line in lines_of(groups):
        _, controllers, group = line.split(":", 2)
        top, name = root, "memory.max"
        if controllers:
            top, name = root / "memory", "memory.limit_in_bytes"
        if controllers and "memory" not in controllers.split(","):
            continue
        # A group has at most what those around it have. A container may see only its own, as root.
        path = top / group.lstrip("/")
        for folder in (path, *path.parents):
            if not folder.is_relative_to(top):
                break
            try:
                limits.append(int((folder / name).read_text(encoding="utf-8")))
            except (OSError, ValueError):  # not there, or "max"
                continue
    return limits
