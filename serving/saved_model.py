"""A trained model as a SavedModel folder that other programs load with TensorFlow alone."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import tensorflow as tf

from models.language_model import LanguageModel, recurrent_layers
from serving import model_card
from serving.client import CARD_FILE
from serving.inference import Inference
from serving.served_model import ServedModel
from serving.tokenizer import Tokenizer
from training import strict_json
from training.trained_model import TrainedModel


@contextlib.contextmanager
def served_model(trained: TrainedModel) -> Iterator[ServedModel]:
    """The model behind its signatures, with the vocabulary in a file for as long as it is used."""
    config, vocabulary = trained.config, trained.vocabulary
    # One step at a time in a loop: how the run unrolled its windows does not matter here.
    layers = recurrent_layers(
        "static", config.cell, config.hidden_size, config.num_layers, config.forget_bias
    )
    model = LanguageModel(
        len(vocabulary),
        config.hidden_size,
        layers,
        tie_weights=config.tie_weights,
        cutoffs=config.cutoffs,
    )
    model.import_weights(trained.weights)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "vocabulary.txt"
        file.write_text(vocabulary.to_text(), encoding="utf-8")
        tokenizer = Tokenizer(vocabulary, str(file), trained.tokens, trained.lowercase)
        yield ServedModel(Inference(model), tokenizer)


def export(trained: TrainedModel, export_path: Path, perplexities: dict) -> Path:
    """Writes the SavedModel and its card to the next free integer in `export_path`, all at once.

    `perplexities` are what the card says of the model. Nothing that is there is ever replaced, and
    two exports at the same time get a number each.
    """
    with tempfile.TemporaryDirectory(dir=export_path, prefix=".new-") as parent:
        folder = Path(parent) / "export"
        folder.mkdir()
        with served_model(trained) as module:
            signatures = module.signatures()
            tf.saved_model.save(module, str(folder), signatures=signatures)
        card = model_card.describe(trained, signatures, perplexities)
        (folder / CARD_FILE).write_text(strict_json.dumps(card, indent=2) + "\n", encoding="utf-8")
        (folder / "README.md").write_text(model_card.to_markdown(card), encoding="utf-8")
        return _move_to_next_number(folder, export_path)


def versions(export_path: Path) -> list[int]:
    """The numbers that are taken in the folder, in order."""
    return sorted(int(path.name) for path in export_path.iterdir() if path.name.isdecimal())


def _move_to_next_number(folder: Path, export_path: Path) -> Path:
    """Renames `folder`. A rename never replaces a folder that has something in it."""
    while True:
        target = export_path / str(max(versions(export_path), default=0) + 1)
        try:
            return folder.rename(target)
        except OSError:
            if not target.exists():
                raise
