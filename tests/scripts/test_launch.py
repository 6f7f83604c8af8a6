"""Real processes that talk over the loopback interface."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from ptb.command_line.commands import launch
from ptb.data import corpus
from ptb.machine.process import command_of
from ptb.runs.run_folder import RunFolder
from ptb.runs.train import train
from ptb.training.config import Config
from tests.forked import ROOT, one_line_error, run

TRAIN = (
    *("train.py", "--model=test", "--hidden_size=8", "--num_steps=4", "--batch_size=4"),
    *("--keep_prob=0.8", "--data_path=text"),
)
WORKER_TIMEOUT = "--worker_timeout=10"


@pytest.fixture
def folder(tmp_path):
    """With a text whose train split is 300 windows."""
    (tmp_path / "text").mkdir()
    lines = [f"the {a} {b} the {b}\n" for a in "abcd" for b in "wxyz"]
    for split, times in (("train", 50), ("valid", 2), ("test", 2)):
        (tmp_path / "text" / f"{split}.txt").write_text("".join(lines) * times)
    return tmp_path


def launch_workers(folder, num_workers, *flags):
    script, *arguments = TRAIN
    command = (str(ROOT / script), *arguments, *flags)
    launcher = ("ptb launch", f"--num_workers={num_workers}")
    return run(*launcher, "--", *command, WORKER_TIMEOUT, folder=folder)


def train_alone(folder, *flags):
    result = run(*TRAIN, *flags, folder=folder)
    assert result.returncode == 0, result.stderr


def outcome(folder):
    """Metrics of each epoch, and the weights and state at the end."""
    run_folder = RunFolder(folder)
    weights = run_folder.load("latest").weights
    metrics = np.genfromtxt(folder / "metrics.csv", delimiter=",", skip_header=1)
    return np.atleast_2d(metrics), weights


def assert_close(folder, expected):
    """Costs to 1e-5 and weights to 1e-4."""
    (metrics, weights), (expected_metrics, expected_weights) = outcome(folder), outcome(expected)
    np.testing.assert_allclose(metrics, expected_metrics, rtol=1e-5)
    for name, weight in expected_weights.items():
        np.testing.assert_allclose(weights[name], weight, atol=1e-4, err_msg=name)


@pytest.mark.slow
def test_two_workers_train_as_one_process_does(folder):
    result = launch_workers(folder, 2, "--save_path=two")
    assert result.returncode == 0, result.stderr
    assert all(line.startswith("[worker 0] ") for line in result.stdout.splitlines())
    assert "[worker 0] test perplexity" in result.stdout
    text = corpus.load_text(folder / "text", 10_000, ("train", "valid"))
    config = Config.from_dict(RunFolder(folder / "two").description()["config"])
    alone = train(config, text)
    (expected,), model = alone.reports, alone.model
    latest = RunFolder(folder / "two").load("latest")
    (report,), weights = latest.progress.reports, latest.weights
    for name in ("train_perplexity", "valid_perplexity", "mean_grad_norm"):
        assert getattr(report, name) == pytest.approx(getattr(expected, name), rel=1e-5)
    for name, weight in model.export_weights().items():
        np.testing.assert_allclose(weights[name], weight, atol=1e-4, err_msg=name)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ((), "the command is missing"),
        (("--num_workers=0", "--", "train.py"), "num_workers=0"),
        (("--", "no_such_program"), "'no_such_program'"),
    ],
)
def test_a_bad_launch_is_one_line(tmp_path, command, message):
    one_line_error(run("ptb launch", *command, folder=tmp_path), "ptb launch", message)


@pytest.mark.slow
def test_the_first_failure_ends_the_others_and_is_the_exit_status(tmp_path):
    program = (
        "import json, os, time\n"
        "index = json.loads(os.environ['TF_CONFIG'])['task']['index']\n"
        "print('worker', index, flush=True)\n"
        "time.sleep(0 if index else 600)\n"
        "raise SystemExit(3)\n"
    )
    (tmp_path / "program.py").write_text(program)
    result = run("ptb launch", "--", "program.py", folder=tmp_path)
    assert result.returncode == 3
    assert set(result.stdout.splitlines()) == {"[worker 0] worker 0", "[worker 1] worker 1"}
    assert result.stderr.splitlines() == ["worker 1 ended with exit status 3"]


# Worker 1 ends at the first signal. Worker 0 takes longer than the patience of this test to save,
# and a second signal would end it before.
SAVES = """
import json, os, signal, time
index = json.loads(os.environ["TF_CONFIG"])["task"]["index"]
signals = []
signal.signal(signal.SIGINT, lambda number, frame: signals.append(number))
print("ready", flush=True)
while not signals:
    time.sleep(0.01)
