"""One time step of a recurrent network, with TensorFlow 1's weights and equations.

Axis letters: B = batch_size, D = size of the input, H = num_units.

A cell is called as `output, next_state = cell(inputs, state)` with `inputs` `[B, D]` and `output`
`[B, H]`, float32. `[x, h]` is the concatenation of the input and the previous output along the
last axis, so that one product serves both. They also work as cells of `keras.layers.RNN`.
"""

from __future__ import annotations

import keras
import tensorflow as tf


class _Cell(keras.layers.Layer):
    """A cell whose state is one `[B, H]` tensor, its previous output, or a tuple of that one.

    The next state has the form of the state that is given: TensorFlow 1's was the plain tensor.
    `tf1_weights` maps the names that the weights had in TensorFlow 1 to the weights.
    """

    def __init__(self, num_units: int, kernel_initializer="glorot_uniform", **kwargs):
        super().__init__(**kwargs)
        if num_units < 1:
            raise ValueError(f"num_units={num_units} must be at least 1")
        self.num_units = num_units
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.state_size = num_units
        self.output_size = num_units
        self.tf1_weights = {}

    def _add_affine(self, tf1_scope: str, input_size: int, output_size: int, bias: float = 0.0):
        """A kernel `[input_size, output_size]` and a bias `[output_size]`."""

        def weight(name, shape, initializer):
            variable = self.add_weight(
                name=(tf1_scope + name).replace("/", "_"), shape=shape, initializer=initializer
            )
            self.tf1_weights[f"{self.tf1_name}/{tf1_scope}{name}"] = variable
            return variable

        kernel = weight("kernel", (input_size, output_size), self.kernel_initializer)
        return kernel, weight("bias", (output_size,), keras.initializers.Constant(bias))

    def initial_state(self, batch_size: int):
        """The state before the first step: zeros."""
        return tf.nest.map_structure(
            lambda size: tf.zeros([batch_size, size]), _as_tuple(self.state_size)
        )

    def get_initial_state(self, batch_size=None):
        """The same under the name that `keras.layers.RNN` asks for, as the list it expects."""
        return keras.tree.flatten(self.initial_state(batch_size))

    def get_config(self):
        initializer = keras.initializers.serialize(self.kernel_initializer)
        return super().get_config() | {
            "num_units": self.num_units,
            "kernel_initializer": initializer,
        }


class BasicRNNCell(_Cell):
    """h' = tanh([x, h] kernel + bias). `kernel` `[D + H, H]`, `bias` `[H]` (Elman 1990)."""

    tf1_name = "basic_rnn_cell"

    def build(self, input_shape):
        self.kernel, self.bias = self._add_affine(
            "", input_shape[-1] + self.num_units, self.num_units
        )

    def call(self, inputs, states):
        (h,) = _as_tuple(states)
        h = tf.tanh(_affine([inputs, h], self.kernel, self.bias))
        return h, _like(states, h)


class GRUCell(_Cell):
    """The gated recurrent unit of Cho et al. 2014 (arXiv 1406.1078), as TF1 computes it.

        r, u = split(sigmoid([x, h] gates_kernel + gates_bias))
        n    = tanh([x, r * h] candidate_kernel + candidate_bias)
        h'   = u * h + (1 - u) * n

    `gates_kernel` `[D + H, 2H]`, `candidate_kernel` `[D + H, H]`. The reset gate r acts before the
    product, unlike in cuDNN and in `keras.layers.GRU(reset_after=True)`.
    """

    tf1_name = "gru_cell"

    def build(self, input_shape):
        size = input_shape[-1] + self.num_units
        self.gates_kernel, self.gates_bias = self._add_affine(
            "gates/", size, 2 * self.num_units, bias=1.0
        )
        self.candidate_kernel, self.candidate_bias = self._add_affine(
            "candidate/", size, self.num_units
        )

    def call(self, inputs, states):
        (h,) = _as_tuple(states)
        gates = tf.sigmoid(_affine([inputs, h], self.gates_kernel, self.gates_bias))
        r, u = tf.split(gates, 2, axis=-1)
        n = tf.tanh(_affine([inputs, r * h], self.candidate_kernel, self.candidate_bias))
        h = u * h + (1 - u) * n
        return h, _like(states, h)


class LSTMCell(_Cell):
    """TF1's `BasicLSTMCell`, the LSTM of Zaremba et al. 2014 (arXiv 1409.2329), equation 4.

        i, j, f, o = split([x, h] kernel + bias)
        c' = sigmoid(f + forget_bias) * c + sigmoid(i) * tanh(j)
        h' = sigmoid(o) * tanh(c')

    `kernel` `[D + H, 4H]`, `bias` `[4H]`. The state is `(c, h)`. `forget_bias` is a constant and no
    part of `bias`.
    """

    tf1_name = "basic_lstm_cell"

    def __init__(self, num_units: int, forget_bias: float = 1.0, **kwargs):
        super().__init__(num_units, **kwargs)
        self.forget_bias = forget_bias
        self.state_size = [num_units, num_units]

    def build(self, input_shape):
        self.kernel, self.bias = self._add_affine(
            "", input_shape[-1] + self.num_units, 4 * self.num_units
        )

    def call(self, inputs, states):
        c, h = states
        i, j, f, o = tf.split(_affine([inputs, h], self.kernel, self.bias), 4, axis=-1)
        c = tf.sigmoid(f + self.forget_bias) * c + tf.sigmoid(i) * tf.tanh(j)
        h = tf.sigmoid(o) * tf.tanh(c)
        return h, (c, h)

    def get_config(self):
        return super().get_config() | {"forget_bias": self.forget_bias}


def layer_scope(layer: int) -> str:
    """Where TensorFlow 1 kept the weights of layer 0, 1, ... of the tutorial's graph."""
    return f"Model/RNN/multi_rnn_cell/cell_{layer}/"


def _affine(inputs, kernel, bias):
    return tf.matmul(tf.concat(inputs, axis=-1), kernel) + bias


def _as_tuple(states) -> tuple:
    return tuple(states) if isinstance(states, (list, tuple)) else (states,)


def _like(states, h):
    """`h` as the only part of a tuple, if `states` is one."""
    return (h,) if isinstance(states, (list, tuple)) else h
