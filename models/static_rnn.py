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
    cell, inputs: Sequence, initial_state=None, dtype=None, sequence_length=None
) -> tuple[list, object]:
    """Runs `cell` over `inputs`, as TensorFlow 1's `tf.nn.static_rnn` did.

    Args:
      cell: called as `output, state = cell(inputs[t], state)`.
      inputs: T tensors `[B, D]`, one for each time step.
      initial_state: the state before step 0; `cell.initial_state(B)` where there is none.
      dtype: of the zero state; needed only where `initial_state` is not given.
      sequence_length: int `[B]`. Past its length, a row's outputs are zero and its state is
        copied through unchanged.

    Returns:
      outputs, T tensors `[B, H]`, and the state after the last step.

    Raises:
      ValueError: without inputs, without either of `initial_state` and `dtype`, or for a `dtype`
        that is not the inputs'.
    """
    if not isinstance(inputs, (list, tuple)) or not inputs:
        raise ValueError("inputs must be a list of one [B, D] tensor for each time step")
    if initial_state is None and dtype is None:
        raise ValueError("give an initial_state, or the dtype of a state of zeros")
    if dtype is not None and tf.as_dtype(dtype) != tf.convert_to_tensor(inputs[0]).dtype:
        raise ValueError(f"dtype={tf.as_dtype(dtype).name} is not that of the inputs")
    state = initial_state
    if state is None:
        zeros = cell.initial_state(tf.shape(inputs[0])[0])
        state = tf.nest.map_structure(lambda tensor: tf.cast(tensor, dtype), zeros)

    outputs = []
    for time, step_inputs in enumerate(inputs):
        output, next_state = cell(step_inputs, state)
        if sequence_length is not None:
            alive = (time < tf.convert_to_tensor(sequence_length))[:, None]
            output = tf.where(alive, output, tf.zeros_like(output))
            next_state = tf.nest.map_structure(
                lambda new, old, alive=alive: tf.where(alive, new, old), next_state, state
            )
        outputs.append(output)
        state = next_state
    return outputs, state


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
