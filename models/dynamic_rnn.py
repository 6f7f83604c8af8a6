"""The unroll for rows of any length: how many steps there are is known only when the graph runs.

`static_rnn` writes one copy of the cell into the graph for each time step, which is what training
wants: windows of one length. A text that someone sends has any length, so here one copy of the
cells stands in a loop of TensorFlow's own.
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
      alive: bool `[T, B]`. Where it is False, a row's state passes through unchanged, so that rows
        of different lengths share a batch and none sees another's padding.
      state: a state for each cell, before the first step.
      resets: bool `[T, B]`: the rows whose state is zeroed before each step; None for none.

    Returns:
      the top cell's outputs float32 `[T, B, H]` (of no meaning where a row is not alive), and the
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
    """The states that `dynamic_rnn` gives. Keeps no outputs, of which TFLite has no list."""
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
    """`array.stack()` of elements of this shape, also of none: TensorFlow refuses that one."""
    count = array.size()
    if count > 0:
        stacked = array.stack()
    else:
        stacked = tf.zeros(tf.concat([[0], element_shape], 0), array.dtype)
    return stacked
