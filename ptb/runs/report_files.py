"""Writes the reports of epochs: CSV tables, the learning curve, and TensorBoard events.

matplotlib and TensorFlow are imported late, so that errors in a run folder are reported at once.
"""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Sequence
from pathlib import Path

from ptb.machine.atomic_file import (
    why_not_written,
    write_atomically,
    write_text_atomically,
)
from ptb.training.report import EpochReport

# These differ from run to run, so that metrics.csv, which has the others, never does.
TIMING = ("seconds", "words_per_second")


def write_reports(folder: Path, reports: Sequence[EpochReport], token: str | None) -> None:
    """Writes metrics.csv, timing.csv and learning_curve.png. Raises OSError.

    `token` is that of `write_atomically`.
    """
    names = [field.name for field in dataclasses.fields(EpochReport)]
    metrics = [name for name in names if name not in TIMING]
    write_text_atomically(folder / "metrics.csv", _csv(reports, metrics), token)
    write_text_atomically(folder / "timing.csv", _csv(reports, ["epoch", *TIMING]), token)
    if reports:
        from ptb.runs.curve import draw_learning_curve  # noqa: PLC0415

        path = folder / "learning_curve.png"
        write_atomically(path, lambda file: draw_learning_curve(list(reports), file), token)


def write_scalars(folder: Path, report: EpochReport) -> None:
    """Adds the metrics of an epoch to TensorBoard's events. Raises OSError."""
    import tensorflow as tf  # noqa: PLC0415

    try:
        writer = tf.summary.create_file_writer(str(folder))
        with writer.as_default():
            for name, value in dataclasses.asdict(report).items():
                if name != "epoch":
                    tf.summary.scalar(name, value, step=report.epoch)
        writer.close()
    except tf.errors.OpError as error:
        raise OSError(None, why_not_written(error)) from None


def _csv(reports: Sequence[EpochReport], names: Sequence[str]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(dataclasses.asdict(report) for report in reports)
    return text.getvalue()