time.sleep(0 if index else 1)
print("signals", signals, flush=True)
raise SystemExit(130)
"""


def test_a_worker_that_saves_after_a_signal_gets_no_other(monkeypatch, capfd):
    monkeypatch.setattr(launch, "GRACE_SECONDS", 0.1)
    pid = os.getpid()
    started = []
    copy = launch._copy

    def copy_and_signal(source, target, prefix):
        line = source.readline()
        if line == "ready\n":
            started.append(prefix)
            if len(started) == 2:
                os.kill(pid, signal.SIGINT)
        copy(source, target, prefix)

    monkeypatch.setattr(launch, "_copy", copy_and_signal)
    configs = ['{"task": {"index": 0}}', '{"task": {"index": 1}}']
    assert launch._run([sys.executable, "-c", SAVES], configs) == 130
    printed = capfd.readouterr()
    assert sorted(printed.out.splitlines()) == ["[worker 0] signals [2]", "[worker 1] signals [2]"]
    assert printed.err == "worker 1 ended with exit status 130\n"


@pytest.mark.slow
def test_four_workers_train_as_one_process_does(folder):
    result = launch_workers(folder, 4, "--save_path=four", "--num_epochs=2")
    assert result.returncode == 0, result.stderr
    train_alone(folder, "--save_path=one", "--num_epochs=2")
    assert_close(folder / "four", folder / "one")


class Interrupted:
    """Two workers of a long run, of which one gets a signal in the middle of the second epoch."""

    def __init__(self, folder, worker, signal_number, *flags):
        command = [*command_of("launch"), "--", str(ROOT / TRAIN[0])]
        self.launcher = subprocess.Popen(
            [*command, *TRAIN[1:], WORKER_TIMEOUT, *flags],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        checkpoints = folder / "run" / "checkpoints"
        until = time.monotonic() + 120
        while not (checkpoints / "00000010.safetensors").exists():
            assert self.launcher.poll() is None and time.monotonic() < until
            time.sleep(0.02)
        pid = self.launcher.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()
        victim = sorted(map(int, children))[worker]
        os.kill(victim, signal_number)
        self.lost = time.monotonic()
        try:
            self.line = self.launcher.stderr.readline()
            while "is lost" not in self.line and self.line:
                self.line = self.launcher.stderr.readline()
            self.seconds = time.monotonic() - self.lost
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
            self.launcher.communicate()


FLAGS = ("--save_path=run", "--num_epochs=3", "--checkpoint_every=40w", "--keep=100")


@pytest.mark.slow
def test_a_run_that_lost_a_worker_goes_on_with_two_or_with_one(folder):
    stopped = Interrupted(folder, 1, signal.SIGKILL, *FLAGS)
    assert "worker 1 is lost" in stopped.line
    assert "the same command resumes from the last checkpoint" in stopped.line
    shutil.copytree(folder / "run", folder / "alone")
    result = launch_workers(folder, 2, *FLAGS)
    assert result.returncode == 0, result.stderr
    assert "epoch 2, after window" in result.stderr
    train_alone(folder, *FLAGS, "--save_path=alone")
    whole = launch_workers(folder, 2, *FLAGS, "--save_path=whole")
    assert whole.returncode == 0, whole.stderr
    resumed, uninterrupted = outcome(folder / "run"), outcome(folder / "whole")
    np.testing.assert_array_equal(resumed[0], uninterrupted[0])
    for name, weight in uninterrupted[1].items():
        np.testing.assert_array_equal(resumed[1][name], weight, err_msg=name)
    assert_close(folder / "alone", folder / "whole")


@pytest.mark.slow
@pytest.mark.parametrize("worker", [0, 1])
def test_a_worker_that_hangs_is_given_up_within_worker_timeout(folder, worker):
    stopped = Interrupted(folder, worker, signal.SIGSTOP, *FLAGS)
    assert f"[worker {1 - worker}] train.py: error:" in stopped.line
    assert stopped.seconds < 10


@pytest.mark.slow
def test_a_signal_stops_all_workers_at_the_same_window(folder):
    command = [*command_of("launch"), "--", str(ROOT / TRAIN[0])]
    launcher = subprocess.Popen(
        [*command, *TRAIN[1:], "--save_path=run", "--num_epochs=200"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while "         2 " not in launcher.stdout.readline():
        pass
    launcher.send_signal(signal.SIGINT)
    _, errors = launcher.communicate(timeout=60)
    assert launcher.returncode == 130
    assert "[worker 0] stopped at " in errors  # epoch 3, or the end of epoch 2
    assert "the same command resumes" in errors
