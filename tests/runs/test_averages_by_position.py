"""A run with averages that an earlier version began is resumed and evaluated.

`averages_by_position/` has checkpoints of one run, whose last epoch is 3, and its metrics: of the
end of epoch 1 (5), of window 20 of epoch 2 (7), and of the ends of epochs 2 and 3 (9, 13). The text
is that of `tests.faults.harness`.
"""

import shutil
from pathlib import Path

import numpy as np
import pytest

from ptb.data import corpus
from ptb.runs.averages_by_position import named_averages
from ptb.runs.run_folder import RunFolder
from ptb.runs.save_options import SaveOptions
from ptb.runs.session import Session
from ptb.runs.trained_model import load_run
from ptb.training.config import Config
from ptb.training.loop import Training
from ptb.training.model import build_model
from tests.faults import harness

RECORDED = Path(__file__).parent / "averages_by_position"
TRAINED = [0, 1, 2, 4]  # the columns of metrics.csv without the valid perplexity, of averages
NAMES = ("embedding", "softmax_w", "softmax_b", "kernel", "bias")  # in the order of the slots


@pytest.fixture(scope="module")
def training(tmp_path_factory):
    folder = tmp_path_factory.mktemp("text")
    harness.write_text(folder)
    text = corpus.load_text(folder / "text")
    description = RunFolder(RECORDED).description()
    assert text.fingerprint == description["corpus"]["fingerprint"]
    config = Config.from_dict(description["config"])
    return Training(build_model(config, len(text.vocabulary)), text.train, text.valid, config)


def folder_with(path, newest, best):
    """A run folder with two of the recorded checkpoints."""
    (path / "checkpoints").mkdir()
    for name in ("config.json", "vocabulary.txt"):
        shutil.copy(RECORDED / name, path)
    for number, name in ((newest, f"{newest:08}.npz"), (best, "best.npz")):
        shutil.copy(RECORDED / f"checkpoints/{number:08}.npz", path / "checkpoints" / name)
    return RunFolder(path)


def by_position(checkpoint):
    """The slots `average0`, ... by the last part of the name of the weight."""
    return {name: checkpoint.slots[f"average{i}"] for i, name in enumerate(NAMES)}


def by_last_part(weights):
    return {name.rpartition("/")[2]: weight for name, weight in weights.items()}


def assert_close(one, two):
    """To far less than what lies between weights and their averages, on any machine."""
    assert one.keys() == two.keys()
    for name, weight in one.items():
        np.testing.assert_allclose(weight, two[name], atol=1e-5, err_msg=name)


@pytest.mark.parametrize(("newest", "best"), [(7, 5), (9, 9)])
def test_it_trains_on_as_the_earlier_version_did(training, tmp_path, newest, best):
    # The averages differ: they had more of the first steps then.
    end = folder_with(tmp_path, 13, 13).load("latest")
    shutil.rmtree(tmp_path / "checkpoints")
    folder = folder_with(tmp_path, newest, best)
    session = Session(training, folder, SaveOptions(), print)
    session.start()
    list(session.epochs())
    latest = folder.load("latest")
    assert latest.progress.epoch == 3
    assert_close(by_last_part(latest.weights), by_position(end))
    metrics, expected = (
        np.genfromtxt(path / "metrics.csv", delimiter=",", skip_header=1)[:, TRAINED]
        for path in (tmp_path, RECORDED)
    )
    np.testing.assert_allclose(metrics, expected, rtol=1e-5)


def test_within_an_epoch_the_slots_have_the_averages_and_at_its_end_the_weights(training, tmp_path):
    for name in ("amid", "ended"):
        (tmp_path / name).mkdir()
    amid = folder_with(tmp_path / "amid", 7, 5).load("latest")
    ended = folder_with(tmp_path / "ended", 9, 9).load("latest")
    model = training.state.model
    named = named_averages(amid, model)
    assert_close(named.weights, amid.weights)
    assert_close(by_last_part(named.evaluation_weights), by_position(amid))
    named = named_averages(ended, model)
    assert_close(named.evaluation_weights, ended.weights)
    assert_close(by_last_part(named.weights), by_position(ended))
    assert named_averages(named, model) is named


def test_its_best_epoch_is_evaluated_with_the_averages(tmp_path):
    best = folder_with(tmp_path, 7, 9).load("best")
    trained = load_run(tmp_path, "best")
    assert {n: w.tobytes() for n, w in trained.weights.items()} == {
        n: w.tobytes() for n, w in best.weights.items()
    }
