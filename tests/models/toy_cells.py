"""Cells as a user may write them, to be registered by tests."""

import keras
import tensorflow as tf

from models.cell import Cell


class ThreePartCell(Cell):
    """A state of three parts of different sizes, of which the first is the output.

    Its weights are made with plain `add_weight`, one without a name, and by a layer within. The
    kernel is `[D, 2H]`, so for D = H its last H rows look as if they were recurrent.
    """

    state_names = ("h", "memory", "count")

    def state_sizes(self):
        return {"h": self.num_units, "memory": 2 * self.num_units, "count": 1}

    def build(self, input_shape):
        size = self.num_units
        self.kernel = self.add_weight(shape=(input_shape[-1], 2 * size), name="kernel")
        self.gain = self.add_weight(shape=(2 * size,))
        self.dense = keras.layers.Dense(size, dtype=self.dtype_policy)
        self.dense.build((None, 2 * size))

    def call(self, inputs, states):
        h, memory, count = states
        memory = 0.5 * memory + self.gain * tf.tanh(tf.matmul(inputs, self.kernel))
        h = tf.tanh(self.dense(memory)) + 0.5 * h
        return h, (h, memory, count + 1)


class OutputFirstCell(Cell):
    """An LSTM without gates whose state is `(h, c)`."""

    state_names = ("h", "c")

    def build(self, input_shape):
        self.kernel, self.bias = self.add_affine("", input_shape[-1], self.num_units)

    def call(self, inputs, states):
        h, c = states
        c = 0.9 * c + tf.matmul(tf.concat([inputs, h], -1), self.kernel) + self.bias
        h = tf.tanh(c)
        return h, (h, c)


class FrozenWeightCell(ThreePartCell):
    """One of its weights is not trained."""

    def build(self, input_shape):
        super().build(input_shape)
        self.kernel.trainable = False


class TwiceNamedCell(Cell):
    """Two of its weights have one name."""

    def build(self, input_shape):
        self.first, self.second = (self.add_weight(shape=(1,), name="w") for _ in range(2))
