"""Any two options of `train.py` go together: training, stopping, evaluating, exporting.

`option_pairs.py` has the options and the rows.
"""

import csv
import itertools
import json
import re
import signal

import numpy as np
import pytest
import tensorflow as tf

import train
from command_line.config_flags import config_from_flags
from command_line.devices import cluster_from_flags
from tests.command_line.conftest import parse  # noqa: F401  (a fixture)
from tests.faults.harness import outcome
from tests.forked import Script
from tests.scripts import option_pairs
from tests.scripts.option_pairs import covering_array, refused, train_flags

ROWS = covering_array()
# Relative. The precision of the layers decides how far another order of the sums leads away.
TOLERANCE = {"": 2e-4, "--precision=mixed_float16": 1e-2, "--precision=mixed_bfloat16": 5e-2}


def test_the_rows_cover_all_pairs_but_the_refused_ones():
    covered = set().union(*map(option_pairs.pairs_of, ROWS))
    assert covered == {
        frozenset(pair.items()) for pair in option_pairs.pairs() if not refused(pair)
    }


def test_train_refuses_exactly_the_refused_pairs(parse, tmp_path, monkeypatch):  # noqa: F811
    option_pairs.write_text(tmp_path)
    monkeypatch.chdir(tmp_path)

    def check(row):
        """All that `train.py` checks before it starts TensorFlow."""
        parse(*train_flags(row), "--save_path=run")
        cluster_from_flags.cache_clear()
        cluster_from_flags()
        train._save_options()
        train._load_and_check(config_from_flags())

    for row in ROWS:
        check(row)
    for pair in filter(refused, option_pairs.pairs()):
        with pytest.raises(ValueError, match="|".join(pair)) as error:
            check(pair)
        assert "\n" not in str(error.value)
    cluster_from_flags.cache_clear()


class Run:
    """A run of `train.py` in a folder of its own, which has begun."""

    def __init__(self, folder, name, row, prepare=()):
        self.row, self._text, self._name = row, folder, name
        (folder / name).mkdir(exist_ok=True)
        flags = (*train_flags(row), f"--save_path={name}/run")
        self._script = Script("train.py", *flags, folder=folder, prepare=prepare)

    def wait(self, status=0):
        result = self._script.wait()
        assert result.returncode == status, (self.row, result.stderr)
        assert "Traceback" not in result.stderr
        self.stdout = result.stdout
        return self

    def outcome(self):
        """What is the same, bit for bit, however the run got there."""
        return outcome(self._text / self._name, self.stdout)

    def figures(self):
        """The metrics of the epochs, and the nats of test."""
        with (self._text / self._name / "run" / "metrics.csv").open() as file:
            metrics = [[float(value) for value in line.values()] for line in csv.DictReader(file)]
        (nats,) = re.findall(r"\((\S+) nats", self.stdout)
        return [*itertools.chain(*metrics), float(nats.replace(",", ""))]

    def evaluate(self, *flags):
        """Starts `evaluate.py`, whose result the function that it returns waits for."""
        script = Script(
            *("evaluate.py", f"--save_path={self._name}/run", "--json", *flags), folder=self._text
        )

        def nats():
            result = script.wait()
            assert result.returncode == 0, (self.row, result.stderr)
            return json.loads(result.stdout)["nats"]

        return nats

    def export(self):
        """The model that `export.py` makes of it."""
        flags = (f"--save_path={self._name}/run", f"--export_path={self._name}")
        result = Script("export.py", *flags, folder=self._text).wait()
        assert result.returncode == 0, (self.row, result.stderr)
        return tf.saved_model.load(self._text / self._name / "1")

    def test_text(self):
        """The lines of the test split, which may be the end of a file."""
        description = json.loads((self._text / self._name / "run" / "config.json").read_text())
        left = description["corpus"]["tokens"]["test"]
        path = self._text / self.row["data_path"].removeprefix("--data_path=")
        lines = (path / "test.txt" if path.is_dir() else path).read_text().splitlines(keepends=True)
        first = len(lines)
        while left:
            first -= 1
            tokens = list(lines[first]) if "char" in self.row["tokens"] else lines[first].split()
            left -= len(tokens) + ("char" not in self.row["tokens"])
        return "".join(lines[first:])


class stop_at:
    """In the process of `train.py`: the n-th time that it looks, somebody has asked it to stop."""

    def __init__(self, n):
        self._n = n

    def __call__(self):
        from training import stop  # noqa: PLC0415

        calls = itertools.count(1)
        check = stop.StopRequest.check

        def stopped(request, *arguments):
            if next(calls) == self._n:
                raise stop.Stopped(signal.SIGTERM)
            check(request, *arguments)

        stop.StopRequest.check = stopped


def siblings(row):
    """The row on another number of replicas, and in the other modes that unroll its cell."""
    one, two = (
        {"distribution": "", "num_devices": ""},
        {
            "distribution": "--distribution=mirrored",
            "num_devices": "--num_devices=2",
        },
    )
    yield "replicas", row | (one if row["num_devices"] else two)
    if row["cell"] == "--cell=lstm":
        own = row["rnn_mode"].replace("auto", "fused")
        for mode in ("fused", "static", "keras"):
            if not own.endswith(mode):
                yield mode, row | {"rnn_mode": f"--rnn_mode={mode}"}


def is_exact(row):
    """Whether a run that is stopped ends bit for bit as one let alone (README.md)."""
    return not ("keras" in row["rnn_mode"] and row["forget_bias"])


@pytest.mark.parametrize("number", range(len(ROWS)))
def test_options_go_together(tmp_path, number):
    row, stop = ROWS[number], 2 + number % 6
    option_pairs.write_text(tmp_path)
    whole, parts = Run(tmp_path, "whole", row), Run(tmp_path, "parts", row, [stop_at(stop)])
    whole.wait()
    parts.wait(128 + signal.SIGTERM)
    parts = Run(tmp_path, "parts", row)
    runs = [Run(tmp_path, name, sibling) for name, sibling in siblings(row)]
    parts.wait()
    if is_exact(row):
        assert parts.outcome() == whole.outcome()
    else:
        np.testing.assert_allclose(parts.figures(), whole.figures(), rtol=1e-5)
    tolerance = TOLERANCE[row["precision"]]
    for run in runs:
        run.wait()
        np.testing.assert_allclose(run.figures(), whole.figures(), rtol=tolerance, err_msg=run.row)
    plain, in_all_modes = whole.evaluate(), []
    if row["evaluation"]:
        flags = (row["evaluation"], "--split=valid")
        in_all_modes = [run.evaluate(*flags) for run in (whole, *runs[1:])]
    nats = plain()
    assert f"({nats:,.1f} nats" in whole.stdout
    evaluations = [nats_of_mode() for nats_of_mode in in_all_modes]
    np.testing.assert_allclose(evaluations, evaluations[:1] * len(evaluations), rtol=tolerance)
    (score,) = whole.export().signatures["score"](tf.constant([whole.test_text()]))["log_prob"]
    assert -float(score) == pytest.approx(nats, rel=1e-5)
