"""Any two options of `train.py` go together: training, stopping, evaluating, exporting.

`option_pairs.py` has the options and the rows.
"""

import contextlib
import csv
import dataclasses
import itertools
import json
import re
import signal
from unittest.mock import patch

import numpy as np
import pytest
import tensorflow as tf

from models.registry import rnn_modes
from ptb.command_line.commands import train
from ptb.command_line.devices import cluster_from_flags
from ptb.data.text import split
from ptb.runs.trained_model import load_run
from ptb.training.config import Config
from ptb.training.stop import Stopped, StopRequest
from tests.command_line.conftest import parse  # noqa: F401  (a fixture)
from tests.faults.harness import outcome
from tests.scripts import option_pairs
from tests.scripts.in_process import run
from tests.scripts.option_pairs import OPTIONS, covering_array, refused, train_flags

ROWS = covering_array()


def first_row(**values):
    """The number of the first row that has these values."""
    return next(number for number, row in enumerate(ROWS) if row.items() >= values.items())


# Rows by what they have, for .ci/run and for the test of replicas. New options change the numbers.
SLICE = {
    "fused-dynamic_evaluation": first_row(
        rnn_mode="--rnn_mode=fused", evaluation="--dynamic_evaluation"
    ),
    "static-neural_cache": first_row(rnn_mode="--rnn_mode=static", evaluation="--neural_cache=9"),
    "keras-bfloat16": first_row(
        rnn_mode="--rnn_mode=keras", precision="--precision=mixed_bfloat16"
    ),
    # Gradients of an untied embedding are sparse.
    "adamw-untied-float16": first_row(
        optimizer="--optimizer=adamw", tie_weights="", precision="--precision=mixed_float16"
    ),
}
REST = [number for number in range(len(ROWS)) if number not in SLICE.values()]
# Relative. The precision of the layers decides how far another order of the sums leads away.
TOLERANCE = {"": 2e-4, "--precision=mixed_float16": 1e-2, "--precision=mixed_bfloat16": 5e-2}


def test_every_choice_and_switch_of_the_config_is_an_option():
    for field in dataclasses.fields(Config):
        choices = field.metadata["choices"]
        if choices:
            values = {flag.partition("=")[2] or field.default for flag in OPTIONS[field.name]}
            assert values == set(choices)
        elif field.type == "bool":
            assert OPTIONS[field.name] == ["", f"--{field.name}"]


def test_the_rows_cover_all_pairs_but_the_refused_ones():
    covered = set().union(*map(option_pairs.pairs_of, ROWS))
    assert covered == {
        frozenset(pair.items()) for pair in option_pairs.pairs() if not refused(pair)
    }


def test_train_refuses_exactly_the_refused_pairs(parse, tmp_path, monkeypatch):  # noqa: F811
    option_pairs.write_text(tmp_path)
    monkeypatch.chdir(tmp_path)

    class Checked(Exception):
        """TensorFlow is about to start."""

    def start_tensorflow():
        raise Checked

    monkeypatch.setattr(train, "start_tensorflow", start_tensorflow)

    def check(row):
        """All that `train.py` checks before it starts TensorFlow."""
        parse(*train_flags(row), "--save_path=run")
        cluster_from_flags.cache_clear()
        with contextlib.suppress(Checked), train.training_from_flags():
            pass

    for row in ROWS:
        check(row)
    for pair in filter(refused, option_pairs.pairs()):
        with pytest.raises(ValueError, match="|".join(pair)) as error:
            check(pair)
        assert "\n" not in str(error.value)
    cluster_from_flags.cache_clear()


