"""A run that is interrupted, damaged or led astray ends as one that never was, or says why not."""

import dataclasses
import os
import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from models.language_model import LanguageModel, recurrent_layers
from ptb.machine.atomic_file import write_atomically
from ptb.runs.checkpoint import load_checkpoint
from ptb.runs.run_folder import CannotSave, RunFolder
from ptb.runs.save_options import SaveOptions
from ptb.runs.session import Session
from ptb.training.config import Config
from ptb.training.loop import Diverged, Training
from ptb.training.perplexity import Score
from ptb.training.report import best_of
from ptb.training.step import TrainStep
from ptb.training.stop import Stopped
from tests.faults.damage import DAMAGES, a_dangling_link, a_directory, deleted
from tests.runs.test_checkpoint_format_2 import write_format_2

V = 12
CONFIG = Config(hidden_size=8, num_layers=1, num_steps=4, batch_size=5, num_epochs=3, keep_prob=0.8)
TRAIN, VALID = (np.arange(n, dtype=np.int32) ** 2 % V for n in (600, 90))
WINDOWS = 29
OPTIONS = SaveOptions(every="4w", keep=3)


@pytest.fixture(scope="module")
def trainer():
    """A model and its training, traced once: a start of a run sets all of their state."""
    layers = recurrent_layers("fused", "lstm", CONFIG.hidden_size, CONFIG.num_layers)
    model = LanguageModel(V, CONFIG.hidden_size, layers, CONFIG.keep_prob)
    return model, Training(model, TRAIN, VALID, CONFIG)


class Start:
    """One start of a run in `folder`, as train.py makes it."""

    def __init__(
        self, trainer, folder, options=OPTIONS, config=CONFIG, training=None, early_stopping=0
    ):
        self.notes = []
        self.model = trainer[0]
        self.folder = RunFolder(folder)
        fresh = not self.folder.exists
        self.folder.acquire()
        if fresh:
            description = {"config": dataclasses.asdict(config), "corpus": {"fingerprint": "f"}}
            self.folder.start(description, "a\n")
        training = training or trainer[1]
        training.config = config
        self.session = Session(
            *(training, self.folder, options, self.notes.append), early_stopping=early_stopping
        )

    def train(self, checks=10**9):
        """To the end, or until `check` was called so many times; the epochs that ended."""
        calls = iter(range(checks))

        def check():
            if next(calls, None) is None:
                raise Stopped(2)

        try:
            self.session.start()
            return [report.epoch for report in self.session.epochs(check)]
        finally:
            self.folder.release()

    def outcome(self):
        """All that must not depend on what happened on the way."""
        metrics = (self.folder.path / "metrics.csv").read_bytes()
        latest, best = (
            {name: weight.tobytes() for name, weight in self.folder.load(which).weights.items()}
            for which in ("latest", "best")
        )
        curve = (self.folder.path / "learning_curve.png").read_bytes()
        return SimpleNamespace(metrics=metrics, latest=latest, best=best, curve=curve)


@pytest.fixture(scope="module")
def whole(trainer, tmp_path_factory):
    """What a run comes to that is never interrupted."""
    start = Start(trainer, tmp_path_factory.mktemp("whole") / "run")
    assert start.train() == [1, 2, 3]
    return start.outcome()


@pytest.fixture(scope="module")
def stopped(trainer, tmp_path_factory):
    """The folder of a run that was stopped in its second epoch."""
    start = Start(trainer, tmp_path_factory.mktemp("stopped") / "run")
    with pytest.raises(Stopped):
        start.train(checks=18)
    assert "epoch 2, after window" in start.session.where()
    return start.folder.path


@pytest.fixture
def folder(stopped, tmp_path):
    return shutil.copytree(stopped, tmp_path / "run")


def newest(folder):
    return sorted((folder / "checkpoints").glob("0*.safetensors"))[-1]


def stopped_again_and_again(make_start):
    """What a run comes to that is stopped soon after each of its many starts."""
    starts = 0
    while True:
        start = make_start()
        starts += 1
        try:
            start.train(checks=2 + starts % 3)
            break
        except Stopped:
            pass
    assert starts > 5
    return start.outcome()


