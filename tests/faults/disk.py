"""A disk that fills up while a run is saved."""

from __future__ import annotations

import resource
import signal
import subprocess
from pathlib import Path

from tests.faults import damage, harness
from tests.forked import Script

SMALL = 6000


def limit_files() -> None:
    """No file may become larger than SMALL bytes: writing on fails with an error, in any write."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (SMALL, resource.RLIM_INFINITY))


def mount(folder: Path, size: str) -> bool:
    """Mounts a disk of that size in memory, or changes the size of the one that is mounted."""
    folder.mkdir(exist_ok=True)
    options = f"size={size}" + (",remount" if folder.is_mount() else "")
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def unmount(folder: Path) -> None:
    """Takes the disk away."""
    subprocess.run(["umount", str(folder)], check=True)


def fails_in_one_line(result) -> bool:
    """Whether a run ended as it should where it cannot be saved."""
    lines = [line for line in result.stderr.splitlines() if not line.startswith("note: ")]
    assert result.returncode == 1, result.stderr
    assert len(lines) == 1, result.stderr
    assert "is whole" in lines[0], result.stderr
    return True


def survive_limit(folder: Path) -> bool:
    """Whether a run that could not be saved for a while ends as one that always could."""
    expected = harness.undisturbed(folder / "alone")
    damage.stop_in_the_middle(folder / "limited")
    flags = (*harness.FLAGS, "--keep=3")
    result = Script("train.py", *flags, folder=folder / "limited", prepare=[limit_files]).wait()
    assert fails_in_one_line(result)
    assert "File too large" in result.stderr
    result = harness.train(folder / "limited").wait()
    assert "damaged" not in result.stderr
    return harness.outcome(folder / "limited", result.stdout) == expected


def survive_full_disk(folder: Path) -> list[str] | None:
    """The same on a disk of a few hundred KB, made larger each time that it is full.

    What was said each time; None where this machine lets nobody mount a disk.
    """
    flags = ("--hidden_size=32", "--keep=1000")
    expected = harness.undisturbed(folder / "alone", *flags)
    disk = folder / "disk"
    if not mount(disk, "400k"):
        return None
    said = []
    try:
        harness.write_text(disk)
        for size in (800, 1600, 6400):
            result = harness.train(disk, *flags).wait()
            assert fails_in_one_line(result)
            said.append(result.stderr.splitlines()[-1])
            assert not harness.half_written(disk)
            assert mount(disk, f"{size}k")
        result = harness.train(disk, *flags).wait()
        assert result.returncode == 0, result.stderr
        assert "damaged" not in result.stderr
        assert harness.outcome(disk, result.stdout) == expected
    finally:
        unmount(disk)
    return said
