import dataclasses
import errno
import fcntl
import os
import re
import shutil
import stat
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from ptb.runs.checkpoint import Checkpoint
from ptb.runs.checkpoint_folder import CheckpointFolder
from ptb.runs.lock import MARK
from ptb.runs.run_folder import CannotSave, RunFolder
from ptb.runs.trained_model import load_run
from ptb.training.config import Config
from ptb.training.model import size_of
from ptb.training.progress import Progress
from ptb.training.report import EpochReport, best_of

CONFIG = {"hidden_size": 1, "num_layers": 1, "num_steps": 2}


def report(epoch, valid):
    return EpochReport(epoch, 1.0, 2 * valid, valid, 3.0, 10.0, 100.0)


def checkpoint(folder, reports, value=0.0, window=0):
    best = best_of(reports).epoch if reports else 0
    progress = Progress(len(reports), window, best_epoch=best, reports=tuple(reports))
    shapes = size_of(Config(**CONFIG), 3).shapes
    weights = {name: np.full(shape, value, np.float32) for name, shape in shapes.items()}
    return Checkpoint(run_id=folder.run_id, progress=progress, weights=weights, state=[])


@pytest.fixture
def folder(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.acquire()
    folder.start({"config": CONFIG, "corpus": {"name": "text"}}, "<eos>\na\nb\n")
    yield folder
    folder.release()


def names(folder):
    return sorted(path.name for path in folder.checkpoints.path.iterdir())


def test_latest_and_best_are_kept_apart(folder):
    reports = []
    for epoch, valid in ((1, 90.0), (2, 70.0), (3, 80.0)):
        reports.append(report(epoch, valid))
        folder.save_epoch(checkpoint(folder, reports, epoch), keep=1)
    latest, best = folder.load("latest"), folder.load("best")
    assert latest.weights["softmax_b"].tolist() == [3, 3, 3]
    assert best.weights["softmax_b"].tolist() == [2, 2, 2]
    assert list(latest.progress.reports) == reports
    assert list(best.progress.reports) == reports[:2]


def test_the_latest_checkpoint_is_read_while_the_run_saves_a_newer_one(folder, monkeypatch):
    """With --keep=1 the file that was listed is gone before it is read."""
    reports = (report(1, 100.0),)
    folder.save_epoch(checkpoint(folder, reports), keep=1)
    listed = CheckpointFolder.numbered

    def numbered(self):
        found = listed(self)
        monkeypatch.undo()
        folder.save(checkpoint(folder, reports, window=7), keep=1)
        return found

    monkeypatch.setattr(CheckpointFolder, "numbered", numbered)
    assert folder.load("latest").progress.window == 7


def test_a_checkpoint_that_is_removed_just_before_it_is_opened_counts_as_gone(folder, monkeypatch):
    reports = (report(1, 100.0),)
    folder.save_epoch(checkpoint(folder, reports), keep=1)

    def is_symlink(self):
        monkeypatch.undo()
        folder.save(checkpoint(folder, reports, window=7), keep=1)
        return False

    monkeypatch.setattr(Path, "is_symlink", is_symlink)
    assert folder.load("latest").progress.window == 7


def test_a_checkpoint_of_another_name_than_best_and_latest_is_refused(folder):
    folder.save_epoch(checkpoint(folder, (report(1, 100.0),)), keep=1)
    for which in ("Best", "last", None):
        with pytest.raises(ValueError, match=r"is unknown: choose from best, latest"):
            folder.load(which)


def test_a_trained_model_is_of_the_best_epoch_or_of_what_was_saved_last(folder):
    reports = [report(1, 70.0), report(2, 80.0)]
    folder.save_epoch(checkpoint(folder, reports[:1], 1), keep=1)
    folder.save_epoch(checkpoint(folder, reports, 2), keep=1)
    best, latest = (load_run(folder.path, which) for which in ("best", "latest"))
    assert (best.name, best.report) == ("run, epoch 1", reports[0])
    assert (latest.name, latest.report) == ("run, epoch 2", reports[1])
    folder.save(checkpoint(folder, reports, 3, window=7), keep=1)
    amid = load_run(folder.path, "latest")
    assert (amid.name, amid.report) == ("run, epoch 3 after 7 windows", None)
    assert amid.weights["softmax_b"].tolist() == [3, 3, 3]
    newest = folder.checkpoints.path / names(folder)[0]
    newest.write_bytes(newest.read_bytes()[:-9])
    with pytest.raises(ValueError, match=f"{newest.name}.*the one before"):
        load_run(folder.path, "latest")


def test_what_was_saved_last_is_read_where_the_best_is_damaged(folder):
    reports = [report(1, 70.0), report(2, 80.0)]
    folder.save_epoch(checkpoint(folder, reports[:1], 1), keep=1)
    folder.save_epoch(checkpoint(folder, reports, 2), keep=1)
    (folder.checkpoints.path / "best.safetensors").write_bytes(b"")
    assert folder.load("latest").weights["softmax_b"].tolist() == [2, 2, 2]


def test_a_run_in_its_first_epoch_has_no_best_weights_yet(folder):
    folder.save(checkpoint(folder, [], window=5), keep=1)
    with pytest.raises(ValueError, match="ended yet"):
        folder.load("best")
    assert folder.load("latest").progress.reports == ()


def test_a_best_checkpoint_of_no_epoch_is_refused(folder):
    folder.save_best(checkpoint(folder, [], window=5))
    with pytest.raises(ValueError, match=r"best\.safetensors .*does not belong"):
        folder.load("best")


def test_the_newest_checkpoints_are_kept_and_counted_on(folder):
    for window in range(1, 6):
        folder.save(checkpoint(folder, [], window, window), keep=3)
    assert names(folder) == ["00000003.safetensors", "00000004.safetensors", "00000005.safetensors"]
    folder.save(checkpoint(folder, [], 6, 6), keep=1)
    assert names(folder) == ["00000006.safetensors"]


def test_a_checkpoint_of_another_config_or_text_is_none_of_this_run(folder, tmp_path):
    folder.save_epoch(checkpoint(folder, [report(1, 90.0)]), keep=1)
    for config, text in (({"num_steps": 3}, "text"), ({"num_steps": 2}, "prose")):
        other = RunFolder(tmp_path / "other")
        (other.path / "checkpoints").mkdir(parents=True, exist_ok=True)
        other.start({"config": config, "corpus": {"fingerprint": text}}, "a\nb\n")
        (other.path / "checkpoints" / "best.safetensors").write_bytes(
            (folder.path / "checkpoints" / "best.safetensors").read_bytes()
        )
        with pytest.raises(ValueError, match=r"another run than config\.json: restore"):
            other.load("best")


def test_each_reason_why_a_checkpoint_cannot_be_loaded_has_its_own_remedy(folder):
    folder.save_epoch(checkpoint(folder, [report(1, 90.0)]), keep=1)
    best = folder.checkpoints.path / "best.safetensors"
    best.write_bytes(best.read_bytes()[:-9])
    with pytest.raises(ValueError, match=r"damaged .+: train\.py .+ resumes"):
        folder.load("best")
    best.unlink()
    best.mkdir()
    with pytest.raises(
        ValueError, match=r"cannot be read .+: make it a file that can be read here$"
    ):
        folder.load("best")


def test_a_reader_passes_over_the_checkpoints_of_another_run(folder, tmp_path):
    folder.save(checkpoint(folder, [], value=5), keep=1)
    other = RunFolder(tmp_path / "other")
    (other.path / "checkpoints").mkdir(parents=True)
    other.start({"config": CONFIG | {"num_steps": 3}, "corpus": {}}, "<eos>\na\nb\n")
    other.save(checkpoint(other, [], value=6), keep=1)
    theirs = (other.checkpoints.path / "00000001.safetensors").read_bytes()
    (folder.checkpoints.path / "00000009.safetensors").write_bytes(theirs)
    assert folder.load("latest").weights["softmax_b"].tolist() == [5, 5, 5]
    (folder.checkpoints.path / "00000001.safetensors").unlink()
    with pytest.raises(ValueError, match="no checkpoint"):
        folder.load("latest")


def test_metrics_and_timing_have_a_row_per_epoch(folder):
    folder.save_epoch(checkpoint(folder, [report(1, 90.0), report(2, 70.5)]), keep=1)
    assert (folder.path / "metrics.csv").read_text().splitlines() == [
        "epoch,learning_rate,train_perplexity,valid_perplexity,mean_grad_norm",
        "1,1.0,180.0,90.0,3.0",
        "2,1.0,141.0,70.5,3.0",
    ]
    assert (folder.path / "timing.csv").read_text().splitlines() == [
        "epoch,seconds,words_per_second",
        "1,10.0,100.0",
        "2,10.0,100.0",
    ]


def test_tensorboard_reads_the_scalars_and_the_curve_is_a_picture(folder):
    folder.save_epoch(checkpoint(folder, [report(1, 90.0)]), keep=1)
    events = EventAccumulator(str(folder.path)).Reload()
    assert "valid_perplexity" in events.Tags()["tensors"]
    (scalar,) = events.Tensors("valid_perplexity")
    assert scalar.step == 1
    assert tf.make_ndarray(scalar.tensor_proto) == 90.0
    assert (folder.path / "learning_curve.png").read_bytes().startswith(b"\x89PNG")


def test_nothing_temporary_is_left_behind(folder):
    folder.save_epoch(checkpoint(folder, [report(1, 90.0)]), keep=1)
    assert not [path for path in folder.path.rglob(".*")]


def test_what_a_killed_process_left_half_written_is_removed_and_nothing_else_is(folder):
    lock = folder.path / "lock"
    dead = lock.read_text()
    token = dead.split()[-1]
    folder.release()
    lock.write_text(dead)
    checkpoints = folder.checkpoints.path
    half = [folder.path / f".metrics.csv.{token}", folder.path / f".config.json.{token}"]
    half += [
        checkpoints / f".best.safetensors.{token}",
        checkpoints / f".00000012.safetensors.{token}",
    ]
    half += [checkpoints / f".best.npz.{token}", checkpoints / f".00000012.npz.{token}"]
    foreign = [folder.path / name for name in (".keep", ".env.2024", f".notes.{token}")]
    foreign += [folder.path / ".metrics.csv.123", folder.path / f".metrics.csv.{'0' * 32}"]
    foreign += [checkpoints / ".best.safetensors.99", checkpoints / f".notes.safetensors.{token}"]
    for path in (*half, *foreign):
        path.write_bytes(b"half")
    (note,) = folder.acquire()
    assert re.match(r"process \d+ on .*, died while it had ", note)
    assert sorted(path for path in folder.path.rglob(".*")) == sorted(foreign)


@pytest.mark.parametrize("killed", ["at once", "with the lock", "half-way through config.json"])
def test_what_a_start_leaves_that_died_before_it_had_a_config_is_no_obstacle(tmp_path, killed):
    first = RunFolder(tmp_path / "run")
    first.acquire()
    held = (first.path / "lock").read_text()
    first.release()
    if killed != "at once":
        (first.path / "lock").write_text(held)
    if killed == "half-way through config.json":
        (first.path / f".config.json.{held.split()[-1]}").write_text("{")
    second = RunFolder(tmp_path / "run")
    assert len(second.acquire()) == (killed != "at once")
    assert sorted(path.name for path in first.path.iterdir()) == ["checkpoints", "lock"]
    second.release()


FOREIGN = (
    *(".env.2024", ".zcompdump-host-5.9", ".vocabulary.txt.1234", ".keep", "notes.txt"),
    *(f".config.json.{'0' * 32}", "vocabulary.txt", "lock", "log.txt", "metrics.csv"),
    *("timing.csv", "learning_curve.png", "events.out.tfevents.1.host", "best.safetensors"),
    *(
        "checkpoints/00000001.safetensors",
        "checkpoints/best.safetensors",
        "checkpoints/.best.safetensors.99",
    ),
    *("checkpoints/damaged-00000001.safetensors", "checkpoints/00000001.npz"),
)


@pytest.mark.parametrize("name", FOREIGN)
def test_a_folder_with_a_single_file_that_is_not_ours_is_refused_before_any_write(tmp_path, name):
    """Also beside the lock of a run."""
    for beside in ([], ["lock"]):
        folder = tmp_path / "-".join(["run", *beside])
        (folder / name).parent.mkdir(parents=True)
        for each in beside:
            (folder / each).write_text(MARK)
        (folder / name).write_text("data")
        before = {path: path.is_file() and path.read_bytes() for path in folder.rglob("*")}
        with pytest.raises(ValueError, match=r"did not make \(.*\)"):
            RunFolder(folder).acquire()
        after = {path: path.is_file() and path.read_bytes() for path in folder.rglob("*")}
        assert after == before


@pytest.mark.parametrize(
    "name",
    ["vocabulary.txt", "lock", "metrics.csv", "timing.csv", "learning_curve.png", "result.json"],
)
def test_a_file_that_is_not_of_the_run_is_not_replaced_beside_a_config_alone(folder, name):
    folder.release()
    shutil.rmtree(folder.path / "checkpoints")
    folder.acquire()  # a run that has no checkpoint yet
    folder.release()
    (folder.path / name).write_text("data")
    before = {path.name: path.is_file() and path.read_bytes() for path in folder.path.iterdir()}
    with pytest.raises(ValueError, match=rf"did not make \({name}\)"):
        RunFolder(folder.path).acquire()
    after = {path.name: path.is_file() and path.read_bytes() for path in folder.path.iterdir()}
    assert after == before


def test_a_lock_that_a_killed_process_left_empty_is_taken(tmp_path):
    (tmp_path / "lock").write_bytes(b"")
    folder = RunFolder(tmp_path)
    assert folder.acquire() == []
    folder.release()


def test_a_log_that_is_a_pipe_is_refused_at_once(folder):
    os.mkfifo(folder.path / "log.txt")
    with pytest.raises(CannotSave, match="No such device"):
        folder.log("line")


def test_a_config_that_is_no_runs_is_refused_before_any_write(tmp_path):
    for text in ("{}", "[]", "name: x"):
        (tmp_path / "config.json").write_text(text)
        with pytest.raises(ValueError, match=r"config\.json"):
            RunFolder(tmp_path).acquire()
        assert [path.name for path in tmp_path.iterdir()] == ["config.json"]


def test_a_folder_on_a_file_system_without_locks_or_syncs_of_folders_is_used_with_notes(
    tmp_path, monkeypatch
):
    def unsupported(*_):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    sync = os.fsync
    monkeypatch.setattr(fcntl, "flock", unsupported)
    is_folder = lambda descriptor: stat.S_ISDIR(os.fstat(descriptor).st_mode)  # noqa: E731
    monkeypatch.setattr(os, "fsync", lambda n: unsupported() if is_folder(n) else sync(n))
    folder = RunFolder(tmp_path / "run")
    no_locks, no_syncs = folder.acquire()
    assert "has no locks" in no_locks
    assert "has no sync of folders" in no_syncs
    folder.start({"config": {}, "corpus": {}}, "a\n")
    folder.save(checkpoint(folder, []), keep=1)
    assert names(folder) == ["00000001.safetensors"]
    folder.release()


def test_a_vocabulary_that_is_not_the_runs_is_refused(folder):
    (folder.path / "vocabulary.txt").write_text("a\n<eos>\n")
    with pytest.raises(ValueError, match="vocabulary"):
        folder.vocabulary()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<eos>\n\nb\n", "line 2 of the vocabulary is ''"),
        ("<eos>\na\rb\n", r"line 2 of the vocabulary is 'a\\rb'"),
        ("a\nb\n", "neither <eos> nor <unk>"),
        ("<eos>\na\na\n", "'a' 2 times"),
        ("<eos>\na\nb\n", "3 words .*2"),
        ("<eos>\n", "1 words .*2"),
    ],
)
def test_words_that_no_run_has_are_refused_although_their_checksum_is_right(tmp_path, text, reason):
    folder = RunFolder(tmp_path / "run")
    folder.acquire()
    size = {"vocab_size": 2} if "words" in reason else {}
    folder.start({"config": {}, "corpus": size}, text)
    with pytest.raises(ValueError, match=rf"vocabulary\.txt .*{reason}"):
        folder.vocabulary()
    folder.release()


