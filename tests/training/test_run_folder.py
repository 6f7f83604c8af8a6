import json

import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from training.checkpoint import load_checkpoint, save_checkpoint
from training.report import EpochReport, best_of
from training.run_folder import RunFolder


def report(epoch, valid):
    return EpochReport(epoch, 1.0, 2 * valid, valid, 3.0, 10.0, 100.0)


def weights(value):
    return {"Model/softmax_b": np.full(3, value, np.float32)}


@pytest.fixture
def folder(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.start({"config": {"num_steps": 2}, "corpus": {"name": "text"}}, "a\nb\n")
    return folder


def test_latest_and_best_are_kept_apart(folder):
    reports = []
    for epoch, valid in ((1, 90.0), (2, 70.0), (3, 80.0)):
        reports.append(report(epoch, valid))
        folder.save_epoch(reports, weights(epoch))
    latest, best = folder.load("latest"), folder.load("best")
    assert latest[0]["Model/softmax_b"].tolist() == [3, 3, 3]
    assert best[0]["Model/softmax_b"].tolist() == [2, 2, 2]
    assert latest[1] == reports
    assert best[1] == reports[:2]
    assert best_of(reports) is reports[1]


def test_metrics_have_a_row_per_epoch(folder):
    folder.save_epoch([report(1, 90.0), report(2, 70.5)], weights(0))
    assert (folder.path / "metrics.csv").read_text().splitlines() == [
        "epoch,learning_rate,train_perplexity,valid_perplexity,mean_grad_norm,seconds,words_per_second",
        "1,1.0,180.0,90.0,3.0,10.0,100.0",
        "2,1.0,141.0,70.5,3.0,10.0,100.0",
    ]


def test_tensorboard_reads_the_scalars_and_the_curve_is_a_picture(folder):
    folder.save_epoch([report(1, 90.0)], weights(0))
    events = EventAccumulator(str(folder.path)).Reload()
    assert "valid_perplexity" in events.Tags()["tensors"]
    (scalar,) = events.Tensors("valid_perplexity")
    assert scalar.step == 1
    assert tf.make_ndarray(scalar.tensor_proto) == 90.0
    assert (folder.path / "learning_curve.png").read_bytes().startswith(b"\x89PNG")


def test_nothing_temporary_is_left_behind(folder):
    folder.save_epoch([report(1, 90.0)], weights(0))
    assert not [path for path in folder.path.rglob(".*")]


def test_a_vocabulary_that_is_not_the_runs_is_refused(folder):
    (folder.path / "vocabulary.txt").write_text("b\na\n")
    with pytest.raises(ValueError, match="not the vocabulary"):
        folder.vocabulary()


def test_vocabulary_and_description_are_read_back(folder):
    assert folder.vocabulary().words == ("a", "b")
    assert folder.description()["config"] == {"num_steps": 2}


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(ValueError, match="holds no run"):
        RunFolder(tmp_path).description()
    with pytest.raises(ValueError, match="no checkpoint"):
        RunFolder(tmp_path).load("best")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"config": {}}', '{"config": 1, "corpus": 2}', "\x00"]
)
def test_a_damaged_description_is_refused(folder, text):
    (folder.path / "config.json").write_text(text)
    with pytest.raises(ValueError, match=r"config\.json"):
        folder.description()


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="cannot be written"):
        RunFolder(tmp_path / "file" / "run").start({"corpus": {}}, "")


def test_a_checkpoint_is_read_back_to_the_bit(tmp_path):
    saved = {"Model/embedding": np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)}
    save_checkpoint(tmp_path / "c.npz", saved, {"reports": []})
    loaded, meta = load_checkpoint(tmp_path / "c.npz")
    np.testing.assert_array_equal(loaded["Model/embedding"], saved["Model/embedding"])
    assert meta["reports"] == []


def test_a_damaged_checkpoint_is_refused(tmp_path):
    path = tmp_path / "c.npz"
    save_checkpoint(path, weights(1), {})
    whole = path.read_bytes()
    for damaged in (
        b"",
        whole[: len(whole) // 2],
        b"not an archive",
        whole[:200] + b"\xff" * 50 + whole[250:],
    ):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="damaged"):
            load_checkpoint(path)


@pytest.mark.parametrize("meta", [{}, {"reports": [{"colour": "blue"}]}, {"reports": 7}])
def test_a_checkpoint_without_proper_reports_is_refused(folder, meta):
    save_checkpoint(folder.path / "checkpoints" / "best.npz", weights(1), meta)
    with pytest.raises(ValueError, match="damaged"):
        folder.load("best")


def test_a_checkpoint_with_pickled_objects_is_not_opened(tmp_path):
    np.savez(tmp_path / "c.npz", meta=np.array([{"format": 1}], dtype=object))
    with pytest.raises(ValueError, match="damaged"):
        load_checkpoint(tmp_path / "c.npz")


def test_a_checkpoint_of_another_format_is_refused(tmp_path):
    text = np.frombuffer(json.dumps({"format": 99}).encode(), np.uint8)
    np.savez(tmp_path / "c.npz", meta=text)
    with pytest.raises(ValueError, match="another format"):
        load_checkpoint(tmp_path / "c.npz")
