"""Does a recorded result again, from its own record, and says whether it holds.

    python3 -m results.verify results/ptb/fast/seed-1 --data_path=DIR                  trains anew
    python3 -m results.verify results/ptb/fast/seed-1 --data_path=DIR --save_path=RUN  evaluates RUN

The text must have the fingerprint that the record names. An evaluation must give the recorded
perplexities to 1e-5; a new training, on the same versions and kind of machine, gives the same bits,
and elsewhere must come to the recorded test perplexity within 2%.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from results.record import evaluate, run_main, run_script

EVALUATED, TRAINED = 1e-5, 0.02


def verify(folder: Path, text: list[str], run: str | None) -> bool:
    """Whether the record holds; prints each figure beside the recorded one.

    Raises ValueError where there is no such record, the text is another, or a script fails.
    """
    recorded, description = (_read(folder / name) for name in ("result.json", "config.json"))
    fingerprint = description["corpus"]["fingerprint"]
    if run is not None:
        return _compare(recorded, fingerprint, run, text, EVALUATED)
    with tempfile.TemporaryDirectory() as temporary:
        run = str(Path(temporary) / "run")
        config = [f"--{name}={value}" for name, value in description["config"].items()]
        run_script("train.py", [*config, f"--save_path={run}", *text])
        return _compare(recorded, fingerprint, run, text, TRAINED)


def _compare(recorded: dict, fingerprint: str, run: str, text: list[str], tolerance: float) -> bool:
    own = _read(Path(run) / "config.json")["corpus"]["fingerprint"]
    if own != fingerprint:
        raise ValueError(f"the run's text has the fingerprint {own}, the record's {fingerprint}")
    figures = [(split, text, recorded[split]) for split in ("valid", "test")]
    for split, figure in (recorded.get("last_epoch") or {}).items():
        figures.append((split, [*text, "--checkpoint=latest"], figure))
    holds = True
    for split, flags, figure in figures:
        answer, then = evaluate(run, split, flags), figure["perplexity"]
        now = answer["perplexity"]
        near = abs(now / then - 1) <= tolerance
        holds = holds and near
        verdict = "the same" if now == then else "holds" if near else "DIFFERS"
        print(
            f"{split} perplexity of {answer['weights']} {now:.4f}, recorded {then:.4f}: {verdict}"
        )
    return holds


def _read(path: Path) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read ({type(error).__name__})") from None


def main(arguments: list[str]) -> int:
    if not arguments or arguments[0].startswith("-"):
        raise ValueError("name the folder of the record first, then where the text is")
    runs = [a.split("=", 1)[1] for a in arguments if a.startswith("--save_path=")]
    text = [a for a in arguments[1:] if not a.startswith("--save_path=")]
    holds = verify(Path(arguments[0]), text, runs[-1] if runs else None)
    print("the record holds" if holds else "the record does not hold")
    return 0 if holds else 1


if __name__ == "__main__":
    run_main(main)