def test_a_run_that_is_stopped_again_and_again_ends_as_one_that_never_was(trainer, whole, tmp_path):
    options = SaveOptions(every="0", keep=1)
    outcome = stopped_again_and_again(lambda: Start(trainer, tmp_path / "run", options))
    assert outcome == whole


@pytest.mark.slow
def test_a_run_of_averaged_weights_that_is_stopped_again_and_again_ends_as_one_that_never_was(
    trainer, tmp_path
):
    config = dataclasses.replace(CONFIG, optimizer="adamw", learning_rate=0.01, ema_momentum=0.9)

    def start(folder, options):
        training = Training(trainer[0], TRAIN, VALID, config)
        return Start(trainer, tmp_path / folder, options, config, training)

    whole = start("whole", OPTIONS)
    assert whole.train() == [1, 2, 3]
    options = SaveOptions(every="0", keep=1)
    outcome = stopped_again_and_again(lambda: start("stopped", options))
    assert outcome == whole.outcome()


def test_a_run_that_an_older_version_saved_ends_as_one_of_this_version(trainer, whole, folder):
    for path in (folder / "checkpoints").iterdir():
        write_format_2(path.with_suffix(".npz"), load_checkpoint(path))
        path.unlink()
    start = Start(trainer, folder)
    start.train()
    assert start.outcome() == whole
    assert {path.suffix for path in (folder / "checkpoints").iterdir()} == {".safetensors"}


VICTIMS = ["newest", "all but the oldest", "all but the best", "best"]


@pytest.mark.parametrize(
    ("which", "damage"),
    [
        # Every damage and every file once; -m slow has them all with each other.
        pytest.param(which, damage, marks=[pytest.mark.slow] if (i + j) % len(VICTIMS) else [])
        for i, which in enumerate(VICTIMS)
        for j, damage in enumerate(DAMAGES)
    ],
)
def test_a_run_with_damaged_checkpoints_ends_as_one_without(trainer, whole, folder, which, damage):
    numbered = sorted((folder / "checkpoints").glob("0*.safetensors"))
    assert len(numbered) == 3
    victims = {
        "newest": numbered[-1:],
        "all but the oldest": numbered[1:],
        "all but the best": numbered,
        "best": [folder / "checkpoints" / "best.safetensors"],
    }[which]
    for path in victims:
        damage(path)
    # Neither is a file that a run can have made.
    foreign = damage in (a_directory, a_dangling_link)
    if foreign and which == "best":
        with pytest.raises(ValueError, match=r"best\.safetensors is not a checkpoint"):
            Start(trainer, folder)
        return
    start = Start(trainer, folder)
    start.train()
    outcome = start.outcome()
    if damage is not deleted:
        for path in victims:
            aside = path if foreign else path.parent / f"damaged-{path.name}"
            assert os.path.lexists(aside)
            assert any(f"{path.name}" in note and "not used" in note for note in start.notes)
    if which == "best":
        assert any("the best weights are lost" in n for n in start.notes)
    assert outcome == whole


@pytest.mark.parametrize("damage", [d for d in DAMAGES if d is not deleted])
def test_a_run_without_a_whole_checkpoint_is_refused_every_time(trainer, folder, damage):
    for path in (folder / "checkpoints").iterdir():
        damage(path)
    for _ in range(2):
        with pytest.raises(
            ValueError,
            match=r"(no|not a) checkpoint",
        ):
            Start(trainer, folder).train()


def test_another_runs_checkpoints_stay_and_are_not_resumed_from(trainer, whole, folder, tmp_path):
    config = dataclasses.replace(CONFIG, seed=2)
    other = Start(trainer, tmp_path / "other", config=config)
    with pytest.raises(Stopped):
        other.train(checks=18)
    theirs = newest(other.folder.path).read_bytes()
    foreign = {newest(folder): theirs, folder / "checkpoints" / "00000000.safetensors": b"data"}
    for path, content in foreign.items():
        path.write_bytes(content)
    start = Start(trainer, folder, SaveOptions(every="4w", keep=1))
    start.train()
    assert sum("belongs to another run" in note for note in start.notes) == 1
    assert {path: path.read_bytes() for path in foreign} == foreign
    assert start.outcome() == whole


