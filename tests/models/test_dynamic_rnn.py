import numpy as np
import pytest
import tensorflow as tf

from models.cells import GRUCell
from models.dynamic_rnn import dynamic_rnn
from models.registry import CELLS
from models.static_rnn import static_rnn

T, B, H = 5, 3, 4


@pytest.mark.parametrize("name", CELLS)
def test_rows_of_any_length_get_what_the_static_unroll_gives_them(name):
    make = CELLS[name].cell_class()
    cells = [make(H), make(H)]
    inputs = np.random.default_rng(0).normal(size=(T, B, H)).astype(np.float32)
    lengths = np.array([5, 0, 2])
    alive = np.arange(T)[:, None] < lengths
    steps, states = list(inputs), []
    for cell in cells:
        steps, state = static_rnn(cell, steps, dtype=tf.float32, sequence_length=lengths)
        states.append(state)
    zeros = tuple(cell.initial_state(B) for cell in cells)
    outputs, final = tf.function(dynamic_rnn)(cells, inputs, tf.constant(alive), zeros)
    np.testing.assert_allclose(outputs[alive], tf.stack(steps)[alive], atol=1e-6)
    for given, expected in zip(tf.nest.flatten(final), tf.nest.flatten(states), strict=True):
        np.testing.assert_allclose(given, expected, atol=1e-6)


def test_no_steps_leave_the_state_as_it_was():
    cell = GRUCell(H)
    cell.build((None, H))
    state = (tf.ones([B, H]),)
    outputs, (final,) = tf.function(dynamic_rnn)(
        [cell], tf.zeros([0, B, H]), tf.zeros([0, B], tf.bool), (state,)
    )
    assert outputs.shape == (0, B, H)
    np.testing.assert_array_equal(final[0] if isinstance(final, tuple) else final, state[0])
