"""The folder of a run (`--save_path`): all that evaluation needs, beside the corpus.

config.json           effective config, corpus and its fingerprint, command, versions
vocabulary.txt        a word a line, in the order of the ids
metrics.csv           a row per epoch
learning_curve.png    the same, drawn
events.*              the same, for TensorBoard
checkpoints/          latest.npz and best.npz (the lowest valid perplexity)
"""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import json
from pathlib import Path

from ptb.vocabulary import Vocabulary
from training.checkpoint import REMEDY, load_checkpoint, save_checkpoint, write_atomically
from training.report import EpochReport, best_of


class RunFolder:
    """Reads and writes one run folder. Every file is replaced at once, never half-written."""

    def __init__(self, path: str | Path):
        self.path = Path(path)

    @property
    def exists(self) -> bool:
        """Whether a run has been started here."""
        return (self.path / "config.json").exists()

    def start(self, description: dict, vocabulary_text: str) -> None:
        """Makes the folder. Raises ValueError where that cannot be done.

        `description["corpus"]` must be a dict; it is given the checksum of the vocabulary.
        """
        checksum = {"vocabulary_sha256": _sha256(vocabulary_text)}
        description = description | {"corpus": description["corpus"] | checksum}
        try:
            (self.path / "checkpoints").mkdir(parents=True, exist_ok=True)
            self._write("vocabulary.txt", vocabulary_text)
            self._write("config.json", json.dumps(description, indent=2) + "\n")
        except OSError as error:
            raise ValueError(
                f"save_path {str(self.path)!r} cannot be written ({error.strerror}): "
                "give another folder"
            ) from None

    def description(self) -> dict:
        """What `start` wrote. Raises ValueError where it is missing or damaged."""
        path = self.path / "config.json"
        try:
            description = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ValueError(
                f"save_path {str(self.path)!r} holds no run: it has no config.json"
            ) from None
        except (OSError, ValueError) as error:
            raise ValueError(
                f"{path} cannot be read ({type(error).__name__}): give another save_path"
            ) from None
        parts = description if isinstance(description, dict) else {}
        parts = [parts.get("config"), parts.get("corpus")]
        parts += [part.get("source", {}) for part in parts[1:] if isinstance(part, dict)]
        if not all(isinstance(part, dict) for part in parts):
            raise ValueError(f"{path} is not the config.json of a run: give another save_path")
        return description

    def vocabulary(self) -> Vocabulary:
        """The words of the run. Raises ValueError where the file is not what the run wrote."""
        path = self.path / "vocabulary.txt"
        try:
            text = path.read_text(encoding="utf-8")
            vocabulary = Vocabulary.from_text(text)
        except (OSError, ValueError) as error:
            raise ValueError(f"{path} cannot be read: {error}") from None
        if self.description()["corpus"].get("vocabulary_sha256") != _sha256(text):
            raise ValueError(f"{path} is not the vocabulary that this run was trained with")
        return vocabulary

    def save_epoch(self, reports: list[EpochReport], weights: dict) -> None:
        """Saves the weights after the last of `reports`, and all reports in every form."""
        last = reports[-1]
        meta = {"reports": [dataclasses.asdict(report) for report in reports]}
        if last is best_of(reports):
            save_checkpoint(self._checkpoint("best"), weights, meta)
        save_checkpoint(self._checkpoint("latest"), weights, meta)
        self._write("metrics.csv", _csv(reports))
        self._draw(reports)
        self._write_scalars(last)

    def load(self, which: str) -> tuple[dict, list[EpochReport]]:
        """The weights of the `best` or `latest` checkpoint, and the reports up to it.

        Raises ValueError where there is no such checkpoint or it is damaged.
        """
        path = self._checkpoint(which)
        weights, meta = load_checkpoint(path)
        try:
            return weights, [EpochReport(**report) for report in meta["reports"]]
        except (KeyError, TypeError):
            raise ValueError(f"the checkpoint {path} is damaged: {REMEDY}") from None

    @property
    def has_checkpoint(self) -> bool:
        return self._checkpoint("latest").exists()

    def _checkpoint(self, which: str) -> Path:
        return self.path / "checkpoints" / f"{which}.npz"

    # matplotlib and TensorFlow are loaded here and not above, so that whatever is wrong with a run
    # folder is said at once.

    def _draw(self, reports: list[EpochReport]) -> None:
        from training.curve import draw_learning_curve  # noqa: PLC0415

        path = self.path / "learning_curve.png"
        write_atomically(path, lambda file: draw_learning_curve(reports, file))

    def _write_scalars(self, report: EpochReport) -> None:
        import tensorflow as tf  # noqa: PLC0415

        writer = tf.summary.create_file_writer(str(self.path))
        with writer.as_default():
            for name, value in dataclasses.asdict(report).items():
                if name != "epoch":
                    tf.summary.scalar(name, value, step=report.epoch)
        writer.close()

    def _write(self, name: str, text: str) -> None:
        write_atomically(self.path / name, lambda file: file.write(text.encode()))


def _csv(reports: list[EpochReport]) -> str:
    text = io.StringIO()
    names = [field.name for field in dataclasses.fields(EpochReport)]
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(dataclasses.asdict(report) for report in reports)
    return text.getvalue()


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
