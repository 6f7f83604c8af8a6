"""What can become of a file of a run folder, and what train.py then makes of the run."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

from tests.faults import harness

FILES = (
    "config.json",
    "vocabulary.txt",
    "metrics.csv",
    "timing.csv",
    "learning_curve.png",
    "lock",
    "the newest checkpoint",
    "the one before",
    "checkpoints/best.safetensors",
    "all checkpoints",
)


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def bit_flipped(path: Path) -> None:
    content = bytearray(path.read_bytes() or b"\0")
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def zeroed(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def deleted(path: Path) -> None:
    path.unlink()


def a_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def a_dangling_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


DAMAGES = (truncated, bit_flipped, emptied, zeroed, deleted, a_directory, a_dangling_link)


def stop_in_the_middle(folder: Path, *flags: str) -> None:
    """Makes a run that was stopped in its third epoch, with three checkpoints."""
    harness.write_text(folder)
    script = harness.train(folder, "--keep=3", *flags)
    while not (folder / "run" / "checkpoints" / "00000036.safetensors").exists():
        assert script.process.is_alive(), script.wait().stderr
        script.process.join(0.005)
    assert harness.stop_somewhere(script, folder, random.Random(0), "terminate")
    assert script.wait().returncode == 143


def victims(run: Path, name: str) -> list[Path]:
    """The files that one of FILES stands for."""
    numbered = sorted((run / "checkpoints").glob("0*.safetensors"), reverse=True)
    return {
        "the newest checkpoint": numbered[:1],
        "the one before": numbered[1:2],
        "all checkpoints": [*numbered, run / "checkpoints" / "best.safetensors"],
    }.get(name, [run / name])


def go_on(stopped: Path, folder: Path, name: str, damage, expected: dict, other: Path) -> str:
    """Goes on with a copy of a stopped run that was damaged: "identical", or why it was refused.

    `damage` is one of DAMAGES, or None where the file of the run `other` takes the place of this
    one's. Anything else than these two outcomes is an error.
    """
    shutil.copytree(stopped, folder)
    for path in victims(folder / "run", name):
        if damage:
            damage(path)
        else:
            (path_of_other,) = victims(other / "run", name)[:1] or [path]
            shutil.copy(path_of_other, path)
    result = harness.train(folder, "--keep=3", f"--data_path={stopped / 'text'}").wait()
    if result.returncode == 0:
        assert harness.outcome(folder, result.stdout) == expected, (name, damage, result.stderr)
        return "identical"
    lines = [line for line in result.stderr.splitlines() if not line.startswith("note: ")]
    assert result.returncode == 1, result.stderr
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("train.py: error: "), result.stderr
    return "refused"
