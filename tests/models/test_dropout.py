import numpy as np
import pytest
import tensorflow as tf

from models.dropout import dropout, weight_dropout
from models.language_model import recurrent_layers


@pytest.mark.parametrize("size", [1, 3, 8])
def test_the_masks_of_some_rows_are_those_that_the_whole_batch_gets_there(size):
    """Also where a row begins amid the four draws that the generator makes at once."""
    steps, seed = [tf.ones([6, size])] * 5, tf.constant([7, 9])
    whole = np.array(dropout(steps, 0.5, seed))
    for first, count in ((0, 2), (2, 3), (5, 1)):
        own = dropout([step[:count] for step in steps], 0.5, seed, rows=(tf.constant(first), 6))
        np.testing.assert_array_equal(own, whole[:, first : first + count])


def test_weight_dropout_zeroes_weights_from_the_last_output_only_and_for_the_scope_only():
    (layer,) = recurrent_layers("static", "gru", 30, 1)
    layer.build((None, 20))
    before = [kernel.numpy() for kernel, _ in layer.recurrent_blocks()]
    with weight_dropout(layer, 0.8, (1, 2)):
        inside = [np.array(kernel.value) for kernel, _ in layer.recurrent_blocks()]
    assert [kernel.shape for kernel in inside] == [(50, 60), (50, 30)]
    for kernel, dropped in zip(before, inside, strict=True):
        np.testing.assert_array_equal(dropped[:20], kernel[:20])
        scale = dropped[20:] / kernel[20:]
        np.testing.assert_allclose(np.unique(scale.round(5)), [0.0, 1.25])
        assert (scale > 0).mean() == pytest.approx(0.8, abs=0.04)
    for (kernel, _), value in zip(layer.recurrent_blocks(), before, strict=True):
        np.testing.assert_array_equal(kernel.numpy(), value)


def test_the_gradient_of_a_dropped_weight_is_zero_and_that_of_a_kept_one_is_scaled():
    """By finite differences of the weights as they are stored."""
    (layer,) = recurrent_layers("fused", "lstm", 3, 1)
    layer.build((None, 2))
    kernel = layer.cell.kernel
    inputs = tf.unstack(tf.random.stateless_normal([4, 2, 2], (3, 4)))

    def loss(value):
        kernel.assign(value)
        with weight_dropout(layer, 0.5, (1, 2)):
            outputs, _ = layer(inputs, layer.initial_state(2))
        return tf.reduce_sum(tf.square(tf.stack(outputs)))

    start = kernel.numpy()
    with tf.GradientTape() as tape:
        cost = loss(start)
    gradient = np.array(tape.gradient(cost, kernel.value))
    differences = np.zeros_like(start)
    for index in np.ndindex(*start.shape):
        nudge = np.zeros_like(start)
        nudge[index] = 1e-2
        differences[index] = (loss(start + nudge) - loss(start - nudge)) / 2e-2
    np.testing.assert_allclose(gradient, differences, atol=2e-3)
    assert (gradient[2:] == 0).mean() == pytest.approx(0.5, abs=0.2)
    assert (gradient[:2] != 0).all()


@pytest.mark.parametrize("rnn_mode", ["static", "fused"])
def test_weight_dropout_is_one_mask_for_all_rows_and_steps_of_a_window(rnn_mode):
    """The outputs are those of a layer that has the masked weights for good."""
    (layer,) = recurrent_layers(rnn_mode, "lstm", 8, 1)
    layer.build((None, 3))
    inputs = tf.unstack(tf.random.stateless_normal([6, 4, 3], (3, 4)))

    def outputs():
        return np.array(layer(inputs, layer.initial_state(4))[0])

    with weight_dropout(layer, 0.5, (1, 2)):
        dropped, masked = outputs(), np.array(layer.cell.kernel.value)
    with weight_dropout(layer, 0.5, (1, 3)):
        assert (outputs()[1:] != dropped[1:]).any()
    layer.cell.kernel.assign(masked)
    np.testing.assert_allclose(outputs(), dropped, rtol=1e-6)
