"""Training is the original's, step for step, whatever the model: recorded, and live."""

import dataclasses
import json
import math
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from models import tf1_names
from models.registry import rnn_modes
from ptb.experiments.original import parity
from ptb.experiments.original.oracle import PYTHON_VARIABLE, settings_of
from ptb.runs.tutorial_checkpoint import read_tutorial_checkpoint, write_tutorial_checkpoint
from ptb.training.config import Config
from ptb.training.model import build_model

RECORDINGS = sorted((Path(__file__).parents[2] / "golden" / "original").glob("*.npz"))
CASES = [
    (path, mode)
    for path in RECORDINGS
    for mode in rnn_modes(parity.load_recording(path)[0].config.cell)
]


@pytest.mark.parametrize(("path", "mode"), CASES, ids=[f"{p.stem}-{m}" for p, m in CASES])
def test_recorded_costs_norms_weights_and_states_are_ours(path, mode, eagerly):
    case, first, expected = parity.load_recording(path)
    actual = parity.ours(case, first, mode)
    found = parity.differences(actual, expected, parity.forget_bias_of(case.config))
    assert max(found.values()) <= parity.TOLERANCE, found


@pytest.mark.parametrize("path", RECORDINGS, ids=[path.stem for path in RECORDINGS])
def test_the_replay_in_float64_is_what_both_sides_round(path):
    case, first, expected = parity.load_recording(path)
    exact = parity.in_float64(case, first)
    assert {exact[name].dtype for name in exact.keys() - {"inputs", "targets"}} == {np.dtype(float)}
    found = parity.differences(exact, expected, parity.forget_bias_of(case.config))
    assert max(found.values()) <= parity.TOLERANCE, found


def _longest() -> tuple[parity.Case, dict]:
    """The recorded case with the most windows, and its first weights."""
    cases = [parity.load_recording(path) for path in RECORDINGS]
    case, first, _ = max(cases, key=lambda each: each[0].num_windows)
    assert case.num_windows >= 4
    return case, first


def test_rounding_that_grows_from_window_to_window_is_no_difference(eagerly):
    case, first = _longest()
    exact = parity.in_float64(case, first)
    assert parity.comparison(case, first, exact, "static").ours is None
    growth = 1 + 5e-6 * np.arange(1, case.num_windows + 1)
    expected = {
        name: values.astype(np.float32)
        * growth.astype(np.float32).reshape(-1, *[1] * (values.ndim - 1))
        if name.startswith("weights/")
        else values
        for name, values in exact.items()
    }
    found = parity.comparison(case, first, expected, "static")
    assert found.apart["weights"] == pytest.approx(5e-6 * case.num_windows, rel=0.1)
    assert found.ours < parity.TOLERANCE
    assert 1e-6 < found.theirs < 5e-5
    assert found.agrees


@pytest.mark.parametrize(("error", "agrees"), [(5e-5, True), (2e-4, False)])
def test_a_window_that_is_far_from_float64_by_itself_differs(error, agrees, eagerly):
    case, first = _longest()
    exact = parity.in_float64(case, first)
    wrong = exact["cost"] * (1 + error * (np.arange(case.num_windows) == 2))
    found = parity.comparison(case, first, exact | {"cost": wrong}, "static")
    assert found.theirs == pytest.approx(error, rel=1e-2)
    assert found.agrees == agrees
    assert not dataclasses.replace(found, ours=2e-5).agrees


def test_other_first_weights_are_a_difference(eagerly):
    case, first = _longest()
    other = {name: weight * np.float32(1.001) for name, weight in first.items()}
    found = parity.comparison(case, first, parity.in_float64(case, other), "static")
    assert found.ours < parity.TOLERANCE
    assert not found.agrees


@pytest.mark.parametrize("place", [0, -1], ids=["first window", "last window"])
def test_what_is_no_number_is_infinitely_far_away(place, eagerly):
    case, first, _ = parity.load_recording(RECORDINGS[0])
    expected = parity.in_float64(case, first)
    broken = {name: np.array(value) for name, value in expected.items()}
    for name in broken.keys() - {"inputs", "targets"}:
        broken[name][place] = np.nan
    for actual, other in ((broken, expected), (expected, broken), (broken, broken)):
        found = parity.differences(actual, other)
        assert found == dict.fromkeys(("cost", "grad_norm", "weights", "state"), math.inf)
    assert not parity.comparison(case, first, broken, "static").agrees


def test_recordings_have_every_cell_dropout_and_the_clip():
    cases = [parity.load_recording(path) for path in RECORDINGS]
    configs = [case.config for case, _, _ in cases]
    assert {config.cell for config in configs} == {"lstm", "gru", "rnn", "peephole_lstm"}
    assert {config.keep_prob < 1 for config in configs} == {True, False}
    clipped = {
        bool((expected["grad_norm"] > case.config.max_grad_norm).any())
        for case, _, expected in cases
    }
    assert clipped == {True, False}


