"""The base class of recurrent cells: a Keras layer that describes its weights and its state.

Axis letters: B = batch_size, D = size of the input, H = num_units.

A cell is called as `output, next_state = cell(inputs, state)` with `inputs` `[B, D]` and `output`
`[B, H]`, float32. It also works as a cell of `keras.layers.RNN`.
"""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from models.weights import weights_by_path


class Cell(keras.layers.Layer):
    """The base class of recurrent cells: one time step as a Keras layer.

    A cell is called as `output, next_state = cell(inputs, state)`: `inputs` float32 `[B, D]`,
    `output` float32 `[B, H]`. It also works as a cell of `keras.layers.RNN`.

    A subclass defines `build(input_shape)`, which makes the weights with `add_weight` or
    `add_affine`, and `call(inputs, state)`. It may override `state_sizes` and `gates`.

    Attributes:
      state_names: the parts of the state, in order.
      output_name: the part of the state that is also the output. The words that follow a text
        therefore depend on the state alone.
    """

    state_names: tuple[str, ...] = ("h",)
    output_name = "h"

    def __init_subclass__(cls, **kwargs):
        """Registers every cell with Keras, which then finds its class in a saved model."""
        super().__init_subclass__(**kwargs)
        keras.saving.register_keras_serializable(cls.__module__)(cls)

    def __init__(self, num_units: int, kernel_initializer="glorot_uniform", **kwargs):
        super().__init__(**kwargs)
        if num_units < 1:
            raise ValueError(f"num_units={num_units} must be at least 1")
        self.num_units = num_units
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self._recurrent: list[tuple] = []

    @property
    def state_size(self) -> int | list[int]:
        """The sizes of the parts of the state, in the form that `keras.layers.RNN` expects."""
        sizes = list(self.state_sizes().values())
        return sizes if len(sizes) > 1 else sizes[0]

    @property
    def output_size(self) -> int:
        """The size of the output, H."""
        return self.state_sizes()[self.output_name]

    def state_sizes(self) -> dict[str, int]:
        """The size of each part of the state by name; H for each unless overridden."""
        return dict.fromkeys(self.state_names, self.num_units)

    def add_weight(self, *args, name: str | None = None, **kwargs):
        """Adds a weight as in Keras. A weight without a name gets its number in this cell."""
        return super().add_weight(*args, name=name or f"weight_{len(self.weights)}", **kwargs)

    def add_affine(
        self, prefix: str, input_size: int, output_size: int, bias=0.0, recurrent: bool = True
    ):
        """Adds the weights of an affine map of `[x, h]`.

        The kernel is `[D + H, output_size]`; its last H rows are recurrent weights. If `recurrent`
        is False, the kernel is `[D, output_size]` and applies to x alone. The bias is
        `[output_size]`.

        Returns:
          the kernel and the bias.
        """
        num_rows = input_size + (self.num_units if recurrent else 0)
        kernel = self.add_weight(
            shape=(num_rows, output_size),
            initializer=self.kernel_initializer,
            name=f"{prefix}kernel",
        )
        if recurrent:
            self.declare_recurrent(kernel, np.s_[input_size:, :])
        initializer = keras.initializers.Constant(bias)
        return kernel, self.add_weight(
            shape=(output_size,), initializer=initializer, name=f"{prefix}bias"
        )

    def declare_recurrent(self, weight, block: tuple[slice, ...]) -> None:
        """Declares that `weight[block]` multiplies the previous state, for weight dropout.

        `block` is a tuple of slices of step 1, one for each axis. A weight that is not declared is
        not recurrent. Raises ValueError for any other block.
        """
        slices = isinstance(block, tuple) and all(isinstance(each, slice) for each in block)
        if (
            not slices
            or len(block) != len(weight.shape)
            or {each.step for each in block} - {None, 1}
        ):
            raise ValueError(
                f"block={block!r} of {weight.name}: give a tuple of slices of step 1, one for each "
                f"of its {len(weight.shape)} axes"
            )
        self._recurrent.append((weight, block))

    def recurrent_blocks(self) -> list[tuple]:
        """The declared recurrent weights: pairs of a weight and a slice for each of its axes."""
        return list(self._recurrent)

    def named_weights(self) -> dict[str, keras.Variable]:
        """Every weight of the cell by its path. Raises ValueError if two have the same name."""
        return weights_by_path(self)

    def initial_state(self, batch_size: int) -> tuple:
        """The state before the first step: zeros `[B, size]` for each part."""
        return tuple(tf.zeros([batch_size, size]) for size in self.state_sizes().values())

    def get_initial_state(self, batch_size=None):
        """`initial_state` under the name, and as the list, that `keras.layers.RNN` expects."""
        return list(self.initial_state(batch_size))

    def output_of(self, state: tuple):
        """The output `[B, H]` of the step that gave `state`."""
        return state[self.state_names.index(self.output_name)]

    def gates(self, inputs, state) -> dict:
        """The gates and candidates of the step from `state`, by their names in the equations.

        Each is `[B, H]`, after its nonlinearity. Empty unless overridden.
        """
        return {}

    def get_config(self):
        initializer = keras.initializers.serialize(self.kernel_initializer)
        return super().get_config() | {
            "num_units": self.num_units,
            "kernel_initializer": initializer,
        }
