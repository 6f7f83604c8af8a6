import numpy as np
import pytest
import tensorflow as tf

from ptb.training.config import OPTIMIZERS
from ptb.training.optimizers import BETA_1, BETA_2, EPSILON, SGD, AdamW, make_optimizer


def numpy_adamw(weight, gradients, rates, decay):
    """Kingma and Ba, algorithm 1, with the decay outside, in float64."""
    m = v = np.zeros_like(weight)
    for t, (g, rate) in enumerate(zip(gradients, rates, strict=True), start=1):
        m, v = BETA_1 * m + (1 - BETA_1) * g, BETA_2 * v + (1 - BETA_2) * g * g
        correction = np.sqrt(1 - BETA_2**t)
        step = m / (1 - BETA_1**t) * correction / (np.sqrt(v) + EPSILON)
        weight = weight - rate * decay * weight - rate * step
    return weight


@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_adamw_follows_the_papers_equations(decay):
    rng = np.random.default_rng(0)
    start, gradients = rng.normal(size=(3, 2)), rng.normal(size=(5, 3, 2))
    rates, scale = [0.1, 0.2, 0.3, 0.1, 0.05], 0.5
    weight = tf.Variable(start, dtype=tf.float32)
    optimizer = AdamW({"w": weight}, decay)
    for gradient, rate in zip(gradients, rates, strict=True):
        optimizer.apply([weight], [tf.constant(gradient, tf.float32)], rate, scale)
    expected = numpy_adamw(start, scale * gradients, rates, decay)
    np.testing.assert_allclose(weight, expected, rtol=1e-4, atol=1e-5)


def test_adamw_sums_the_rows_of_a_sparse_gradient_and_leaves_biases_undecayed():
    values = np.array([[1.0], [2.0], [4.0]], np.float32)
    sparse = tf.IndexedSlices(tf.constant(values), tf.constant([2, 0, 2]), tf.constant([3, 1]))
    dense = tf.constant([[2.0], [0.0], [5.0]])
    matrices = [tf.Variable(tf.ones([3, 1])) for _ in range(2)]
    bias = tf.Variable(tf.ones([3]))
    optimizer = AdamW({"a": matrices[0], "b": matrices[1], "bias": bias}, weight_decay=0.1)
    optimizer.apply([*matrices, bias], [sparse, dense, tf.zeros([3])], 0.1, 1.0)
    np.testing.assert_array_equal(matrices[0], matrices[1])
    np.testing.assert_array_equal(bias, np.ones(3))


def test_sgd_touches_only_the_rows_that_a_sparse_gradient_names():
    weight = tf.Variable(tf.ones([3, 1]))
    gradient = tf.IndexedSlices(tf.constant([[1.0], [2.0]]), tf.constant([2, 2]))
    SGD({"w": weight}).apply([weight], [gradient], 0.5, 0.1)
    np.testing.assert_allclose(weight, [[1], [1], [1 - 0.5 * 0.1 * 3]])
    assert SGD({"w": weight}).slots == SGD({"w": weight}).counters == {}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_average_is_mostly_of_the_last_ninth_of_the_steps_then_exponential(name):
    weight, twin = (tf.Variable([1.0, -2.0]) for _ in range(2))
    averaged = make_optimizer(name, {"w": weight}, 0.1, ema_momentum=0.2)
    plain = make_optimizer(name, {"w": twin}, 0.1)
    steps = []
    for gradient in ([1.0, 2.0], [3.0, -1.0], [0.5, 4.0], [-2.0, 1.0]):
        for optimizer, variable in ((averaged, weight), (plain, twin)):
            optimizer.apply([variable], [tf.constant(gradient)], 0.1, 1.0)
        np.testing.assert_array_equal(weight, twin)
        steps.append(twin.numpy().astype(np.float64))
    # 9 / (t + 8) is 1, 0.9, 0.82; then 1 - 0.2 is more than 0.75.
    expected = 0.1 * steps[0] + 0.9 * steps[1]
    expected = 2 / 11 * expected + 9 / 11 * steps[2]
    expected = 0.2 * expected + 0.8 * steps[3]
    np.testing.assert_allclose(averaged.slots["average"]["w"], expected, rtol=1e-6)
    assert set(averaged.slots) - set(plain.slots) == {"average"}
    assert set(averaged.counters) - set(plain.counters) == {"averaged"}