def trained(path, change=lambda weights: weights):
    """A run folder whose best checkpoint has the weights that its config asks for, changed."""
    folder = RunFolder(path)
    folder.acquire()
    folder.start({"config": CONFIG, "corpus": {}}, "<eos>\na\nb\n")
    saved = checkpoint(folder, [report(1, 90.0)])
    folder.save_epoch(dataclasses.replace(saved, weights=change(saved.weights)), keep=1)
    folder.release()
    return path


def test_weights_that_are_not_those_of_the_config_are_refused(tmp_path):
    assert load_run(trained(tmp_path / "run")).weights["softmax_b"].shape == (3,)
    changes = {
        "more": lambda weights: weights | {"other": np.zeros(3, np.float32)},
        "fewer": lambda weights: {n: w for n, w in weights.items() if n != "softmax_b"},
        "other": lambda weights: weights | {"softmax_b": np.zeros(4, np.float32)},
    }
    for name, change in changes.items():
        path = trained(tmp_path / name, change)
        with pytest.raises(ValueError, match=f"'{name}, epoch 1' .*weight"):
            load_run(path).check()


def test_a_model_that_needs_more_memory_than_there_is_is_refused_before_it_is_built(
    tmp_path, monkeypatch
):
    run = load_run(trained(tmp_path / "run"))
    monkeypatch.setattr("ptb.training.model.memory_bytes", lambda: 50)
    monkeypatch.setattr("ptb.runs.trained_model.build_model", None)
    for asked in (run.check, run.build):
        with pytest.raises(ValueError, match="hidden_size=1 and num_layers=1"):
            asked()


