"""Runs that are killed, and what is left of them compared with a run that was let alone."""

from __future__ import annotations

import os
import random
import re
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from ptb.runs.run_folder import RunFolder
from tests.forked import Script

WINDOWS = 30
FLAGS = (
    "--model=test",
    "--hidden_size=8",
    "--num_layers=2",
    "--num_steps=4",
    "--keep_prob=0.8",
    "--num_epochs=4",
    "--checkpoint_every=2w",
    "--data_path=text",
    "--save_path=run",
)

KINDS_OF_RUN = [
    *(
        (f"--rnn_mode={rnn_mode}", f"--sampling={sampling}")
        for rnn_mode in ("static", "keras", "fused")
        for sampling in ("sequential", "random")
    ),
    ("--rnn_mode=fused", "--optimizer=adamw", "--learning_rate=0.003", "--schedule=linear"),
]


def write_text(folder: Path) -> None:
    """A text whose train split has WINDOWS windows of 20 rows and 4 steps."""
    (folder / "text").mkdir(parents=True)
    for split, lines in (("train", 500), ("valid", 20), ("test", 20)):
        words = random.Random(split).choices("abcdefgh", k=4 * lines)
        text = "".join(" ".join(words[i : i + 4]) + "\n" for i in range(0, len(words), 4))
        (folder / "text" / f"{split}.txt").write_text(text)


def slow_disk() -> None:
    """Every sync takes a while, so that a kill can find a checkpoint half-way to its name."""
    sync = os.fsync

    def fsync(descriptor):
        time.sleep(0.02)
        sync(descriptor)

    os.fsync = fsync


def train(folder: Path, *flags: str) -> Script:
    """Starts or resumes the run in `folder`."""
    return Script("train.py", *FLAGS, *flags, folder=folder, prepare=[slow_disk])


def stop_somewhere(script: Script, folder: Path, rng: random.Random, kind: str) -> bool:
    """Sends a signal at a random moment; whether it arrived before the run had ended.

    `kind` is "kill", "kill while saving", "interrupt" or "terminate".
    """
    number = {"interrupt": signal.SIGINT, "terminate": signal.SIGTERM}.get(kind, signal.SIGKILL)
    checkpoints = folder / "run" / "checkpoints"
    target = _newest(checkpoints) + (1 if number != signal.SIGKILL else rng.randrange(3))
    while script.process.is_alive():
        if _newest(checkpoints) >= target and (kind != "kill while saving" or _saving(checkpoints)):
            break
        time.sleep(0.001)
    if kind != "kill while saving":
        time.sleep(rng.uniform(0.0, 0.2))
    alive = script.process.is_alive()
    if alive:
        os.kill(script.process.pid, number)
    return alive


def outcome(folder: Path, stdout: str) -> dict:
    """All that must be the same, bit for bit, however the run got there."""
    run = RunFolder(folder / "run")
    found = {
        which: {name: weight.tobytes() for name, weight in run.load(which).weights.items()}
        for which in ("latest", "best")
    }
    for name in ("metrics.csv", "learning_curve.png", "vocabulary.txt"):
        found[name] = (run.path / name).read_bytes()
    found["test perplexity"] = re.search(r"test perplexity .*", stdout)[0]
    return found


def half_written(folder: Path) -> list[Path]:
    """Temporary files that a dead process left."""
    return [path for path in (folder / "run").rglob(".*") if path.is_file()]


def undisturbed(folder: Path, *flags: str) -> dict:
    """The outcome of a run that is let alone."""
    write_text(folder)
    result = train(folder, *flags).wait()
    assert result.returncode == 0, result.stderr
    return outcome(folder, result.stdout)


@dataclass
class Kills:
    """How often a run was killed, how often in the middle of a save, and how it ended."""

    sent: int = 0
    while_saving: int = 0
    half_written: int = 0
    identical: bool = False


def survive(folder: Path, flags: tuple[str, ...], num_kills: int) -> Kills:
    """Kills a run again and again, resumes it, and compares it with an undisturbed one."""
    expected = undisturbed(folder / "alone", *flags)
    write_text(folder)
    rng, kills = random.Random(" ".join(flags)), Kills()
    for kind in rng.choices(["kill", "kill while saving"], k=num_kills):
        script = train(folder, *flags)
        sent = stop_somewhere(script, folder, rng, kind)
        script.wait()
        kills.sent += sent
        kills.while_saving += sent and kind == "kill while saving"
        kills.half_written += bool(half_written(folder))
    result = train(folder, *flags).wait()
    assert result.returncode == 0, result.stderr
    kills.identical = not half_written(folder) and outcome(folder, result.stdout) == expected
    return kills


def _newest(checkpoints: Path) -> int:
    return max((int(path.stem) for path in checkpoints.glob("0*.safetensors")), default=0)


def _saving(checkpoints: Path) -> bool:
    return any(checkpoints.glob(".*"))