@pytest.mark.parametrize("content", [b"data", None])
def test_a_best_checkpoint_that_is_not_the_runs_is_refused_before_any_write_and_stays(
    trainer, folder, tmp_path, content
):
    other = Start(trainer, tmp_path / "other", config=dataclasses.replace(CONFIG, seed=2))
    with pytest.raises(Stopped):
        other.train(checks=18)
    best = folder / "checkpoints" / "best.safetensors"
    if content is None:
        content = newest(other.folder.path).read_bytes()
    best.write_bytes(content)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(ValueError, match=r"best\.safetensors is not a checkpoint"):
        Start(trainer, folder)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_best_checkpoint_that_is_put_there_while_the_run_trains_stays(trainer, tmp_path):
    start = Start(trainer, tmp_path / "run")
    start.session.start()
    (tmp_path / "run" / "checkpoints" / "best.safetensors").write_bytes(b"data")
    with pytest.raises(CannotSave, match=r"best\.safetensors is not a checkpoint"):
        list(start.session.epochs())
    assert (tmp_path / "run" / "checkpoints" / "best.safetensors").read_bytes() == b"data"


def test_the_lost_best_weights_of_a_finished_run_are_replaced_by_the_last(trainer, tmp_path):
    start = Start(trainer, tmp_path / "run")
    start.train()
    reports = start.folder.load("latest").progress.reports
    best = best_of(reports).epoch
    (tmp_path / "run" / "checkpoints" / "best.safetensors").write_bytes(b"")
    start = Start(trainer, tmp_path / "run")
    assert start.train() == []
    assert start.session.load_best().epoch == 3
    assert any("epoch 3 counts" in note for note in start.notes) == (best != 3)