class Run:
    """A run of `train.py` in a folder of its own."""

    def __init__(self, folder, name, row):
        self.row, self._folder, self._name = row, folder, name
        self._save_path = f"--save_path={name}/run"
        (folder / name).mkdir()

    def train(self, status=0):
        """Trains to the end of the run, or to where it stops with another status."""
        flags = (*train_flags(self.row), self._save_path)
        self.stdout = self._run("train.py", *flags, status=status)
        return self

    def outcome(self):
        """What is the same, bit for bit, however the run got there."""
        return outcome(self._folder / self._name, self.stdout)

    def figures(self):
        """The metrics of the epochs, and the nats of test."""
        with (self._folder / self._name / "run" / "metrics.csv").open() as file:
            metrics = [[float(value) for value in line.values()] for line in csv.DictReader(file)]
        (nats,) = re.findall(r"\((\S+) nats", self.stdout)
        return [*itertools.chain(*metrics), float(nats)]

    def evaluate(self, *flags):
        """The nats that `evaluate.py` gives."""
        return json.loads(self._run("evaluate.py", self._save_path, "--json", *flags))["nats"]

    def export(self):
        """The model that `ptb export` makes of it."""
        path = self._run(
            "ptb export", self._save_path, f"--export_path={self._name}/export"
        ).strip()
        return tf.saved_model.load(self._folder / path)

    def test_text(self):
        """The lines of the test split, which may be the end of a file."""
        description = json.loads((self._folder / self._name / "run" / "config.json").read_text())
        left = description["corpus"]["tokens"]["test"]
        path = self._folder / self.row["data_path"].removeprefix("--data_path=")
        lines = (path / "test.txt" if path.is_dir() else path).read_text().splitlines(keepends=True)
        kind, first = self.row["tokens"].removeprefix("--tokens="), len(lines)
        vocabulary = load_run(self._folder / self._name / "run").vocabulary
        while left:
            first -= 1
            left -= len(split(lines[first], kind, bool(self.row["lowercase"]), vocabulary))
        return "".join(lines[first:])

    def _run(self, script, *flags, status=0):
        result = run(script, *flags, folder=self._folder)
        assert result.returncode == status, (self.row, result.stderr)
        return result.stdout


@contextlib.contextmanager
def stopped_at(number):
    """The number-th time that a run looks, somebody has asked it to stop."""
    calls = itertools.count(1)

    def check(request, *arguments):
        if next(calls) == number:
            raise Stopped(signal.SIGTERM)

    with patch.object(StopRequest, "check", check):
        yield


def on_other_replicas(row):
    """The row on two replicas, or on one where it has two."""
    one = {"distribution": "", "num_devices": ""}
    two = {"distribution": "--distribution=mirrored", "num_devices": "--num_devices=2"}
    return row | (one if row["num_devices"] else two)


def in_other_modes(row):
    """The row in every other mode that can unroll its cell."""
    cell = row["cell"].removeprefix("--cell=")
    modes = [f"--rnn_mode={mode}" for mode in rnn_modes(cell)]
    own = row["rnn_mode"].replace("auto", "fused")
    if own not in modes:  # what auto is for a cell without a fused layer
        own = "--rnn_mode=static"
    return [row | {"rnn_mode": mode} for mode in modes if mode != own]


def assert_same_figures(run, whole, tolerance):
    np.testing.assert_allclose(run.figures(), whole.figures(), rtol=tolerance, err_msg=str(run.row))


@pytest.mark.slow  # tests/training/test_distribution.py has it in this process
def test_options_train_on_one_replica_as_on_two(tmp_path):
    row = ROWS[SLICE["adamw-untied-float16"]]
    option_pairs.write_text(tmp_path)
    whole = Run(tmp_path, "whole", row).train()
    other = Run(tmp_path, "other", on_other_replicas(row)).train()
    assert_same_figures(other, whole, TOLERANCE[row["precision"]])


@pytest.mark.slow
@pytest.mark.parametrize("name", [*SLICE, *map(str, REST)])
def test_options_train_stop_resume_evaluate_and_export_together(tmp_path, name):
    number = SLICE[name] if name in SLICE else int(name)
    row = ROWS[number]
    tolerance = TOLERANCE[row["precision"]]
    option_pairs.write_text(tmp_path)
    whole, parts = (Run(tmp_path, name, row) for name in ("whole", "parts"))
    whole.train()
    with stopped_at(2 + number % 6):
        parts.train(status=128 + signal.SIGTERM)
    parts.train()
    if "keras" in row["rnn_mode"] and row["forget_bias"]:  # to rounding only, says docs/training.md
        assert_same_figures(parts, whole, 1e-5)
    else:
        assert parts.outcome() == whole.outcome()
    other = Run(tmp_path, "other", on_other_replicas(row)).train()
    modes = [Run(tmp_path, each["rnn_mode"], each).train() for each in in_other_modes(row)]
    for sibling in (other, *modes):
        assert_same_figures(sibling, whole, tolerance)
    if row["evaluation"]:
        nats, *others = [
            each.evaluate(row["evaluation"], "--split=valid") for each in (whole, *modes)
        ]
        assert others == [pytest.approx(nats, rel=tolerance)] * len(others)
    nats = whole.evaluate()
    assert f"({nats:.1f} nats" in whole.stdout
    (score,) = whole.export().signatures["score"](tf.constant([whole.test_text()]))["log_prob"]
    assert -float(score) == pytest.approx(nats, rel=1e-5)
