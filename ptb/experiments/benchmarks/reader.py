"""How fast and in how much memory a long text is read: the first time, and from the cache.

Each reading is a process of its own that imports only what reading needs, so that its peak memory
is that of the reading. The text is words of 2 to 9 letters with Zipf's frequencies, in lines of 5
to 35 words.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np

from ptb.machine.child import call
from ptb.machine.environment import peak_bytes

VOCAB_SIZE = 200_000
BLOCK_TOKENS = 1_000_000
COLUMNS = ("", "seconds", "tokens/s", "peak MB", "x token array")


def run(num_tokens: int) -> dict[str, dict]:
    """Measures a first and a second start on a text of `num_tokens` tokens."""
    with tempfile.TemporaryDirectory() as folder:
        text, cache = Path(folder) / "train.txt", Path(folder) / "cache"
        write_text(text, num_tokens)
        return {
            name: call(_read, str(text.parent), str(cache))
            for name in ("first start", "second start")
        }


def expected_seconds(num_tokens: int) -> float:
    """The approximate seconds that `run` takes; writing a million tokens takes a second."""
    return num_tokens / 1e6


def table(result: dict[str, dict]) -> str:
    """Formats the figures as a table with a row per start."""
    lines = ["".join(f"{column:>16}" for column in COLUMNS)]
    for name, row in result.items():
        cells = (
            f"{row['seconds']:.2f}",
            f"{row['tokens'] / row['seconds']:,.0f}",
            f"{row['peak_bytes'] / 1e6:,.0f}",
            f"{row['peak_bytes'] / row['array_bytes']:.2f}",
        )
        lines.append("".join(f"{cell:>16}" for cell in (name, *cells)))
    return "\n".join(lines)


def write_text(path: Path, num_tokens: int, seed: int = 0) -> None:
    """Writes at least `num_tokens` tokens, each line's `<eos>` counted as one."""
    rng = np.random.default_rng(seed)
    letters = rng.integers(ord("a"), ord("z") + 1, (VOCAB_SIZE, 9), np.uint8)
    letters[np.arange(9) >= rng.integers(2, 10, VOCAB_SIZE)[:, None]] = ord(" ")
    words = [bytes(row).rstrip() for row in letters]
    cumulative = np.cumsum(1 / np.arange(1, VOCAB_SIZE + 1))
    with path.open("wb") as file:
        while num_tokens > 0:
            draws = rng.random(min(num_tokens, BLOCK_TOKENS)) * cumulative[-1]
            block = [words[i] for i in np.searchsorted(cumulative, draws).tolist()]
            ends = np.cumsum(rng.integers(6, 37, len(block) // 6 + 1))
            for end in ends[ends < len(block)].tolist():
                block[end - 1] = b"\n"
            block[-1] = b"\n"
            file.write(b" ".join(block))
            num_tokens -= len(block)


def _read(data_path: str, cache_dir: str) -> dict:
    """Seconds, tokens and bytes of one reading in this process."""
    from ptb.data.corpus import load_text  # noqa: PLC0415

    before = peak_bytes()
    began = time.perf_counter()
    corpus = load_text(data_path, 10_000, ("train",), cache_dir=cache_dir)
    seconds = time.perf_counter() - began
    return {
        "seconds": seconds,
        "tokens": len(corpus.train),
        "array_bytes": corpus.train.nbytes,
        "peak_bytes": peak_bytes() - before,
    }
