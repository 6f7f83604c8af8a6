import keras
import numpy as np
import pytest
import tensorflow as tf

from models.cells import BasicRNNCell, GRUCell, LSTMCell
from models.static_rnn import static_rnn


class Counter:
    """A cell with a closed-form answer: its output counts the steps and adds the input."""

    def initial_state(self, batch_size):
        return tf.zeros([batch_size, 1])

    def __call__(self, inputs, state):
        return inputs + state, state + 1


def test_the_cell_is_called_once_for_each_step_with_the_state_of_the_step_before():
    inputs = [tf.fill([2, 1], 10.0)] * 4
    outputs, state = static_rnn(Counter(), inputs, dtype=tf.float32)
    assert [output.numpy().ravel().tolist() for output in outputs] == [
        [10, 10], [11, 11], [12, 12], [13, 13],
    ]  # fmt: skip
    assert state.numpy().tolist() == [[4], [4]]


def test_an_initial_state_is_where_the_count_begins():
    outputs, _ = static_rnn(Counter(), [tf.zeros([1, 1])], initial_state=tf.fill([1, 1], 7.0))
    assert outputs[0].numpy().tolist() == [[7]]


def test_past_its_length_a_row_gives_zeros_and_keeps_its_state():
    outputs, state = static_rnn(
        Counter(), [tf.fill([2, 1], 10.0)] * 3, dtype=tf.float32, sequence_length=[1, 3]
    )
    assert [output.numpy().ravel().tolist() for output in outputs] == [[10, 10], [0, 11], [0, 12]]
    assert state.numpy().tolist() == [[1], [3]]


def test_inputs_and_a_state_are_required():
    with pytest.raises(ValueError, match="inputs must be a list"):
        static_rnn(Counter(), [], dtype=tf.float32)
    with pytest.raises(ValueError, match="inputs must be a list"):
        static_rnn(Counter(), tf.zeros([3, 2, 1]), dtype=tf.float32)
    with pytest.raises(ValueError, match="dtype=float64 is not that of the inputs"):
        static_rnn(Counter(), [tf.zeros([2, 1])], dtype=tf.float64)
    with pytest.raises(ValueError, match="initial_state, or the dtype"):
        static_rnn(Counter(), [tf.zeros([2, 1])])


@pytest.mark.parametrize("cell_class", [BasicRNNCell, GRUCell, LSTMCell])
def test_cells_run_in_keras_rnn_too(cell_class):
    cell = cell_class(3)
    inputs = np.random.default_rng(0).normal(size=(2, 4, 5)).astype(np.float32)
    expected, _ = static_rnn(cell, tf.unstack(inputs, axis=1), dtype=tf.float32)
    outputs = keras.layers.RNN(cell, return_sequences=True)(inputs)
    np.testing.assert_allclose(outputs, tf.stack(expected, axis=1), atol=1e-6)


def test_a_cell_without_units_is_refused():
    with pytest.raises(ValueError, match="num_units=0"):
        LSTMCell(0)
