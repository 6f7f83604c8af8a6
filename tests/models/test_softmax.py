import numpy as np
import pytest
import tensorflow as tf

from models.adaptive_softmax import adaptive_log_probs, adaptive_nats, levels
from models.softmax import softmax_nats

N, H, V = 250, 4, 11
CUTOFFS = (3, 7)


def draw(*shapes, seed=0):
    rng = np.random.default_rng(seed)
    return [tf.constant(rng.normal(size=shape), tf.float32) for shape in shapes]


def draw_targets():
    return tf.constant(np.random.default_rng(1).integers(V, size=N), tf.int32)


def log_softmax(x):
    return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))


@pytest.mark.parametrize("transposed", [False, True])
def test_nats_and_their_gradient_are_those_of_the_log_softmax(transposed):
    outputs, weight, bias, upstream = draw((N, H), (H, V), (V,), (N,))
    weight = tf.transpose(weight) if transposed else weight
    targets = draw_targets()
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([outputs, weight, bias])
        nats = softmax_nats(outputs, weight, bias, targets, transposed)
        logits = tf.matmul(outputs, weight, transpose_b=transposed) + bias
        expected = -tf.gather(tf.nn.log_softmax(logits), targets, batch_dims=1)
    np.testing.assert_allclose(nats, expected, rtol=1e-5, atol=1e-6)
    for x in (outputs, weight, bias):
        ours, theirs = (tape.gradient(y, x, output_gradients=upstream) for y in (nats, expected))
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


def test_nats_of_a_target_whose_probability_underflows():
    weight = tf.constant([[200.0, 0.0, -300.0]])
    targets = tf.constant([0, 1, 2])
    outputs, bias = tf.ones((3, 1)), tf.zeros(3)
    with tf.GradientTape() as tape:
        tape.watch(bias)
        nats = softmax_nats(outputs, weight, bias, targets)
    np.testing.assert_array_equal(nats, [0, 200, 500])
    np.testing.assert_array_equal(tape.gradient(nats, bias), [2, -1, -1])


def numpy_adaptive_log_probs(outputs, weight, bias, cluster_w, cluster_b):
    """The two levels written out in float64, with the weight `[H, V]`."""
    x, w, b, cw, cb = (np.float64(a) for a in (outputs, weight, bias, cluster_w, cluster_b))
    head = log_softmax(np.concatenate([x @ w[:, :3] + b[:3], x @ cw + cb], axis=1))
    first = head[:, 3:4] + log_softmax(x @ w[:, 3:7] + b[3:7])
    second = head[:, 4:5] + log_softmax(x @ w[:, 7:] + b[7:])
    return np.concatenate([head[:, :3], first, second], axis=1)


@pytest.mark.parametrize("transposed", [False, True])
def test_adaptive_softmax_is_exact_and_sums_to_one(transposed):
    outputs, weight, bias, cluster_w, cluster_b = draw((N, H), (H, V), (V,), (H, 2), (2,))
    expected = numpy_adaptive_log_probs(outputs, weight, bias, cluster_w, cluster_b)
    weight = tf.transpose(weight) if transposed else weight
    parts = levels(weight, bias, cluster_w, cluster_b, CUTOFFS, transposed)
    log_probs = adaptive_log_probs(outputs, parts, transposed)
    np.testing.assert_allclose(np.exp(log_probs).sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(log_probs, expected, rtol=1e-4, atol=1e-5)
    targets = draw_targets()
    nats = adaptive_nats(outputs, parts, CUTOFFS, targets, transposed)
    np.testing.assert_allclose(nats, -expected[np.arange(N), targets], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("transposed", [False, True])
def test_the_gradient_of_adaptive_nats_is_that_of_the_log_probabilities(transposed):
    outputs, weight, bias, *cluster, upstream = draw((N, H), (H, V), (V,), (H, 2), (2,), (N,))
    weight = tf.transpose(weight) if transposed else weight
    targets = draw_targets()
    with tf.GradientTape(persistent=True) as tape:
        variables = [outputs, weight, bias, *cluster]
        tape.watch(variables)
        parts = levels(weight, bias, *cluster, CUTOFFS, transposed)
        nats = adaptive_nats(outputs, parts, CUTOFFS, targets, transposed)
        log_probs = adaptive_log_probs(outputs, parts, transposed)
        expected = -tf.gather(log_probs, targets, batch_dims=1)
    for x in variables:
        ours, theirs = (tape.gradient(y, x, output_gradients=upstream) for y in (nats, expected))
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


def test_a_cluster_without_a_target_costs_nothing_and_breaks_nothing():
    outputs, weight, bias, cluster_w, cluster_b = draw((5, H), (H, V), (V,), (H, 2), (2,))
    parts = levels(weight, bias, cluster_w, cluster_b, CUTOFFS, transposed=False)
    targets = tf.constant([0, 1, 2, 8, 9])
    nats = adaptive_nats(outputs, parts, CUTOFFS, targets, transposed=False)
    expected = numpy_adaptive_log_probs(outputs, weight, bias, cluster_w, cluster_b)
    np.testing.assert_allclose(nats, -expected[np.arange(5), targets], rtol=1e-4, atol=1e-5)


def test_the_gradient_of_a_tied_weight_has_the_norm_that_tf1_gives_it():
    """TF 1.15.5: `tf.global_norm(tf.gradients(nats, [weight]))` of this weight and these words."""
    weight = tf.Variable(np.arange(10, dtype=np.float32).reshape(5, 2) / 10)
    with tf.GradientTape() as tape:
        embedded = tf.gather(weight, [1, 1, 2])
        nats = softmax_nats(embedded, weight, tf.zeros([5]), tf.constant([1, 2, 3]), True)
    norm = float(tf.linalg.global_norm([tape.gradient(nats, weight)]))
    assert norm == pytest.approx(0.6537318, rel=1e-6)
