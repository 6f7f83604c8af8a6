"""Two replicas, here two virtual devices, compute what one computes, and each its own rows."""

import numpy as np
import pytest
import tensorflow as tf

from models.language_model import LanguageModel, recurrent_layers
from models.registry import CELLS
from ptb.data import reader
from ptb.training.config import OPTIMIZERS
from ptb.training.distribution import Replicas
from ptb.training.optimizers import make_optimizer, named_trainable_weights
from ptb.training.perplexity import Evaluator
from ptb.training.state import TrainingState
from ptb.training.step import TrainStep
from tests.training.test_golden_trajectory import trajectory

V, H, B, T = 60, 8, 4, 4
TEXT = np.random.default_rng(0).integers(V, size=1700).astype(np.int32)
WINDOWS = reader.sequential(TEXT, B, T)


@pytest.fixture(scope="module")
def two(two_devices):
    return Replicas(two_devices)


def make_model(
    replicas, rnn_mode="fused", num_layers=1, precision="float32", cell="lstm", **options
):
    with replicas.scope():
        layers = recurrent_layers(rnn_mode, cell, H, num_layers, precision=precision)
        model = LanguageModel(V, H, layers, **options)
    model.initialize(0.3, seed=1)
    return model


def train(replicas, windows=WINDOWS, optimizer="sgd", ema_momentum=0.0, **options):
    """Costs, norms, and at the end the state, the weights and what the optimizer keeps."""
    rate = 0.01 if optimizer == "adamw" else 1.0
    model = make_model(replicas, **options)
    with replicas.scope():
        optimizer = make_optimizer(optimizer, named_trainable_weights(model), 0.01, ema_momentum)
    step = TrainStep(model, T, 0.5, windows.carries_state, optimizer, replicas)
    stream, starts = tf.constant(windows.stream), tf.constant(windows.starts)
    figures = step(stream, starts, model.initial_state(B), rate, seed=(1, 0))
    snapshot = TrainingState(model, optimizer, B).export()
    kept = snapshot.evaluation_weights | snapshot.slots
    return *tf.nest.map_structure(np.array, figures), kept


def assert_equal_runs(one, two, rtol=1e-5, atol=1e-4):
    """`rtol` for every cost and norm, `atol` for the state and every weight at the end."""
    np.testing.assert_allclose(two[0], one[0], rtol=rtol)
    np.testing.assert_allclose(two[1], one[1], rtol=rtol)
    tf.nest.map_structure(lambda a, b: np.testing.assert_allclose(a, b, atol=atol), two[2], one[2])
    for name, weight in one[3].items():
        np.testing.assert_allclose(two[3][name], weight, atol=atol, err_msg=name)


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"rnn_mode": "fused"}, marks=pytest.mark.slow),
        pytest.param({"rnn_mode": "keras"}, marks=pytest.mark.slow),
        # What a step keeps; a sparse gradient of the embedding, and a dense one.
        pytest.param({"optimizer": "adamw", "ema_momentum": 0.9}, marks=pytest.mark.slow),
        {"optimizer": "adamw", "ema_momentum": 0.9, "tie_weights": True, "cutoffs": (20,)},
    ],
    ids=lambda options: " ".join(map(str, options.values())),
)
def test_two_replicas_train_as_one_does(two, options):
    assert len(WINDOWS) > 100
    assert_equal_runs(train(Replicas(), **options), train(two, **options))


SLOW = ("gru", "rnn", "peephole_lstm")


@pytest.mark.parametrize(
    "cell", [pytest.param(c, marks=[pytest.mark.slow] if c in SLOW else []) for c in CELLS]
)
def test_two_replicas_train_every_cell_as_one_does(two, cell):
    options = {"rnn_mode": "static", "cell": cell, "keep_prob": 0.6, "weight_keep_prob": 0.7}
    options |= {"embedding_keep_prob": 0.8}
    options |= {"activation_regularization": 2.0, "temporal_activation_regularization": 1.0}
    runs = [train(replicas, WINDOWS.take(4), **options) for replicas in (Replicas(), two)]
    assert_equal_runs(*runs)


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_two_replicas_train_as_one_does_in_float16(two, optimizer):
    """Each replica rounds its part of a gradient to float16."""
    options = {"optimizer": optimizer, "precision": "mixed_float16", "ema_momentum": 0.9}
    windows = WINDOWS.take(20)
    runs = [train(replicas, windows, **options) for replicas in (Replicas(), two)]
    assert_equal_runs(*runs, rtol=1e-3, atol=1e-3)


def test_random_sampling_starts_every_replica_from_a_zero_state(two):
    windows = reader.random(TEXT, B, T, np.random.default_rng(0)).take(30)
    assert_equal_runs(train(Replicas(), windows), train(two, windows))


def test_a_golden_trajectory_replays_under_two_replicas(request, two):
    files = request.config.getoption("--golden_dir").glob("lstm_sgd*.npz")
    recordings = map(trajectory, sorted(files, key=lambda file: file.stat().st_size))
    golden = next((each for each in recordings if each.batch_size % 2 == 0), None)
    if golden is None:
        pytest.skip("no recording has an even number of rows, which two replicas could share")
    golden.assert_replayed_by("fused", two)


def test_each_replica_carries_the_state_of_its_own_rows(two):
    """Every row is a text of its own, so a state of another row, or window, has other numbers."""
    model = make_model(two, num_layers=2)
    step = TrainStep(model, T, 1.0, replicas=two)
    state = model.initial_state(B)
    for call in range(3):
        _, _, state = step(tf.constant(TEXT), WINDOWS.starts, state, 0.0, 7 * call, 7)
    for row in range(B):
        begin = WINDOWS.starts[0, row]
        _, expected = model(TEXT[None, begin : begin + 21 * T], model.initial_state(1))
        tf.nest.map_structure(
            lambda whole, own, row=row: np.testing.assert_allclose(whole[row], own[0], atol=1e-5),
            state,
            expected,
        )
    h = np.array(state[-1][-1])
    assert all(np.abs(h[i] - h[j]).max() > 1e-3 for i in range(B) for j in range(i))


def test_the_graph_of_a_replica_knows_its_number_of_rows(two):
    """Else the softmax would not be split over the cores."""
    shapes = []

    @tf.function
    def trace(tokens):
        two.run(lambda tokens: shapes.append(two.rows(tokens).shape), tokens)

    trace.get_concrete_function(tf.TensorSpec([B, T], tf.int32))
    assert [tuple(shape) for shape in shapes] == [(B // 2, T)] * 2


@pytest.mark.parametrize("batch_size", [B, 1, 3])
def test_two_replicas_score_as_one_does(two, batch_size):
    windows = reader.every_token(TEXT, batch_size, 7)
    scores = [Evaluator(make_model(r), r)(windows) for r in (Replicas(), two)]
    assert scores[1].tokens == scores[0].tokens == len(TEXT) - 1
    assert scores[1].nats == pytest.approx(scores[0].nats, rel=1e-6)
