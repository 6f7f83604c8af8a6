import numpy as np
import pytest
import tensorflow as tf

from models.cells import LSTMCell
from ptb.experiments.studies.gradient_flow import backward_norms, decay, gate_of
from ptb.experiments.studies.stack import Network

B, H, K = 3, 6, 12


class LinearRNN:
    """h' = h W + x, whose gradient is known: d loss / d h_{t-k} = (d loss / d h_t) (W^T)^k."""

    def __init__(self, w):
        self.w = tf.Variable(w)

    def __call__(self, inputs, state):
        h = tf.matmul(state, self.w) + inputs
        return h, h


def norms_of(w, targets):
    rng = np.random.default_rng(1)
    steps = [tf.constant(rng.standard_normal((B, H)), tf.float32) for _ in range(K)]
    cell = LinearRNN(w.astype(np.float32))
    return backward_norms(
        cell, steps, tf.zeros([B, H]), lambda h: tf.reduce_sum(h * targets, axis=1)
    )


def test_the_gradient_of_a_linear_rnn_falls_as_the_powers_of_its_matrix():
    rng = np.random.default_rng(0)
    w, targets = 0.3 * rng.standard_normal((H, H)), rng.standard_normal((B, H)).astype(np.float32)
    norms = norms_of(w, targets)
    gradient, expected = targets.astype(np.float64), []
    for _ in range(K + 1):
        expected.append(np.median(np.linalg.norm(gradient, axis=1)))
        gradient = gradient @ w.T
    np.testing.assert_allclose(norms, expected, rtol=1e-5)


@pytest.mark.parametrize("scale", [0.5, 1.0, 1.5])
def test_a_scaled_rotation_shrinks_or_grows_the_gradient_by_its_scale_at_every_step(scale):
    rng = np.random.default_rng(0)
    rotation, _ = np.linalg.qr(rng.standard_normal((H, H)))
    norms = norms_of(scale * rotation, np.ones((B, H), np.float32))
    np.testing.assert_allclose(norms, np.sqrt(H) * scale ** np.arange(K + 1), rtol=1e-5)
    rows = [{"k": k, "norm": norm, "seed": 1} for k, norm in enumerate(norms)]
    assert decay(rows) == pytest.approx(scale)


def test_models_side_by_side_have_the_norms_of_each():
    rng = np.random.default_rng(0)
    both = 0.3 * rng.standard_normal((2, H, H)).astype(np.float32)
    steps = [tf.constant(rng.standard_normal((2, B, H)), tf.float32) for _ in range(K)]

    def norms(w, inputs, state):
        return backward_norms(LinearRNN(w), inputs, state, lambda h: tf.reduce_sum(h, axis=-1))

    together = norms(both, steps, tf.zeros([2, B, H]))
    for g in range(2):
        alone = norms(both[g], [step[g] for step in steps], tf.zeros([B, H]))
        np.testing.assert_allclose(together[:, g], alone, rtol=1e-5)


@pytest.mark.parametrize(
    ("cell", "gate"), [("rnn", 1.0), ("gru", 0.5), ("lstm", 1 / (1 + 1 / np.e))]
)
def test_the_gate_of_zero_weights_is_that_of_its_bias(cell, gate):
    """The slope of tanh at 0, sigmoid(0), and sigmoid(forget_bias = 1)."""
    network = Network(cell, 5, H, 5, forget_bias=1.0)
    weights = {n: tf.zeros_like(w) for n, w in network.initialize([1, 2]).items()}
    inputs, state = tf.zeros([2, B, H]), network.initial_state(2, B)
    output, _ = network.step(weights, inputs, state)
    gates = gate_of(network, weights, tf.concat([inputs, state[-1]], axis=-1), output)
    np.testing.assert_allclose(gates, np.full((2, B, H), gate), rtol=1e-6)


def test_the_state_of_an_lstm_counts_as_one_vector():
    """With all weights zero: c' = c / 2 and h' = tanh(c') / 2, so only c carries a gradient."""
    cell = LSTMCell(H, forget_bias=0.0)
    cell.build((None, H))
    cell.built = True
    for weight in cell.trainable_weights:
        weight.assign(tf.zeros_like(weight))
    steps = [tf.zeros([B, H]) for _ in range(4)]
    state = cell.initial_state(B)
    norms = backward_norms(cell, steps, state, lambda h: tf.reduce_sum(h, axis=1))
    # At k = 0 the gradient of h is 1 and that of c is 0.5 through the output gate.
    by_c = [0.5 * 0.5**k for k in range(5)]
    expected = np.sqrt(H) * np.array([np.hypot(1, by_c[0]), *by_c[1:]])
    np.testing.assert_allclose(norms, expected, rtol=1e-5)


def test_the_factor_is_not_that_of_a_norm_that_underflows():
    norms = np.float32(0.05) ** np.arange(61, dtype=np.float32)
    assert norms[-1] == 0
    rows = [{"k": k, "norm": float(norm), "seed": 1} for k, norm in enumerate(norms)]
    assert decay(rows) == pytest.approx(0.05, rel=1e-4)
