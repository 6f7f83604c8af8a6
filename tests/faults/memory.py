"""How much memory a run takes from its 200th window to its end."""

from __future__ import annotations

import re
import time
from pathlib import Path

from ptb.experiments.benchmarks.workload import zipf_ids
from tests.forked import Script

VOCAB_SIZE = 10_000
FIRST_WINDOWS = 200


def write_text(folder: Path, num_tokens: int) -> None:
    """Random words with Zipf's frequencies: as much work as text of that length."""
    folder.mkdir(parents=True)
    for split, count in (("train", num_tokens), ("valid", num_tokens // 12), ("test", 1000)):
        ids = zipf_ids(VOCAB_SIZE, count)
        lines = (" ".join(f"w{i}" for i in ids[k : k + 20]) for k in range(0, count, 20))
        (folder / f"{split}.txt").write_text("".join(f"{line}\n" for line in lines))


def resident(script: Script, folder: Path) -> list[tuple[float, float]]:
    """(seconds, MiB) of resident memory, every second from FIRST_WINDOWS on."""
    second = folder / "run" / "checkpoints" / "00000002.safetensors"
    while not second.exists():
        assert script.process.is_alive(), script.wait().stderr
        time.sleep(0.1)
    began, samples = time.monotonic(), []
    while script.process.is_alive():
        status = Path(f"/proc/{script.process.pid}/status").read_text(encoding="utf-8")
        if found := re.search(r"VmRSS:\s+(\d+) kB", status):
            samples.append((time.monotonic() - began, int(found[1]) / 1024))
        script.process.join(1)
    return samples


def measure(folder: Path, num_tokens: int, num_epochs: int) -> list[tuple[float, float]]:
    """The memory of the small model over whole epochs, saved every FIRST_WINDOWS windows."""
    write_text(folder / "text", num_tokens)
    flags = (
        *("--model=small", "--data_path=text", "--save_path=run", "--keep=1000"),
        *(f"--num_epochs={num_epochs}", f"--checkpoint_every={FIRST_WINDOWS}w"),
    )
    script = Script("train.py", *flags, folder=folder)
    samples = resident(script, folder)
    result = script.wait()
    assert result.returncode == 0, result.stderr
    return samples
