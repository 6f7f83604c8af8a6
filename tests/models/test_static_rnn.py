from collections import namedtuple

import keras
import numpy as np
import pytest
import tensorflow as tf

from models.cells import BasicRNNCell, GRUCell, LSTMCell, MinGRUCell
from models.registry import CELLS
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


# What follows with `LENGTHS` was recorded with tf.nn.static_rnn of TensorFlow 1.15.5.
LENGTHS = [1, 3, 2, 0]
PASSED = [[[1], [1], [1], [0]], [[0], [12], [12], [0]], [[0], [23], [0], [0]]]
Pair = namedtuple("Pair", "a b")


def steps(num_steps=3):
    """1, 11, 21, ... in every row."""
    return [tf.fill([4, 1], 10.0 * time + 1) for time in range(num_steps)]


def run(cell, initial_state, num_steps=3, **options):
    """The outputs and the final state as nested lists."""
    options = {"sequence_length": LENGTHS} | options
    results = static_rnn(cell, steps(num_steps), initial_state, **options)
    return tf.nest.map_structure(lambda tensor: np.array(tensor).tolist(), results)


def add_one(inputs, state):
    return inputs + state, state + 1


def test_a_state_of_any_rank_is_kept_by_rows():
    def cell(inputs, state):
        return inputs + state[:, :1, 0], state + 1

    outputs, state = run(cell, tf.zeros([4, 4, 4]))
    assert outputs == PASSED
    np.testing.assert_array_equal(state, np.broadcast_to(np.reshape(LENGTHS, [4, 1, 1]), [4, 4, 4]))


def test_a_scalar_in_the_state_goes_on_until_the_longest_row_ends_and_a_vector_has_rows():
    def cell(inputs, state):
        scalar, vector = state
        return inputs + scalar, (scalar + 1, vector + 1)

    outputs, state = run(cell, (tf.constant(0.0), tf.zeros([4])), num_steps=5)
    assert outputs == [*PASSED, [[0]] * 4, [[0]] * 4]
    assert state == (3, LENGTHS)


def test_outputs_may_be_a_tuple_of_other_sizes():
    def cell(inputs, state):
        return (inputs + state, tf.concat([inputs, state], 1)), state + 1

    outputs, state = run(cell, tf.zeros([4, 1]))
    assert [first for first, _ in outputs] == PASSED
    assert [second for _, second in outputs] == [
        [[1, 0], [1, 0], [1, 0], [0, 0]],
        [[0, 0], [11, 1], [11, 1], [0, 0]],
        [[0, 0], [21, 2], [0, 0], [0, 0]],
    ]
    assert state == [[1], [3], [2], [0]]


def test_a_nested_state_keeps_its_nest():
    def cell(inputs, state):
        (a, (b, c)), d = state
        return inputs + a, [Pair(a + 1, (b + 2, c + 3)), d + 4]

    zeros = tf.zeros([4, 1])
    outputs, (pair, last) = run(cell, [Pair(zeros, (zeros, tf.zeros([4, 2]))), zeros])
    assert outputs == PASSED
    assert isinstance(pair, Pair)
    assert pair == Pair(
        [[1], [3], [2], [0]], ([[2], [6], [4], [0]], [[3] * 2, [9] * 2, [6] * 2, [0] * 2])
    )
    assert last == [[4], [12], [8], [0]]


def test_a_plain_tensor_is_a_state_of_the_gru():
    rows = [0.83972824, 0.8456486, 0.84058833, 1]
    cell = GRUCell(2, kernel_initializer=keras.initializers.Constant(0.1))
    outputs, state = static_rnn(cell, steps(), tf.ones([4, 2]), sequence_length=LENGTHS)
    np.testing.assert_allclose(state, np.transpose([rows] * 2), rtol=1e-6)
    np.testing.assert_allclose(outputs[0][:, 0], [0.83972824] * 3 + [0], rtol=1e-6)


@pytest.mark.parametrize("cell_class", [BasicRNNCell, GRUCell, MinGRUCell])
def test_the_state_comes_out_as_it_goes_in(cell_class):
    cell = cell_class(2)
    plain, in_tuple = (
        static_rnn(cell, steps(), state, sequence_length=LENGTHS)[1]
        for state in (tf.ones([4, 2]), (tf.ones([4, 2]),))
    )
    np.testing.assert_array_equal((plain,), in_tuple)


@pytest.mark.parametrize("lengths", [[2], [2, 1, 1], 2, [[2, 1, 1, 0]], [2.5, 1.0, 1.0, 0.0]])
def test_lengths_that_are_not_one_integer_a_row_are_refused(lengths):
    with pytest.raises(ValueError, match=r"integer .*4 rows"):
        run(add_one, tf.zeros([4, 1]), sequence_length=lengths)


def test_lengths_beyond_the_steps_and_below_zero_are_all_and_none():
    _, state = run(add_one, tf.zeros([4, 1]), sequence_length=[7, -1, 1, 0])
    assert state == [[3], [0], [1], [0]]


def test_what_has_no_rows_to_mask_is_refused():
    with pytest.raises(ValueError, match="scalar"):
        run(lambda inputs, state: (tf.reduce_sum(inputs), state), tf.zeros([4, 1]))
    with pytest.raises(ValueError, match=r"state of 1 .*2"):
        run(lambda inputs, state: (inputs, (state, state)), tf.zeros([4, 1]))
    with pytest.raises(ValueError, match="scope='decoder'"):
        run(add_one, tf.zeros([4, 1]), scope="decoder")


def test_the_inputs_of_a_step_may_be_a_tuple():
    inputs = [(step, tf.concat([step, step], 1)) for step in steps(2)]
    outputs, state = static_rnn(
        lambda pair, state: (pair[0] + state + pair[1][:, :1], state + 1),
        *(inputs, tf.zeros([4, 1]), tf.float32, LENGTHS),
    )
    assert np.array(outputs).tolist() == [[[2], [2], [2], [0]], [[0], [23], [23], [0]]]
    assert np.array(state).tolist() == [[1], [2], [2], [0]]


def test_inputs_and_a_state_are_required():
    with pytest.raises(ValueError, match="a list"):
        static_rnn(Counter(), [], dtype=tf.float32)
    with pytest.raises(ValueError, match="a list"):
        static_rnn(Counter(), tf.zeros([3, 2, 1]), dtype=tf.float32)
    with pytest.raises(ValueError, match="dtype=float64"):
        static_rnn(Counter(), [tf.zeros([2, 1])], dtype=tf.float64)
    with pytest.raises(ValueError, match="initial_state"):
        static_rnn(Counter(), [tf.zeros([2, 1])])


@pytest.mark.parametrize("name", CELLS)
def test_cells_run_in_keras_rnn_too(name):
    cell = CELLS[name].cell_class()(3)
    inputs = np.random.default_rng(0).normal(size=(2, 4, 5)).astype(np.float32)
    expected, _ = static_rnn(cell, tf.unstack(inputs, axis=1), dtype=tf.float32)
    outputs = keras.layers.RNN(cell, return_sequences=True)(inputs)
    np.testing.assert_allclose(outputs, tf.stack(expected, axis=1), atol=1e-6)


def test_a_cell_without_units_is_refused():
    with pytest.raises(ValueError, match="num_units=0"):
        LSTMCell(0)
