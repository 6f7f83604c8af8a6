"""One time step of a recurrent network, with TensorFlow 1's weights and equations.

Axis letters: B = batch_size, D = size of the input, H = num_units.

A cell is called as `output, next_state = cell(inputs, state)` (`models.cell`). `[x, h]` is the
concatenation of the input and the previous output along the last axis, so that one product serves
both. The next state of a cell with one part has the form of the state that is given: TensorFlow 1's
was the plain tensor.
"""

from __future__ import annotations

import tensorflow as tf

from models.cell import Cell


class BasicRNNCell(Cell):
    """A plain recurrent cell (Elman 1990), as TF1's `BasicRNNCell`.

        h' = tanh([x, h] kernel + bias)

    `kernel` is `[D + H, H]`, `bias` `[H]`. The state is h, which is also the output.
    """

    def build(self, input_shape):
        self.kernel, self.bias = self.add_affine("", input_shape[-1], self.num_units)

    def call(self, inputs, states):
        (h,) = _as_tuple(states)
        h = tf.tanh(_affine([inputs, h], self.kernel, self.bias))
        return h, _like(states, h)


class GRUCell(Cell):
    """The gated recurrent unit of Cho et al. 2014 (arXiv 1406.1078), as TF1's `GRUCell`.

        r, u = split(sigmoid([x, h] gates_kernel + gates_bias))
        n    = tanh([x, r * h] candidate_kernel + candidate_bias)
        h'   = u * h + (1 - u) * n

    `gates_kernel` is `[D + H, 2H]`, `candidate_kernel` `[D + H, H]`. The state is h, which is also
    the output. The reset gate r acts before the product, unlike in cuDNN and in
    `keras.layers.GRU(reset_after=True)`.
    """

    def build(self, input_shape):
        self.gates_kernel, self.gates_bias = self.add_affine(
            "gates_", input_shape[-1], 2 * self.num_units, bias=1.0
        )
        self.candidate_kernel, self.candidate_bias = self.add_affine(
            "candidate_", input_shape[-1], self.num_units
        )

    def call(self, inputs, states):
        (h,) = _as_tuple(states)
        _, u, n = self.gates(inputs, states).values()
        h = u * h + (1 - u) * n
        return h, _like(states, h)

    def gates(self, inputs, states):
        (h,) = _as_tuple(states)
        gates = tf.sigmoid(_affine([inputs, h], self.gates_kernel, self.gates_bias))
        r, u = tf.split(gates, 2, axis=-1)
        n = tf.tanh(_affine([inputs, r * h], self.candidate_kernel, self.candidate_bias))
        return {"r": r, "u": u, "n": n}


class LSTMCell(Cell):
    """The LSTM of Zaremba et al. 2014 (arXiv 1409.2329), equation 4, as TF1's `BasicLSTMCell`.

        i, j, f, o = split([x, h] kernel + bias)
        c' = sigmoid(f + forget_bias) * c + sigmoid(i) * tanh(j)
        h' = sigmoid(o) * tanh(c')

    `kernel` is `[D + H, 4H]`, `bias` `[4H]`. The state is `(c, h)`, and h is the output.
    `forget_bias` is a constant, separate from `bias`.
    """

    state_names = ("c", "h")

    def __init__(self, num_units: int, forget_bias: float = 1.0, **kwargs):
        super().__init__(num_units, **kwargs)
        self.forget_bias = forget_bias

    def build(self, input_shape):
        self.kernel, self.bias = self.add_affine("", input_shape[-1], 4 * self.num_units)

    def call(self, inputs, states):
        _, (c, h) = self._step(inputs, states)
        return h, (c, h)

    def gates(self, inputs, states):
        return self._step(inputs, states)[0]

    def _step(self, inputs, states):
        """The gates and the next state."""
        c, h = states
        i, j, f, o = tf.split(_affine([inputs, h], self.kernel, self.bias), 4, axis=-1)
        f, i, j = tf.sigmoid(f + self.forget_bias), tf.sigmoid(i), tf.tanh(j)
        c = f * c + i * j
        o = tf.sigmoid(o)
        h = o * tf.tanh(c)
        return {"i": i, "j": j, "f": f, "o": o}, (c, h)

    def get_config(self):
        return super().get_config() | {"forget_bias": self.forget_bias}


class PeepholeLSTMCell(LSTMCell):
    """An LSTM whose gates also read c (Gers and Schmidhuber 2000), as TF1's `LSTMCell`.

        i, j, f, o = split([x, h] kernel + bias)
        c' = sigmoid(f + forget_bias + w_f_diag * c) * c + sigmoid(i + w_i_diag * c) * tanh(j)
        h' = sigmoid(o + w_o_diag * c') * tanh(c')

    The peephole weights `w_f_diag`, `w_i_diag`, `w_o_diag` are `[H]`: each gate reads the c of its
    own unit only. Weight dropout does not apply to them. The rest is as in `LSTMCell`. In TF1 this
    is `LSTMCell(use_peepholes=True)`.
    """

    def build(self, input_shape):
        super().build(input_shape)
        self.w_f_diag, self.w_i_diag, self.w_o_diag = (
            self.add_weight(
                shape=(self.num_units,),
                initializer=self.kernel_initializer,
                name=f"w_{gate}_diag",
            )
            for gate in "fio"
        )

    def _step(self, inputs, states):
        c, h = states
        i, j, f, o = tf.split(_affine([inputs, h], self.kernel, self.bias), 4, axis=-1)
        f, i = f + self.forget_bias + self.w_f_diag * c, i + self.w_i_diag * c
        f, i, j = tf.sigmoid(f), tf.sigmoid(i), tf.tanh(j)
        c = f * c + i * j
        o = tf.sigmoid(o + self.w_o_diag * c)
        h = o * tf.tanh(c)
        return {"i": i, "j": j, "f": f, "o": o}, (c, h)


class MinGRUCell(Cell):
    """The minimal GRU of Feng et al. 2024 (arXiv 2410.01201), section 3.1.2.

        z, n = split(x kernel + bias)
        h'   = (1 - sigmoid(z)) * h + sigmoid(z) * n

    `kernel` is `[D, 2H]`, `bias` `[2H]`. The gate z and the candidate n do not depend on h, so no
    weight is recurrent.
    """

    def build(self, input_shape):
        self.kernel, self.bias = self.add_affine(
            "", input_shape[-1], 2 * self.num_units, recurrent=False
        )

    def call(self, inputs, states):
        (h,) = _as_tuple(states)
        z, n = self.gates(inputs, states).values()
        h = (1 - z) * h + z * n
        return h, _like(states, h)

    def gates(self, inputs, states):
        z, n = tf.split(_affine([inputs], self.kernel, self.bias), 2, axis=-1)
        return {"z": tf.sigmoid(z), "n": n}


def _affine(inputs, kernel, bias):
    return tf.matmul(tf.concat(inputs, axis=-1), kernel) + bias


def _as_tuple(states) -> tuple:
    return tuple(states) if isinstance(states, (list, tuple)) else (states,)


def _like(states, h):
    """`h` as the only part of a tuple, if `states` is one."""
    return (h,) if isinstance(states, (list, tuple)) else h