def failing_after(monkeypatch, writes):
    """Every write of the run folder but the first ones finds the disk full, half-way through."""
    left = iter(range(writes))

    def write(path, fill, token=None):
        def half(file):
            fill(file)
            if next(left, None) is None:
                file.truncate(file.tell() // 2)
                raise OSError(28, "No space left on device")

        write_atomically(path, half, token)

    for module in ("machine.atomic_file", "runs.checkpoint", "runs.report_files"):
        monkeypatch.setattr(f"ptb.{module}.write_atomically", write)


@pytest.mark.parametrize(
    "writes",
    [0, 3, 9, 11, *(pytest.param(n, marks=pytest.mark.slow) for n in (10, 12, 13, 14, 17))],
)
def test_a_full_disk_costs_nothing_that_was_saved(trainer, whole, tmp_path, monkeypatch, writes):
    with monkeypatch.context() as patch:
        failing_after(patch, writes + 2)  # config.json and vocabulary.txt are the first two
        with pytest.raises(CannotSave, match="No space left"):
            Start(trainer, tmp_path / "run").train()
    start = Start(trainer, tmp_path / "run")
    start.train()
    assert not [note for note in start.notes if "not used" in note]
    assert not list((tmp_path / "run").rglob(".*"))
    assert start.outcome() == whole


def test_a_folder_that_is_deleted_under_the_run_ends_it_in_a_line(trainer, tmp_path):
    start = Start(trainer, tmp_path / "run")
    start.session.start()
    shutil.rmtree(tmp_path / "run")
    with pytest.raises(CannotSave, match="deleted or replaced"):
        list(start.session.epochs())
    assert not (tmp_path / "run").exists()


class Derailing(TrainStep):
    """A step whose loss is no number in window 11 of epoch 2, where the learning rate is high."""

    def __init__(self, model, highest_rate):
        super().__init__(model, CONFIG.num_steps, CONFIG.max_grad_norm)
        self._highest_rate = highest_rate

    def __call__(self, stream, starts, state, rates, first, count, seed, resets=None):
        costs, norms, state = super().__call__(
            stream, starts, state, rates, first, count, seed, resets
        )
        if seed[1] == 1 and first <= 11 < first + count and max(rates) > self._highest_rate:
            costs = costs + np.nan
        return costs, norms, state


def derailed(trainer, folder, highest_rate, on_divergence, config=CONFIG):
    training = Training(trainer[0], TRAIN, VALID, config, Derailing(trainer[0], highest_rate))
    options = dataclasses.replace(OPTIONS, on_divergence=on_divergence)
    return Start(trainer, folder, options, config, training)


def test_a_diverged_run_stops_and_names_step_norm_and_the_last_good_place(trainer, tmp_path):
    start = derailed(trainer, tmp_path / "run", 0.0, "stop")
    with pytest.raises(Diverged, match=r"loss nan.*last good .*epoch 2, after window 8") as raised:
        start.train()
    error = raised.value
    assert (error.epoch, error.learning_rate) == (2, 1.0)
    assert f"epoch 2 at window {error.window}" in str(error)
    assert error.window >= 8


def test_a_diverged_run_rolls_back_with_half_the_rate_until_it_passes(trainer, tmp_path):
    start = derailed(trainer, tmp_path / "run", 0.3, "rollback")
    assert start.train() == [1, 2, 3]
    rollbacks = [note for note in start.notes if "rollback" in note]
    assert [note.split(": ")[-2:] for note in rollbacks] == [
        ["rollback 1 of 3", "back to epoch 2, after window 8 with learning_rate 0.5"],
        ["rollback 2 of 3", "back to epoch 2, after window 8 with learning_rate 0.25"],
    ]
    assert (tmp_path / "run" / "log.txt").read_text().splitlines() == rollbacks
    rates = [report.learning_rate for report in start.folder.load("latest").progress.reports]
    assert rates == [1.0, 0.25, 0.25]


def test_a_run_is_rolled_back_three_times_at_most_over_all_its_starts(trainer, tmp_path):
    with pytest.raises(Diverged, match="stopped after 3 rollbacks"):
        derailed(trainer, tmp_path / "run", 0.0, "rollback").train()
    again = derailed(trainer, tmp_path / "run", 0.0, "rollback")
    with pytest.raises(Diverged, match="after 3 rollbacks") as raised:
        again.train()
    assert raised.value.learning_rate == 0.125
    assert not [note for note in again.notes if "rollback" in note]


def test_a_changed_learning_rate_is_used_as_it_is_and_may_be_halved_anew(trainer, tmp_path):
    with pytest.raises(Diverged, match="stopped after 3 rollbacks"):
        derailed(trainer, tmp_path / "run", 0.0, "rollback").train()
    config = dataclasses.replace(CONFIG, learning_rate=0.25)
    again = derailed(trainer, tmp_path / "run", 0.1, "rollback", config)
    again.session.start({"learning_rate": (1.0, 0.25)})
    assert again.folder.load("latest").progress.rate_factor == 1
    again.folder.release()
    again = derailed(trainer, tmp_path / "run", 0.1, "rollback", config)
    assert again.train() == [2, 3]
    assert [note.split(" with ")[1] for note in again.notes if "rollback" in note] == [
        "learning_rate 0.125",
        "learning_rate 0.0625",
    ]
    progress = again.folder.load("latest").progress
    assert [report.learning_rate for report in progress.reports] == [1.0, 0.0625, 0.0625]
    assert progress.rollbacks == 5
    log = (tmp_path / "run" / "log.txt").read_text().splitlines()
    place = "changed at epoch 2, after window 8: "
    assert log[3] == f"{place}learning_rate was 1.0 and is now 0.25"
    assert [": rollback 1 of 3: " in line for line in log[4:]] == [True, False]


def test_workers_with_different_flags_change_nothing(trainer, tmp_path, monkeypatch):
    with pytest.raises(Diverged, match="stopped after 3 rollbacks"):
        derailed(trainer, tmp_path / "run", 0.0, "rollback").train()
    log = (tmp_path / "run" / "log.txt").read_text()
    again = derailed(trainer, tmp_path / "run", 0.0, "rollback")
    before = newest(tmp_path / "run")

    def share(self, flags):
        raise ValueError("the workers have different flags")

    monkeypatch.setattr(Training, "share", share)
    with pytest.raises(ValueError, match="different flags"):
        again.session.start({"learning_rate": (1.0, 0.25)})
    again.folder.release()
    assert newest(tmp_path / "run") == before
    assert (tmp_path / "run" / "log.txt").read_text() == log


def test_another_change_leaves_the_learning_rate_that_rollbacks_halved(trainer, tmp_path):
    with pytest.raises(Diverged, match="stopped after 3 rollbacks"):
        derailed(trainer, tmp_path / "run", 0.0, "rollback").train()
    again = derailed(trainer, tmp_path / "run", 0.0, "rollback")
    assert again.session.start({"keep_prob": (0.9, 0.8)}).rate_factor == 0.125
    again.folder.release()


def test_a_diverged_run_without_a_whole_checkpoint_says_both(trainer, tmp_path):
    training = Training(trainer[0], TRAIN, VALID, CONFIG, Derailing(trainer[0], 0.0))
    options = SaveOptions("0", on_divergence="rollback")
    start = Start(trainer, tmp_path / "run", options, training=training)
    start.session.start()
    epochs = start.session.epochs()
    assert next(epochs).epoch == 1
    for path in (tmp_path / "run" / "checkpoints").iterdir():
        path.write_bytes(b"")
    with pytest.raises(Diverged, match=r"loss nan.*; no checkpoint"):
        next(epochs)
    start.folder.release()


def test_a_run_that_is_not_complete_gives_no_result_where_the_best_is_lost(trainer, folder):
    (folder / "checkpoints" / "best.safetensors").write_bytes(b"")
    start = Start(trainer, folder)
    start.session.start()
    with pytest.raises(ValueError, match="best weights are lost, and no epoch has ended since"):
        start.session.load_best()
    start.folder.release()


def test_fewer_epochs_than_are_done_give_no_result_where_the_best_is_lost(trainer, folder):
    (folder / "checkpoints" / "best.safetensors").write_bytes(b"")
    config = dataclasses.replace(CONFIG, num_epochs=1)
    start = Start(trainer, folder, config=config)
    assert start.train() == []
    with pytest.raises(ValueError, match=r"best weights .*num_epochs=2"):
        start.session.load_best()


def test_without_a_folder_the_best_weights_are_those_in_memory(trainer, whole):
    model, training = trainer
    training.config = CONFIG
    session = Session(training, None, OPTIONS, print)
    session.start()
    assert [report.epoch for report in session.epochs()] == [1, 2, 3]
    session.load_best()
    assert {n: w.tobytes() for n, w in model.export_weights().items()} == whole.best


@pytest.mark.parametrize("every", ["", "5", "s", "-5s", "1.5s", "00w", "0s", "5m", "9999999999s"])
def test_save_options_that_mean_nothing_are_refused(every):
    with pytest.raises(ValueError, match=f"checkpoint_every={every}"):
        SaveOptions(every)


def test_save_options_are_seconds_or_windows():
    assert (SaveOptions("20s").seconds, SaveOptions("20s").windows) == (20.0, 0)
    assert (SaveOptions("20w").seconds, SaveOptions("20w").windows) == (float("inf"), 20)
    assert (SaveOptions("0").seconds, SaveOptions("0").windows) == (float("inf"), 0)


def test_a_run_stops_early_when_its_valid_perplexity_gets_no_better(trainer, tmp_path, monkeypatch):
    config = dataclasses.replace(CONFIG, num_epochs=5)
    nats = iter([3.0, 2.0, 2.5, 2.2, 1.0])
    score = lambda windows, progress: Score(next(nats), 1, 1.0)  # noqa: E731
    monkeypatch.setattr(trainer[1], "_evaluate", score)
    start = Start(trainer, tmp_path, config=config, early_stopping=2)
    assert start.train() == [1, 2, 3, 4]
    assert start.session.is_complete
    again = Start(trainer, tmp_path, config=config, early_stopping=2)
    assert again.train() == []
    assert again.session.load_best().epoch == 2
    assert Start(trainer, tmp_path, config=config).train() == [5]
