"""The workload of every side of the benchmark: shapes, weights, text, operations."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ptb.training.config import Config
from ptb.training.model import size_of


@dataclass(frozen=True)
class Workload:
    """A workload, equal for all sides, which read it from a folder.

    `ids` int32 `[N]`; `weights` by name, as `LanguageModel.export_weights` gives them.
    """

    config: Config
    vocab_size: int
    ids: np.ndarray
    weights: dict[str, np.ndarray]

    @classmethod
    def create(cls, config: Config, vocab_size: int, ids: np.ndarray) -> Workload:
        """Draws the weights uniformly from +-init_scale. Imports TensorFlow."""
        rng, scale = np.random.default_rng(config.seed), config.init_scale
        weights = {
            name: rng.uniform(-scale, scale, shape).astype(np.float32)
            for name, shape in size_of(config, vocab_size).shapes.items()
        }
        return cls(config, vocab_size, ids, weights)

    def save(self, folder: Path) -> None:
        values = {"config": asdict(self.config), "vocab_size": self.vocab_size}
        (folder / "workload.json").write_text(json.dumps(values), encoding="utf-8")
        np.savez(folder / "workload.npz", ids=self.ids, **self.weights)

    @classmethod
    def load(cls, folder: Path) -> Workload:
        values = json.loads((folder / "workload.json").read_text(encoding="utf-8"))
        with np.load(folder / "workload.npz", allow_pickle=False) as archive:
            weights = {name: archive[name] for name in archive.files}
        ids = weights.pop("ids")
        return cls(Config.from_dict(values["config"]), values["vocab_size"], ids, weights)

    @property
    def training_flop_per_word(self) -> float:
        return training_flop_per_word(
            self.config.hidden_size, self.config.num_layers, self.vocab_size
        )


def training_flop_per_word(hidden_size: int, num_layers: int, vocab_size: int) -> float:
    """Multiplications and additions in the matrix products of one word's training step.

    A layer multiplies `[2H]` by `[2H, 4H]`, the softmax `[H]` by `[H, V]`; two operations for each
    element; and a product forward means two backward, for its input and for its weight:

        3 * (L * 2 * 2H * 4H + 2 * H * V)
    """
    layer = 2 * (2 * hidden_size) * (4 * hidden_size)
    return 3.0 * (num_layers * layer + 2 * hidden_size * vocab_size)


def zipf_ids(vocab_size: int, num_tokens: int, seed: int = 0) -> np.ndarray:
    """A stand-in for text: ids int32 `[num_tokens]` drawn independently with Zipf's frequencies."""
    frequencies = 1 / np.arange(1, vocab_size + 1)
    cumulative = np.cumsum(frequencies / frequencies.sum())
    draws = np.random.default_rng(seed).random(num_tokens)
    return np.minimum(np.searchsorted(cumulative, draws), vocab_size - 1).astype(np.int32)
