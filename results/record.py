"""Makes a record: one run of `train.py`, its perplexities, and all that is needed to do it again.

    python3 -m results.record results/ptb/fast/seed-1 --model=fast --seed=1 --data_path=DIR

All that follows the folder of the record goes to `train.py` as it is. The record has `result.json`,
and of the run `config.json`, `metrics.csv`, `timing.csv`, `learning_curve.png` and what it printed,
`train.log`. It holds neither weights nor text; give `--save_path=RUN` to keep the run.
"""

from __future__ import annotations

import csv
import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from training.checkpoint import write_atomically

ROOT = Path(__file__).parent.parent
COPIED = ("config.json", "metrics.csv", "timing.csv", "learning_curve.png")
EVALUATE_FLAGS = ("data_path", "dataset", "data_dir", "cache_dir", "checkpoint")


def record(folder: Path, flags: list[str]) -> dict:
    """Runs `train.py` with `flags`, evaluates it, and fills `folder`; what `result.json` says.

    Raises ValueError where the folder is there, or a script fails.
    """
    if folder.exists():
        raise ValueError(f"{folder} is there already: name a new folder, or remove it")
    with tempfile.TemporaryDirectory() as temporary:
        run = _value(flags, "save_path")
        if run is None:
            run = str(Path(temporary) / "run")
            flags = [*flags, f"--save_path={run}"]
        if Path(run).exists():
            raise ValueError(f"save_path {run!r} is there already: a record is of a whole run")
        began = time.perf_counter()
        log = run_script("train.py", flags)
        seconds = time.perf_counter() - began
        result = {
            "command": shlex.join(["python3", "-m", "results.record", str(folder), *flags]),
            "seconds": round(seconds, 1),
            "valid": evaluate(run, "valid", flags),
            "test": evaluate(run, "test", flags),
            "last_epoch": last_epoch(run, flags),
            "commit": _commit(),
            "machine": machine(),
        }
        folder.mkdir(parents=True)
        for name in COPIED:
            shutil.copyfile(Path(run) / name, folder / name)
    for name, text in (("train.log", log), ("result.json", json.dumps(result, indent=2) + "\n")):
        write_atomically(folder / name, lambda file, text=text: file.write(text.encode()))
    return result


def evaluate(run: str, split: str, flags: list[str]) -> dict:
    """What `evaluate.py` says of the run, text and checkpoint being those of `flags`."""
    given = [f for f in flags if f.lstrip("-").split("=")[0] in EVALUATE_FLAGS]
    answer = run_script("evaluate.py", [f"--save_path={run}", f"--split={split}", "--json", *given])
    return json.loads(answer)


def last_epoch(run: str, flags: list[str]) -> dict | None:
    """Valid and test of the last epoch, as the tutorial tests it; None where that is the best."""
    valid = column(Path(run) / "metrics.csv", "valid_perplexity")
    if valid[-1] == min(valid):
        return None
    latest = [*flags, "--checkpoint=latest"]
    return {split: evaluate(run, split, latest) for split in ("valid", "test")}


def column(table: Path, name: str) -> list[float]:
    """A column of the `metrics.csv` or `timing.csv` of a run: a value for each epoch."""
    with table.open(encoding="utf-8", newline="") as file:
        return [float(row[name]) for row in csv.DictReader(file)]


def run_script(script: str, flags: list[str]) -> str:
    """What the script printed on stdout. Raises ValueError where it failed, having said why."""
    command = [sys.executable, str(ROOT / script), *flags]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    lines = []
    for line in process.stdout:
        print(line, end="", flush=True)
        lines.append(line)
    if process.wait():
        raise ValueError(f"{script} ended with status {process.returncode}")
    return "".join(lines)


def machine() -> dict:
    """What the figures of speed depend on."""
    processor = platform.processor() or platform.machine()
    for line in _lines("/proc/cpuinfo"):
        if line.startswith("model name"):
            processor = line.split(":", 1)[1].strip()
            break
    return {"cores": os.cpu_count(), "processor": processor, "system": platform.system()}


def _value(flags: list[str], name: str) -> str | None:
    """The value of `--name=value`; None where it is not there."""
    values = [f.split("=", 1)[1] for f in flags if f.lstrip("-").startswith(f"{name}=")]
    return values[-1] if values else None


def _commit() -> str | None:
    """The commit of this tree, marked where the tree differs from it; None outside of git."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return answer.stdout.strip() or None


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def run_main(main: Callable[[list[str]], int | None]) -> None:
    """Ends the process with the status of `main`; a ValueError is one line and status 1."""
    try:
        status = main(sys.argv[1:])
    except ValueError as error:
        print(f"{Path(sys.argv[0]).stem}: error: {error}", file=sys.stderr)
        status = 1
    raise SystemExit(status)


def main(arguments: list[str]) -> None:
    if not arguments or arguments[0].startswith("-"):
        raise ValueError("name the folder of the record first, then the flags of train.py")
    result = record(Path(arguments[0]), arguments[1:])
    print(
        f"valid {result['valid']['perplexity']:.3f}, test {result['test']['perplexity']:.3f}, "
        f"{result['seconds']:.0f} s in all"
    )


if __name__ == "__main__":
    run_main(main)
