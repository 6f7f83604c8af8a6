"""Exports a trained model as a SavedModel, which programs load with TensorFlow alone."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import tensorflow as tf

from ptb.machine import strict_json
from ptb.machine.atomic_file import why_not_written
from ptb.runs.trained_model import TrainedModel
from ptb.serving import model_card
from ptb.serving.client import CARD_FILE, versions
from ptb.serving.export_folder import EXPORT, UNFINISHED, VOCABULARY
from ptb.serving.inference import Inference
from ptb.serving.served_model import ServedModel
from ptb.serving.tokenizer import Tokenizer


@contextlib.contextmanager
def served_model(trained: TrainedModel, temporary: str | None = None) -> Iterator[ServedModel]:
    """A context with the served model; its vocabulary file exists as long as the context.

    The file is in the folder `temporary`, or in that of the system. Raises OSError where it cannot
    be written.
    """
    vocabulary = trained.vocabulary
    # One step at a time in a loop: how the run unrolled its windows does not matter here.
    model = trained.build(rnn_mode="static")
    with tempfile.TemporaryDirectory(dir=temporary, prefix=VOCABULARY) as folder:
        file = Path(folder) / "vocabulary.txt"
        try:
            file.write_text(vocabulary.to_text(), encoding="utf-8")
        except OSError as error:
            error.filename = str(file.parent.parent)  # the disk, which is what matters
            raise
        tokenizer = Tokenizer(vocabulary, str(file), trained.tokens, trained.lowercase)
        yield ServedModel(Inference(model, trained.borders), tokenizer)


def export(trained: TrainedModel, export_path: Path, perplexities: dict) -> Path:
    """Writes the SavedModel and its card to the next free number in `export_path`, atomically.

    `perplexities` are what the card says of the model. Nothing that is there is ever replaced, and
    two exports at the same time get a number each. Raises ValueError where it cannot be written.
    """
    with _writing(export_path):
        return _export(trained, export_path, perplexities)


@contextlib.contextmanager
def _writing(export_path: Path) -> Iterator[None]:
    """Turns errors of Python and TensorFlow for an unwritable file into ValueError."""
    try:
        yield
    except (OSError, tf.errors.OpError) as error:
        if not isinstance(error, OSError) and str(export_path) not in error.message:
            raise
        raise ValueError(
            f"export_path {str(export_path)!r} cannot be written ({why_not_written(error)}): give "
            "another folder, or make room"
        ) from None


def _export(trained: TrainedModel, export_path: Path, perplexities: dict) -> Path:
    with tempfile.TemporaryDirectory(dir=export_path, prefix=UNFINISHED) as parent:
        folder = Path(parent) / EXPORT
        folder.mkdir()
        # The vocabulary goes where the export goes, so that no other disk is needed.
        with served_model(trained, parent) as module:
            signatures = module.signatures()
            tf.saved_model.save(module, str(folder), signatures=signatures)
        card = model_card.describe(trained, signatures, perplexities)
        strict_json.write(folder / CARD_FILE, card)
        (folder / "README.md").write_text(model_card.to_markdown(card), encoding="utf-8")
        return _move_to_next_number(folder, export_path)


def _move_to_next_number(folder: Path, export_path: Path) -> Path:
    """Renames `folder`. A rename never replaces a folder that has something in it."""
    while True:
        target = export_path / str(max(versions(export_path), default=0) + 1)
        try:
            return folder.rename(target)
        except OSError:
            if not target.exists():
                raise
