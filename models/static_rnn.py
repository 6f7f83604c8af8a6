"""The tutorial's unroll: a Python loop that calls the cell once for each time step.

           y_0         y_1         y_2
            |           |           |
    s_0 -> cell -s_1-> cell -s_2-> cell -> s_3          one cell, the same weights each time
            |           |           |
           x_0         x_1         x_2

"Static" says that the number of steps is known when the graph is traced, so the graph holds one
copy of the cell's operations for each step, and backpropagation walks them in reverse.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf


def static_rnn(
    cell, inputs: Sequence, initial_state=None, dtype=None, sequence_length=None, scope=None
) -> tuple[list, object]:
    """Runs `cell` over `inputs`, as TensorFlow 1's `tf.nn.static_rnn` did.

    Args:
      cell: called as `output, state = cell(inputs[t], state)`.
      inputs: T tensors `[B, D]`, or nests of `[B, ...]`, one for each time step.
      initial_state: the state before step 0, a nest of tensors `[B, ...]`;
        `cell.initial_state(B)` if there is none.
      dtype: of the zero state; needed only if `initial_state` is not given.
      sequence_length: int `[B]`. Past its length, a row's outputs are zero and its state is
        copied through unchanged. A scalar in the state belongs to no row: it changes until the
        longest row ends.
      scope: None. In TensorFlow 1 it was the start of the names of the weights; here the cell owns
        its weights, and the names are those of `cell.tf1_weights`.

    Returns:
      outputs, T tensors `[B, H]` or what else the cell gives, and the state after the last step, in
      the structure of the initial state.

    Raises:
      ValueError: without inputs, without either of `initial_state` and `dtype`, for a `dtype` that
        is not the inputs', for a `scope`, for a `sequence_length` that is not a vector of B
        integers, or with lengths for an output that is a scalar, or for a cell that returns a state
        of another structure.
    """
    if not isinstance(inputs, (list, tuple)) or not inputs:
        raise ValueError("inputs must be a list of one [B, D] tensor for each time step")
    if scope is not None:
        raise ValueError(
            f"scope={scope!r} has no meaning here: leave it out, the cell has its name"
        )
    if initial_state is None and dtype is None:
        raise ValueError("give an initial_state, or the dtype of a state of zeros")
    first = tf.convert_to_tensor(tf.nest.flatten(inputs[0])[0])
    if dtype is not None and tf.as_dtype(dtype) != first.dtype:
        raise ValueError(f"dtype={tf.as_dtype(dtype).name} is not that of the inputs")
    state = initial_state
    if state is None:
        zeros = cell.initial_state(tf.shape(first)[0])
        state = tf.nest.map_structure(lambda tensor: tf.cast(tensor, dtype), zeros)
    if sequence_length is not None:
        sequence_length = _lengths(sequence_length, first.shape[0])

    outputs = []
    for time, step_inputs in enumerate(inputs):
        output, next_state = cell(step_inputs, state)
        if sequence_length is not None:
            alive = time < sequence_length
            output = tf.nest.map_structure(lambda value, alive=alive: _zeroed(alive, value), output)
            next_state = keep_alive(alive, next_state, state)
        outputs.append(output)
        state = next_state
    return outputs, state


def keep_alive(alive, new, old):
    """The new state in rows that are alive, bool `[B]`; the old one, of the same nest, elsewhere.

    A scalar in the state is new while any row is alive.
    """
    news, olds = tf.nest.flatten(new), tf.nest.flatten(old)
    try:
        tf.nest.assert_same_structure(old, new, check_types=False)
    except (TypeError, ValueError):
        raise ValueError(
            f"the cell gets a state of {len(olds)} tensors and returns one of {len(news)}, or nests"
            " them in another way: both must have one structure"
        ) from None
    kept = [
        _select(alive, n, o) if n.shape.rank else tf.where(tf.reduce_any(alive), n, o)
        for n, o in zip(news, olds, strict=True)
    ]
    return tf.nest.pack_sequence_as(old, kept)


def _zeroed(alive, output):
    if output.shape.rank == 0:
        raise ValueError("the output of the cell is a scalar: with a sequence_length it needs rows")
    return _select(alive, output, tf.zeros_like(output))


def _select(alive, new, old):
    """TensorFlow 1's `tf.where`: `alive` `[B]` chooses along the first axis, whatever the rank.

    It never broadcasts, so as many rows as `alive` must be there.
    """
    return tf.compat.v1.where(alive, new, old)


def _lengths(sequence_length, batch_size: int | None):
    """int `[B]`. Raises ValueError for anything else."""
    lengths = tf.convert_to_tensor(sequence_length)
    if not lengths.dtype.is_integer or not lengths.shape.is_compatible_with([batch_size]):
        raise ValueError(
            f"sequence_length is {lengths.dtype.name} {lengths.shape}: it must have an integer for "
            f"each of the {'' if batch_size is None else f'{batch_size} '}rows of the inputs"
        )
    return lengths


class StaticRNN(keras.layers.Layer):
    """`static_rnn` as a layer: `outputs, next_state = layer(inputs, state)`.

    `inputs` are T tensors `[B, D]`, `outputs` T tensors `[B, H]`.
    """

    def __init__(self, cell, **kwargs):
        super().__init__(**kwargs)
        self.cell = cell

    def build(self, input_shape):
        self.cell.build(input_shape)
        self.cell.built = True

    @property
    def num_units(self) -> int:
        return self.cell.num_units

    def initial_state(self, batch_size: int):
        return self.cell.initial_state(batch_size)

    def call(self, inputs, state):
        return static_rnn(self.cell, inputs, state)

    def parts(self) -> list:
        """The Keras layers whose precision is that of this one."""
        return [self, self.cell]

    def recurrent_kernels(self) -> list:
        """The variables `[D + H, ...]` whose last H rows are the recurrent weights."""
        return [weight for weight in self.cell.tf1_weights.values() if len(weight.shape) == 2]

    def in_own_layout(self, mask):
        """A mask `[H, gates * H]` in TF1's order of the gates, in that of `recurrent_kernels`."""
        return mask

    def export_weights(self) -> dict[str, np.ndarray]:
        """The weights under the names that they had in TensorFlow 1."""
        return {name: weight.numpy() for name, weight in self.cell.tf1_weights.items()}

    def import_weights(self, weights: dict[str, np.ndarray]) -> None:
        """Takes what `export_weights` of any layer with this cell gave."""
        for name, weight in self.cell.tf1_weights.items():
            weight.assign(weights[name])
