"""A trained model: weights, and everything needed to run them on text."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from models.weights import check_weights
from ptb.data import subword
from ptb.data.documents import Borders, borders_of
from ptb.data.text import lexicon, split
from ptb.data.vocabulary import Vocabulary
from ptb.runs.run_folder import RunFolder
from ptb.training.config import Config
from ptb.training.model import build_model, check_memory, size_of
from ptb.training.report import EpochReport


@dataclass(frozen=True)
class TrainedModel:
    """A trained model: its weights, hyperparameters and vocabulary, without TensorFlow objects.

    Attributes:
      name: where the model comes from, in words.
      config: the hyperparameters.
      vocabulary: the words.
      weights: the arrays to evaluate with, named as by `LanguageModel.export_weights`.
      corpus: what `config.json` of the run says of the text, including its `source`. Empty for a
        checkpoint of the original tutorial.
      versions: package versions of the run. Empty for a checkpoint of the original tutorial.
      report: the `EpochReport` of the epoch at whose end the weights were saved. None for a
        checkpoint within an epoch, and for the original tutorial.
    """

    name: str
    config: Config
    vocabulary: Vocabulary
    weights: dict[str, np.ndarray] = field(repr=False)
    corpus: dict = field(default_factory=dict)
    versions: dict = field(default_factory=dict)
    report: EpochReport | None = None

    @property
    def source(self) -> dict:
        """Where to find the text of the run: see `Corpus.source`."""
        return self.corpus.get("source", {})

    @property
    def tokens(self) -> str:
        """What one token is: one of `ptb.data.text.TOKENS`."""
        return self.source.get("tokens", "word")

    @property
    def lowercase(self) -> bool:
        """Whether text is converted to lower case."""
        return bool(self.source.get("lowercase", False))

    @property
    def borders(self) -> Borders | None:
        """Finds the starts of documents in a text, as in training."""
        return borders_of(self.config.reset_at, self.vocabulary)

    def split(self, text: str) -> list[str]:
        """Splits a text into tokens. Raises ValueError for a text with a NUL character."""
        return split(text, self.tokens, self.lowercase, self.vocabulary)

    @property
    def perplexities(self) -> dict[str, float]:
        """The perplexities of the epoch at whose end the weights were saved; empty if unknown."""
        if self.report is None:
            return {}
        return {
            "train, while learning": self.report.train_perplexity,
            "valid, while training": self.report.valid_perplexity,
        }

    def build(self, rnn_mode: str | None = None):
        """Builds the `LanguageModel` with these weights.

        `rnn_mode` says how to unroll the time steps; None: as in training.

        Imports TensorFlow. Raises ValueError if the weights are not those of the config, or are
        more than this machine has memory for.
        """
        self.check()
        config = self.config
        if rnn_mode:
            config = dataclasses.replace(config, rnn_mode=rnn_mode, precision="float32")
        model = build_model(config, len(self.vocabulary))
        model.import_weights(self.weights)
        return model

    def check(self) -> None:
        """Raises the errors of `build` without building the model. Imports TensorFlow."""
        config, vocab_size = self.config, len(self.vocabulary)
        try:
            check_memory(config, vocab_size, batch_size=1, num_steps=1, trained=True)
            check_weights(self.weights, size_of(config, vocab_size).shapes)
        except ValueError as error:
            raise ValueError(f"the model {self.name!r} does not fit: {error}") from None


def load_run(path: str | Path, which: str = "best") -> TrainedModel:
    """Loads a trained model from a run folder.

    Args:
      path: the run folder.
      which: "best": the weights of the epoch with the lowest validation perplexity. "latest": the
        newest checkpoint, which may lie within an epoch.

    Raises ValueError if the checkpoint is missing or damaged.
    """
    folder = RunFolder(path)
    saved = folder.description()
    config, vocabulary = Config.from_dict(saved["config"]), folder.vocabulary()
    checkpoint = folder.load(which)
    tokens = saved["corpus"].get("source", {}).get("tokens", "word")
    lexicon(tokens)  # raises ValueError
    if tokens == "subword":
        subword.check(vocabulary)
    progress = checkpoint.progress
    where = f"epoch {progress.epoch}"
    if progress.window:
        where = f"epoch {progress.epoch + 1} after {progress.window} windows"
    return TrainedModel(
        name=f"{folder.path.resolve().name}, {where}",
        config=config,
        vocabulary=vocabulary,
        weights=checkpoint.evaluation_weights,
        corpus=saved["corpus"],
        versions=saved.get("versions", {}),
        report=progress.reports[-1] if progress.reports and not progress.window else None,
    )


def load_tutorial_checkpoint(prefix: str, train_vocabulary: Vocabulary) -> TrainedModel:
    """Loads a checkpoint of the original tutorial; `vocabulary` is that of its train split.

    Raises ValueError where it cannot be read, or has fewer words than that text.
    """
    # TensorFlow is needed here alone.
    from ptb.runs.tutorial_checkpoint import (  # noqa: PLC0415
        name_every_row,
        read_tutorial_checkpoint,
    )

    config, weights = read_tutorial_checkpoint(prefix)
    vocabulary = name_every_row(train_vocabulary, config.vocab_size)
    return TrainedModel(f"tutorial checkpoint {Path(prefix).name}", config, vocabulary, weights)
