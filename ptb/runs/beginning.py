"""Initial weights from another run (fine-tuning) or from a file of word vectors.

Axis letters: V = vocabulary size, H = hidden size.

A word that both vocabularies have keeps its vectors and its bias; a new one starts fresh. The first
checkpoint of a run has the result, so a resume from it needs neither the other run nor the file.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from models.registry import cells_that_read
from ptb.data.corpus import Corpus
from ptb.data.vocabulary import Vocabulary
from ptb.training.config import Config
from ptb.training.model import size_of

if TYPE_CHECKING:
    from ptb.runs.trained_model import TrainedModel

# What `config.json` has of a beginning: where it was read, and a sha256 of what was read.
DIGESTS = {"init_from_sha256": "init_from", "init_vectors_sha256": "init_vectors"}
# The weights that have a row or column for each word, and along which axis.
WORD_AXES = {"embedding": 0, "softmax_w": 1, "softmax_b": 0}


class Beginning(Protocol):
    """Replaces some of the initial weights of a run. `description` goes to `config.json`."""

    description: dict[str, str]

    def check_text(self, corpus: Corpus) -> None:
        """Raises ValueError if the text has other tokens."""

    def check(self, config: Config, vocab_size: int) -> None:
        """Raises ValueError if these weights do not fit the model of `config`."""

    def apply(self, weights: dict[str, np.ndarray], config: Config, vocabulary: Vocabulary) -> str:
        """Changes the arrays in `weights` in place; returns a line that says what was done."""


@dataclass(frozen=True)
class FromRun:
    """The weights of another run."""

    trained: TrainedModel
    path: str

    @property
    def description(self) -> dict[str, str]:
        """The run, and a sha256 of its weights."""
        digest = hashlib.sha256()
        for name, weight in sorted(self.trained.weights.items()):
            digest.update(name.encode() + np.ascontiguousarray(weight, "<f4").tobytes())
        return {"init_from": str(Path(self.path).resolve()), "init_from_sha256": digest.hexdigest()}

    def check_text(self, corpus: Corpus) -> None:
        if self.trained.tokens != corpus.tokens:
            raise ValueError(
                f"init_from={self.path} has tokens={self.trained.tokens} and the text has "
                f"tokens={corpus.tokens}: use the tokens of the run"
            )

    def check(self, config: Config, vocab_size: int) -> None:
        shapes = size_of(config, vocab_size).shapes
        given = {name: _without_words(name, w.shape) for name, w in self.trained.weights.items()}
        wanted = {name: _without_words(name, shape) for name, shape in shapes.items()}
        if given != wanted:
            name = min(name for name, _ in given.items() ^ wanted.items())
            own = self.trained.config
            if name.startswith("cluster_") and own.softmax == config.softmax:
                raise ValueError(
                    f"init_from={self.path} has another number of clusters in its softmax: its "
                    f"adaptive_cutoffs={own.adaptive_cutoffs} are among "
                    f"{len(self.trained.vocabulary):,} words, and here "
                    f"adaptive_cutoffs={config.adaptive_cutoffs} among {vocab_size:,}: give as "
                    "many cutoffs below the number of words as that run has"
                )
            raise ValueError(
                f"init_from={self.path} is another model: the weight {name}, without the "
                f"words, has shape {given.get(name)} there and {wanted.get(name)} here: use the "
                f"sizes of that run (hidden_size={own.hidden_size}, "
                f"num_layers={own.num_layers}, cell={own.cell}, "
                f"tie_weights={own.tie_weights}, softmax={own.softmax})"
            )

    def apply(self, weights: dict[str, np.ndarray], config: Config, vocabulary: Vocabulary) -> str:
        shared = [word for word in vocabulary.words if word in self.trained.vocabulary]
        new, old = vocabulary.encode(shared), self.trained.vocabulary.encode(shared)
        for name, given in self.trained.weights.items():
            if name not in WORD_AXES:
                weights[name][...] = given
            elif WORD_AXES[name] == 0:
                weights[name][new] = given[old]
            else:
                weights[name][:, new] = given[:, old]
        if config.cell in cells_that_read("forget_bias"):
            # The cells add a forget bias to that of the weights: the sum stays.
            difference = self.trained.config.forget_bias - config.forget_bias
            for name in weights:
                if name.startswith("layers/") and name.endswith("/bias"):
                    np.split(weights[name], 4)[2][...] += np.float32(difference)
        fresh = len(vocabulary) - len(shared)
        return (
            f"began with the weights of {self.path} ({self.trained.name}): {len(shared):,} of "
            f"{len(vocabulary):,} words keep their vectors, {fresh:,} start fresh"
        )


@dataclass(frozen=True)
class FromVectors:
    """Given vectors as rows of the embedding: `rows` float32 `[R, H]` for R `words`."""

    words: tuple[str, ...]
    rows: np.ndarray = field(repr=False)
    path: str

    @property
    def description(self) -> dict[str, str]:
        """The file, and a sha256 of what was read from it."""
        digest = hashlib.sha256("\n".join(self.words).encode() + self.rows.tobytes())
        return {
            "init_vectors": str(Path(self.path).resolve()),
            "init_vectors_sha256": digest.hexdigest(),
        }

    def check_text(self, corpus: Corpus) -> None:
        """Accepts any text: a vector belongs to a word, however the text was read."""

    def check(self, config: Config, vocab_size: int) -> None:
        size = config.hidden_size
        if self.rows.shape[1] != size:
            raise ValueError(
                f"init_vectors={self.path} has vectors of {self.rows.shape[1]} numbers: give "
                f"hidden_size={self.rows.shape[1]}, which is {size}"
            )

    def apply(self, weights: dict[str, np.ndarray], config: Config, vocabulary: Vocabulary) -> str:
        weights["embedding"][vocabulary.encode(self.words)] = self.rows
        return (
            f"began with the vectors of {self.path} for {len(self.words):,} of "
            f"{len(vocabulary):,} words"
        )


def _without_words(name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    axis = WORD_AXES.get(name)
    return tuple(size for i, size in enumerate(shape) if i != axis)


def begin(model, beginnings, config: Config, vocabulary: Vocabulary) -> list[str]:
    """Applies each beginning to the weights of a `LanguageModel`; returns a line for each."""
    if not beginnings:
        return []
    weights = {name: np.array(weight) for name, weight in model.export_weights().items()}
    lines = [beginning.apply(weights, config, vocabulary) for beginning in beginnings]
    model.import_weights(weights)
    return lines


def refuse_another_beginning(saved: dict, now: dict, has_begun: bool) -> None:
    """Raises ValueError if a resume names other initial weights than the run started with.

    Before it `has_begun`, when no checkpoint has the initial weights yet, all must be named again.
    """
    for key, name in DIGESTS.items():
        if key in saved and saved[key] != now.get(key) and not has_begun:
            raise ValueError(
                f"the run started with {name}={saved.get(name)}, and has no checkpoint yet: give "
                f"the same {name} again, or another save_path"
            )
        if key in now and saved.get(key) != now[key]:
            raise ValueError(
                f"the run started {_with(saved.get(name))}, and now {name}={now[name]} is given: "
                f"give another save_path, or leave out {name} to resume the run"
            )


def _with(given) -> str:
    return f"with {given}" if given else "without it"
