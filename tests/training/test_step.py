import numpy as np
import pytest
import tensorflow as tf

from models.language_model import LanguageModel, recurrent_layers
from ptb.data import reader
from ptb.training.step import TrainStep
from tests.training.numpy_reference import NumpyTutorial

V, H, B, T = 30, 8, 3, 4
TEXT = np.random.default_rng(0).integers(V, size=200).astype(np.int32)
WINDOWS = reader.sequential(TEXT, B, T)


def make_model(rnn_mode="static", keep_prob=1.0, init_scale=0.3, tie_weights=False):
    model = LanguageModel(V, H, recurrent_layers(rnn_mode, "lstm", H, 2), keep_prob, tie_weights)
    model.initialize(init_scale, seed=1)
    return model


def train(model, windows=WINDOWS, max_grad_norm=0.5, calls=1, seed=(1, 0)):
    """Every window once, in `calls` calls."""
    step = TrainStep(model, T, max_grad_norm, windows.carries_state)
    stream, starts = tf.constant(windows.stream), tf.constant(windows.starts)
    state, costs, norms = model.initial_state(B), [], []
    for some in np.array_split(np.arange(len(windows)), calls):
        cost, norm, state = step(stream, starts, state, 1.0, some[0], len(some), seed)
        costs.extend(cost.numpy())
        norms.extend(norm.numpy())
    return np.array(costs), np.array(norms), state


@pytest.mark.parametrize(
    ("max_grad_norm", "rnn_mode", "tie_weights"),
    [
        (0.5, "static", False),
        (100.0, "static", False),
        (0.5, "static", True),
        (0.5, "fused", True),
        (0.5, "keras", True),
    ],
)
def test_costs_norms_and_weights_are_those_of_an_independent_calculation(
    max_grad_norm, rnn_mode, tie_weights
):
    model = make_model(rnn_mode, tie_weights=tie_weights)
    reference = NumpyTutorial(model.export_weights(), B, 0.0, 1.0, max_grad_norm)
    expected = np.array([reference.step(*window) for window in WINDOWS])
    costs, norms, _ = train(model, max_grad_norm=max_grad_norm)
    np.testing.assert_allclose(costs, expected[:, 0], rtol=1e-5)
    np.testing.assert_allclose(norms, expected[:, 1], rtol=1e-5)
    for name, weight in model.export_weights().items():
        np.testing.assert_allclose(weight, reference.weights[name], atol=1e-5)


def test_the_number_of_windows_in_a_call_changes_nothing():
    results = []
    for calls in (1, 3):
        model = make_model(keep_prob=0.6)
        costs, norms, state = train(model, calls=calls)
        results.append((costs, norms, state, model.export_weights()))
    tf.nest.map_structure(np.testing.assert_array_equal, *results)


def test_the_same_seed_repeats_bit_for_bit_and_another_does_not():
    costs = [train(make_model(keep_prob=0.6), seed=seed)[0] for seed in [(1, 0), (1, 0), (2, 0)]]
    np.testing.assert_array_equal(costs[0], costs[1])
    assert (costs[0] != costs[2]).any()


def test_every_window_draws_its_own_dropout_masks():
    model = make_model(keep_prob=0.5)
    same_window_again = np.repeat(WINDOWS.starts[:1], 2, axis=0)
    step = TrainStep(model, T, max_grad_norm=1.0, carries_state=False)
    costs, _, _ = step(tf.constant(TEXT), same_window_again, model.initial_state(B), 0.0)
    assert costs[0] != costs[1]


def test_random_sampling_starts_each_window_from_a_zero_state():
    model = make_model()
    step = TrainStep(model, T, max_grad_norm=1.0, carries_state=False)
    costs, _, _ = step(tf.constant(TEXT), WINDOWS.starts, model.initial_state(B), 0.0)
    for cost, window in zip(costs.numpy(), WINDOWS, strict=True):
        nats, _ = model.nats(*window, model.initial_state(B))
        assert cost == pytest.approx(np.sum(np.mean(nats, axis=0)), rel=1e-5)


@pytest.mark.parametrize("rnn_mode", ["static", "fused", "keras"])
def test_activation_regularization_is_in_the_gradient_and_not_in_the_cost(rnn_mode):
    """Without a learning rate, only the norm shows what the loss is."""
    found = []
    for factors in ((0.0, 0.0), (2.0, 0.5)):
        layers = recurrent_layers(rnn_mode, "lstm", H, 1)
        model = LanguageModel(V, H, layers, 1.0, False, (), 1.0, *factors)
        model.initialize(0.3, seed=1)
        step = TrainStep(model, T, max_grad_norm=1.0)
        costs, norms, _ = step(tf.constant(TEXT), WINDOWS.starts[:1], model.initial_state(B), 0.0)
        found.append((float(costs[0]), float(norms[0])))
    (cost, _), (cost_with, norm_with) = found
    assert cost == cost_with

    (tokens, targets), weights = WINDOWS[0], model.trainable_weights
    with tf.GradientTape() as tape:
        steps, _ = model.outputs(tokens, model.initial_state(B), training=True)
        outputs = tf.stack(steps)
        loss = tf.reduce_sum(
            model.nats_after(steps, targets, training=True)
        ) / B + T * 2.0 * tf.reduce_mean(outputs**2)
        loss += T * 0.5 * tf.reduce_mean((outputs[1:] - outputs[:-1]) ** 2)
    norm = tf.linalg.global_norm(tape.gradient(loss, [weight.value for weight in weights]))
    assert norm_with == pytest.approx(float(norm), rel=1e-5)
    assert norm_with > 1.01 * found[0][1]


def test_a_word_that_the_window_lacks_keeps_its_embedding():
    model = make_model()
    before = model.export_weights()["embedding"]
    step = TrainStep(model, T, max_grad_norm=1.0)
    step(tf.constant(TEXT), WINDOWS.starts[:1], model.initial_state(B), 1.0)
    changed = (model.export_weights()["embedding"] != before).any(axis=1)
    assert set(np.flatnonzero(changed)) == set(WINDOWS[0][0].ravel())


@pytest.mark.parametrize("rnn_mode", ["static", "fused", "keras"])
def test_the_carried_state_is_that_of_the_rows(rnn_mode):
    model = make_model(rnn_mode)
    step = TrainStep(model, T, max_grad_norm=1.0)
    _, _, state = step(tf.constant(TEXT), WINDOWS.starts, model.initial_state(B), 0.0)
    expected = model.initial_state(B)
    for inputs, _ in WINDOWS:
        _, expected = model(inputs, expected)
    tf.nest.map_structure(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), state, expected)
