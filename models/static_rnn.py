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

from collections.abc import Mapping, Sequence

import keras
import tensorflow as tf


def static_rnn(
    cell, inputs: Sequence, initial_state=None, dtype=None, sequence_length=None, scope=None
) -> tuple[list, object]:
    """Unrolls a cell over a list of inputs, as TensorFlow 1's `tf.nn.static_rnn` did.

    Args:
      cell: called once for each time step as `output, state = cell(inputs[t], state)`.
      inputs: T tensors `[B, D]`, or nests of `[B, ...]`, one for each time step.
      initial_state: the state before step 0, a nest of tensors `[B, ...]`. None:
        `cell.initial_state(B)`.
      dtype: the type of the zero state. Needed only without `initial_state`.
      sequence_length: int `[B]`. Past the length of a row, its outputs are zero and its state is
        copied through unchanged. A scalar in the state belongs to no row: it changes until the
        longest row ends.
      scope: None. In TensorFlow 1 it was a prefix of the weights' names. Here the cell names its
        weights.

    Returns:
      outputs, a list of T tensors `[B, H]` (or other outputs of the cell), and the state after the
      last step, in the structure of the initial state.

    Raises:
      ValueError: `inputs` is empty; both `initial_state` and `dtype` are missing; `dtype` differs
        from the inputs'; `scope` is given; `sequence_length` is not a vector of B integers, or is
        given for a scalar output, or for a cell that returns a state of another structure.
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


def zero_rows(state, resets):
    """Zeroes the rows of a nest of `[B, ...]` for which bool `resets` `[B]` is True.

    A scalar belongs to no row and is left unchanged.
    """

    def zero(tensor):
        if tensor.shape.rank == 0:
            return tensor
        rows = tf.reshape(resets, [-1] + [1] * (tensor.shape.rank - 1))
        return tf.where(rows, tf.zeros_like(tensor), tensor)

    return tf.nest.map_structure(zero, state)


def static_rnn_with_resets(cell, inputs: Sequence, state, resets: Sequence) -> tuple[list, object]:
    """Unrolls a cell as `static_rnn` does, and zeroes the state of a row where `resets` is True.

    `resets` are T tensors, bool `[B]`: the state is zeroed before that step. No gradient flows back
    through a zeroed state.
    """

    def step(inputs_and_reset, state):
        step_inputs, reset = inputs_and_reset
        return cell(step_inputs, zero_rows(state, reset))

    return static_rnn(step, list(zip(inputs, resets, strict=True)), state)


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


@keras.saving.register_keras_serializable("models")
class StaticRNN(keras.layers.Layer):
    """A recurrent layer that unrolls any cell step by step, with `static_rnn`.

    It is called as `outputs, next_state = layer(inputs, state)`: `inputs` are T tensors `[B, D]`,
    `outputs` T tensors `[B, H]`. The optional `resets`, T tensors bool `[B]`, say before which
    steps the state of a row is zeroed.

    The methods below are the interface that `LanguageModel` needs of every recurrent layer. A layer
    may compute with its weights in a layout of its own. The canonical form is the cell's, so that
    weights move between layers and checkpoints.
    """

    def __init__(self, cell, **kwargs):
        super().__init__(**kwargs)
        self.cell = cell

    @classmethod
    def of_cell(cls, cell) -> StaticRNN:
        """Makes the layer that unrolls `cell`, in the precision of the cell."""
        return cls(cell, dtype=cell.dtype_policy)

    def get_config(self) -> dict:
        return super().get_config() | {"cell": keras.saving.serialize_keras_object(self.cell)}

    @classmethod
    def from_config(cls, config: dict) -> StaticRNN:
        cell = keras.saving.deserialize_keras_object(config["cell"])
        return cls(**(config | {"cell": cell}))

    def build(self, input_shape):
        if not self.cell.built:  # as that of a saved model is
            self.cell.build(input_shape)
            self.cell.built = True

    @property
    def num_units(self) -> int:
        return self.cell.num_units

    def initial_state(self, batch_size: int):
        return self.cell.initial_state(batch_size)

    def call(self, inputs, state, resets=None):
        if resets is None:
            return static_rnn(self.cell, inputs, state)
        return static_rnn_with_resets(self.cell, inputs, state, resets)

    def own_weights(self) -> dict[str, keras.Variable]:
        """The variables by name, in this layer's own layout."""
        return self.cell.named_weights()

    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of the weights by name, in the canonical form."""
        return {name: tuple(weight.shape) for name, weight in self.own_weights().items()}

    def to_canonical(self, values: Mapping, are_weights: bool = True) -> dict:
        """Converts values for the weights from this layer's layout into the canonical form.

        `are_weights` is False for values that are not weights themselves, such as gradients.
        """
        return dict(values)

    def from_canonical(self, values: Mapping, are_weights: bool = True) -> dict:
        """The inverse of `to_canonical`."""
        return dict(values)

    def recurrent_blocks(self) -> list[tuple]:
        """The recurrent weights: pairs of a variable and a slice for each of its axes."""
        return self.cell.recurrent_blocks()

    def in_own_layout(self, mask):
        """Converts a mask of one of the `recurrent_blocks` from the canonical form."""
        return mask