def test_vocabulary_and_description_are_read_back(folder):
    assert folder.vocabulary().words == ("<eos>", "a", "b")
    assert folder.description()["config"] == CONFIG


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no run"):
        RunFolder(tmp_path).description()
    with pytest.raises(ValueError, match="no run"):
        RunFolder(tmp_path).load("best")


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", '{"config": {}}', '{"config": 1, "corpus": 2}', "\x00"),
        '{"config": {}, "corpus": {}, "versions": ["3.11"]}',
        '{"config": {}, "corpus": {}, "versions": {"python": ["3.11"]}}',
        '{"config": {}, "corpus": {}, "model": null}',
        '{"config": {"learning_rate": 1' + 400 * "0" + '}, "corpus": {}}',
        '{"config": {"learning_rate": NaN}, "corpus": {}}',
        '{"config": {}, "corpus": {"source": {"shares": [90, 10]}}}',
        '{"config": {}, "corpus": {"tokens": {"test": true}}}',
    ],
)
def test_a_damaged_description_is_refused(folder, text):
    (folder.path / "config.json").write_text(text)
    with pytest.raises(ValueError, match=r"config\.json"):
        folder.description()


@pytest.mark.parametrize("text", ["[" * 200_000, "9" * 10_000, " " * 1_000_001])
def test_a_description_that_would_break_its_parser_is_refused(folder, text):
    (folder.path / "config.json").write_text(text)
    with pytest.raises(ValueError, match=r"config\.json"):
        folder.description()


def test_a_vocabulary_of_ten_million_lines_is_refused_unread(folder, monkeypatch):
    monkeypatch.setattr("ptb.runs.vocabulary_file.MAX_VOCABULARY_BYTES", 10_000_000)
    (folder.path / "vocabulary.txt").write_bytes(b"a\n" * 10_000_000)
    with pytest.raises(ValueError, match="10,000,000 bytes"):
        folder.vocabulary()


def test_a_folder_that_cannot_be_made_or_was_removed_is_refused(tmp_path, folder):
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotSave, match=r"file/run' .*Not a directory"):
        RunFolder(tmp_path / "file" / "run").acquire()
    ours = checkpoint(folder, [])
    shutil.rmtree(folder.path)
    with pytest.raises(CannotSave, match="deleted or replaced"):
        folder.save_best(ours)
    other = RunFolder(folder.path)
    other.acquire()
    with pytest.raises(CannotSave, match="deleted or replaced"):
        folder.save_best(ours)
    other.release()
    assert list((other.path / "checkpoints").iterdir()) == []