def test_differences_are_relative_to_the_largest_number_of_each_window():
    expected = {
        "inputs": np.array([[[1]], [[2]]]),
        "cost": np.array([2.0, 4.0]),
        "grad_norm": np.array([1.0, 1.0]),
        "weights/embedding": np.array([[0.5, -2.0]]),
        "weights/layers/0/bias": np.array([[0.0, 0.25]]),
        "state/0/0": np.zeros((2, 1, 1)),
    }
    actual = expected | {
        "cost": np.array([2.0, 5.0]),
        "weights/embedding": np.array([[9.0, 9.0], [0.5, -1.0]]),
        "weights/layers/0/bias": np.array([[9.0, 9.0], [0.0, 0.0]]),
        "state/0/0": np.full((2, 1, 1), 0.125),
    }
    assert parity.differences(actual, expected, forget_bias=1.0) == {
        "cost": 0.25,
        "grad_norm": 0.0,
        "weights": 0.5,
        "state": 0.125,
    }
    assert parity.differences(actual, expected)["weights"] == 1.0
    with pytest.raises(ValueError, match="inputs"):
        parity.differences(actual | {"inputs": np.array([[[1]], [[3]]])}, expected)
    with pytest.raises(ValueError, match="state/0/1"):
        parity.differences(actual | {"state/0/1": 0}, expected)


def test_a_recording_is_read_as_it_was_written(tmp_path):
    case = parity.random_case(np.random.default_rng(0), 5, 20)
    first = {"embedding": np.ones((2, 3), np.float32)}
    trajectory = {
        "cost": np.arange(3.0),
        "weights/embedding": np.arange(18.0).reshape(3, 2, 3),
    }
    parity.save_recording(tmp_path / "r.npz", case, first, trajectory)
    read, read_first, read_trajectory = parity.load_recording(tmp_path / "r.npz")
    np.testing.assert_array_equal(read.ids, case.ids)
    assert dataclasses.replace(read, ids=None) == dataclasses.replace(case, ids=None)
    np.testing.assert_array_equal(read_first["embedding"], first["embedding"])
    np.testing.assert_array_equal(read_trajectory["cost"], [0, 1, 2])
    np.testing.assert_array_equal(
        read_trajectory["weights/embedding"], trajectory["weights/embedding"][2:]
    )


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(50))
def test_random_models_train_as_in_tensorflow_1(oracle, seed):
    case = parity.random_case(np.random.default_rng(seed))
    for mode, found in parity.compare(oracle, case).items():
        assert found.agrees, (mode, found)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_random_stacks_with_sequence_lengths_give_what_tensorflow_1_gives(oracle, seed):
    assert parity.compare_unroll(oracle, np.random.default_rng(seed)) <= parity.TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["block", "basic"])
def test_checkpoints_travel_both_ways_and_training_continues(oracle, mode, tmp_path):
    """Ours is trained on by TensorFlow 1 as by us, and what it then saves is read here."""
    config = Config(hidden_size=6, num_layers=2, num_steps=4, batch_size=3, forget_bias=1.0)
    ids = np.random.default_rng(0).integers(0, 30, 100).astype(np.int32)
    case = parity.Case(config, 30, ids, 5, mode)
    settings = settings_of(config, 30, mode)
    oracle.open(settings | {"seed": 7}, {"train": ids})
    first = {
        tf1_names.weight_name(name.removeprefix("weights/")): weight
        for name, weight in oracle.values().items()
        if name.startswith("weights/")
    }
    write_tutorial_checkpoint(str(tmp_path / "ours"), config, first, mode)

    # The tutorial's code adds no forget bias: it is in the checkpoint.
    oracle.open(settings | {"forget_bias": 0.0}, {"train": ids})
    oracle.restore(str(tmp_path / "ours"))
    trained = oracle.record(case.num_windows, config.learning_rate)
    expected = parity.ours(case, first, "static")
    np.testing.assert_allclose(trained["cost"], expected["cost"], rtol=parity.TOLERANCE)

    oracle.save(str(tmp_path / "theirs"))
    ours, theirs = (tf.train.list_variables(str(tmp_path / name)) for name in ("ours", "theirs"))
    assert [(name, tuple(shape)) for name, shape in theirs] == [(n, tuple(s)) for n, s in ours]
    step = tf.train.load_variable(str(tmp_path / "theirs"), "Model/global_step")
    assert step == case.num_windows
    read_config, weights = read_tutorial_checkpoint(str(tmp_path / "theirs"))
    assert (read_config.hidden_size, read_config.num_layers) == (6, 2)
    for name, weight in weights.items():
        tf1_name = tf1_names.tf1_name(name, mode)
        np.testing.assert_array_equal(weight, trained[f"weights/{tf1_name}"][-1])


# As the tutorial opens its session.
SUPERVISED = """
import json, sys
import tensorflow as tf
with tf.compat.v1.variable_scope("Model"):
    bias = tf.compat.v1.get_variable("softmax_b", [int(sys.argv[2])])
with tf.compat.v1.train.Supervisor(logdir=sys.argv[1]).managed_session() as session:
    print(json.dumps(session.run(bias).tolist()))
"""


@pytest.mark.slow
def test_the_tutorials_supervisor_begins_with_a_written_checkpoint(oracle, tmp_path):
    config = Config(hidden_size=6, num_layers=1)
    model = build_model(config, 30)
    model.initialize(0.5, seed=1)
    weights = model.export_weights()
    write_tutorial_checkpoint(str(tmp_path / "ours"), config, weights)
    command = [os.environ[PYTHON_VARIABLE], "-c", SUPERVISED, str(tmp_path), "30"]
    environment = os.environ | {"TF2_BEHAVIOR": "0"}  # which TensorFlow 2 sets
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    np.testing.assert_array_equal(
        np.array(json.loads(answer.stdout), np.float32), weights["softmax_b"]
    )
