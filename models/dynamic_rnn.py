"""Unrolls cells over rows of any length: the number of steps is known only when the graph runs.

`static_rnn` puts one copy of the cell into the graph for each time step, which suits training:
windows have one length. A client's text has any length, so here a TensorFlow loop runs one copy of
the cells.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from models.static_rnn import keep_alive, zero_rows


def dynamic_rnn(cells: Sequence, inputs, alive, state: tuple, resets=None) -> tuple:
    """Runs a stack of cells over the real steps of every row.

    Axis letters: B = batch_size, T = time steps, D = size of an input, H = num_units.

    Args:
      cells: the layers from the bottom up, each called as `output, state = cell(inputs, state)`.
      inputs: float32 `[T, B, D]`.
      alive: bool `[T, B]`. Where it is False, the state of a row is copied through unchanged. So
        rows of different lengths can share a batch.
      state: a state for each cell, before the first step.
      resets: bool `[T, B]`, the rows whose state is zeroed before each step. None: no row.

    Returns:
      the outputs of the top cell, float32 `[T, B, H]` (undefined where a row is not alive), and the
      states after the last step.
    """
    num_steps = tf.shape(inputs)[0]
    shape = [inputs.shape[1], cells[-1].output_size]
    outputs = tf.TensorArray(tf.float32, num_steps, element_shape=shape)
    for t in tf.range(num_steps):
        output, state = _step(cells, inputs[t], alive[t], state, _at(resets, t))
        outputs = outputs.write(t, output)
    return stack(outputs, [tf.shape(inputs)[1], shape[1]]), state


def last_state(cells: Sequence, inputs, alive, state: tuple, resets=None) -> tuple:
    """The final states of `dynamic_rnn`, without a list of outputs, which TFLite cannot hold."""
    for t in tf.range(tf.shape(inputs)[0]):
        _, state = _step(cells, inputs[t], alive[t], state, _at(resets, t))
    return state


def _step(cells: Sequence, output, alive, state: tuple, reset) -> tuple:
    """One time step: the top cell's output, and the states after it."""
    if reset is not None:
        state = zero_rows(state, reset)
    next_state = []
    for cell, cell_state in zip(cells, state, strict=True):
        output, new = cell(output, cell_state)
        next_state.append(keep_alive(alive, new, cell_state))
    return output, tuple(next_state)


def _at(resets, t):
    return None if resets is None else resets[t]


def stack(array, element_shape):
    """`array.stack()` for elements of this shape; works for an empty array too."""
    count = array.size()
    if count > 0:
        stacked = array.stack()
    else:
        stacked = tf.zeros(tf.concat([[0], element_shape], 0), array.dtype)
    return stacked
