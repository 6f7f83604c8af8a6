"""Layers and a model that use `keras.layers.LSTM`: cuDNN on a GPU, and plain `model.fit`.

Keras and TensorFlow 1 compute the same LSTM from weights that are laid out differently:

    TF1    kernel [D + H, 4H] in the order i, j, f, o     forget_bias a constant of its own
    Keras  kernel [D, 4H], recurrent_kernel [H, 4H] in the order i, f, j, o,
           forget_bias added to `bias`

TF1's is the canonical form, that of `cells.LSTMCell`.

Axis letters: B = batch_size, T = num_steps, D = input size, H = hidden size, V = vocabulary size.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

import keras
import numpy as np
import tensorflow as tf

from models import tf1_names
from models.precision import in_float32
from models.static_rnn import static_rnn_with_resets
from models.weights import check_weights
from ptb.machine.cores import on_gpu

# The variables of Keras's layer, in its order.
OWN_NAMES = ("kernel", "recurrent_kernel", "bias")


@keras.saving.register_keras_serializable("models")
class KerasLSTM(keras.layers.Layer):
    """A recurrent layer that computes with `keras.layers.LSTM`, which uses cuDNN on a GPU.

    It is called as `outputs, next_state = layer(inputs, state)`: `inputs` are T tensors `[B, D]`,
    `outputs` T tensors `[B, H]`, the state is `(c, h)`. The state goes in and comes out, so that it
    can be saved, and each replica can carry its own. To let the layer keep the state, use
    `StatefulLanguageModel`. With `resets` (see `StaticRNN`) the layer is unrolled step by step,
    without cuDNN. On a GPU it computes in float32 instead of bfloat16, in which TensorFlow 2.21's
    cuDNN operation has a gradient of zero (results/gpu.md).
    """

    def __init__(self, num_units: int, forget_bias: float = 1.0, **kwargs):
        super().__init__(**kwargs)
        self.num_units = num_units
        self.forget_bias = forget_bias
        self.lstm = keras.layers.LSTM(
            num_units, return_sequences=True, return_state=True, dtype=self.dtype_policy
        )

    @classmethod
    def of_cell(cls, cell) -> KerasLSTM:
        """Makes the layer that computes the same as an `LSTMCell`, in the same precision."""
        return cls(cell.num_units, cell.forget_bias, dtype=cell.dtype_policy)

    def get_config(self) -> dict:
        return super().get_config() | {
            "num_units": self.num_units,
            "forget_bias": self.forget_bias,
        }

    def build(self, input_shape):
        batch_size, input_size = input_shape
        self.lstm.build((batch_size, None, input_size))

    def initial_state(self, batch_size: int):
        zeros = tf.zeros([batch_size, self.num_units])
        return zeros, zeros

    def __call__(self, *args, **kwargs):
        exact = self.compute_dtype == "bfloat16" and on_gpu()
        with in_float32(self) if exact else contextlib.nullcontext():
            return super().__call__(*args, **kwargs)

    def call(self, inputs, state, resets=None):
        if resets is not None:
            return static_rnn_with_resets(self._step, inputs, state, resets)
        c, h = state
        outputs, h, c = self.lstm(tf.stack(inputs, axis=1), initial_state=[h, c])
        return tf.unstack(outputs, axis=1), (c, h)

    def _step(self, inputs, state):
        c, h = state
        output, (h, c) = self.lstm.cell(inputs, [h, c])
        return output, (c, h)

    def own_weights(self) -> dict[str, keras.Variable]:
        """The variables by name, in the layout of Keras."""
        cell = self.lstm.cell
        return dict(zip(OWN_NAMES, (cell.kernel, cell.recurrent_kernel, cell.bias), strict=True))

    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of the weights by name, in the canonical form."""
        input_size, width = self.lstm.cell.kernel.shape
        return {"kernel": (input_size + self.num_units, width), "bias": (width,)}

    def to_canonical(self, values: Mapping, are_weights: bool = True) -> dict:
        """Converts values for the weights from Keras's layout into TF1's.

        `are_weights` is False for values that are not weights themselves, such as gradients. These
        do not contain the forget bias.
        """
        own = [values[name] for name in OWN_NAMES]
        return to_tf1(own, self.forget_bias if are_weights else 0.0)

    def from_canonical(self, values: Mapping, are_weights: bool = True) -> dict:
        """The inverse of `to_canonical`."""
        own = to_keras(values, self.forget_bias if are_weights else 0.0)
        return dict(zip(OWN_NAMES, own, strict=True))

    def recurrent_blocks(self) -> list[tuple]:
        """The recurrent weights: the whole recurrent kernel, `[H, 4H]`."""
        return [(self.lstm.cell.recurrent_kernel, np.s_[:, :])]

    def in_own_layout(self, mask):
        """Converts a mask `[H, 4H]` from TF1's order of the gates (i, j, f, o) to Keras's."""
        i, j, f, o = tf.split(mask, 4, axis=1)
        return tf.concat([i, f, j, o], axis=1)


@keras.saving.register_keras_serializable("models")
class StatefulLanguageModel(keras.Model):
    """The language model in plain Keras: stateful LSTM layers that keep their own state.

    It is called as `logits = model(tokens)`: tokens int32 `[B, T]`, logits float32 `[B, T, V]`.
    B is fixed.

    Train it with `compile` and `fit`, and with the loss, metric and callback of
    `models.keras_training`. Use `shuffle=False`: a window continues the one before. For the
    tutorial's recipe, use `keras.optimizers.SGD(global_clipnorm=...)`, and take initial weights
    from a `LanguageModel` with
    `import_weights(language_model.export_weights(), config.forget_bias)`. A new model has the
    initial weights of Keras.

    `save` and `save_weights` save the weights and the state, so a loaded model continues the text.
    Into a model of another `batch_size`, `load_weights` loads the weights alone.

    Args:
      vocab_size: number of words, V.
      hidden_size: H, also the size of the embedding.
      num_layers: number of LSTM layers.
      batch_size: rows of a window, B.
      keep_prob: dropout: the probability that a value is kept.
    """

    def __init__(self, vocab_size, hidden_size, num_layers, batch_size, keep_prob=1.0):
        tokens = keras.Input(batch_shape=(batch_size, None), dtype="int32")
        embedding = keras.layers.Embedding(vocab_size, hidden_size)
        lstms = [
            keras.layers.LSTM(hidden_size, return_sequences=True, stateful=True)
            for _ in range(num_layers)
        ]
        softmax = keras.layers.Dense(vocab_size)

        # A Dropout layer on [B, T, H] draws a fresh mask for each time step, as Zaremba does;
        # the LSTM's own `dropout` would keep one mask for the whole window.
        x = keras.layers.Dropout(1 - keep_prob)(embedding(tokens))
        for lstm in lstms:
            x = keras.layers.Dropout(1 - keep_prob)(lstm(x))
        super().__init__(tokens, softmax(x))
        self.embedding, self.lstms, self.softmax = embedding, lstms, softmax
        self._arguments = {
            "vocab_size": vocab_size,
            "hidden_size": hidden_size,
            "num_layers": num_layers,
            "batch_size": batch_size,
            "keep_prob": keep_prob,
        }

    def get_config(self) -> dict:
        return dict(self._arguments)

    def save_own_variables(self, store) -> None:
        """Saves the state of each layer. Keras saves the weights."""
        super().save_own_variables(store)
        for i, lstm in enumerate(self.lstms):
            for name, part in zip(("h", "c"), lstm.states, strict=True):
                store[f"state_{i}_{name}"] = part.numpy()

    def load_own_variables(self, store) -> None:
        """Loads the saved state; zeros if the file has none, or one of another `batch_size`."""
        self.reset_state()
        for i, lstm in enumerate(self.lstms):
            for name, part in zip(("h", "c"), lstm.states, strict=True):
                saved = f"state_{i}_{name}"
                if saved in store and store[saved].shape == tuple(part.shape):
                    part.assign(store[saved])

    def reset_state(self) -> None:
        """Zeroes the state. Call it before each epoch and before another text."""
        for lstm in self.lstms:
            lstm.reset_state()

    def import_weights(self, weights: dict[str, np.ndarray], forget_bias: float) -> None:
        """Loads weights from `LanguageModel.export_weights()`.

        `forget_bias` is that of the language model's layers, such as `config.forget_bias`: TF1 adds
        it in each step, Keras has it in the bias. Raises ValueError for weights of another model:
        of another cell, other sizes, tied weights or an adaptive softmax.
        """
        weights = tf1_names.renamed(weights)
        vocab_size, size = (self._arguments[name] for name in ("vocab_size", "hidden_size"))
        shapes = {
            "embedding": (vocab_size, size),
            "softmax_w": (size, vocab_size),
            "softmax_b": (vocab_size,),
        }
        for i in range(len(self.lstms)):
            shapes |= {f"layers/{i}/kernel": (2 * size, 4 * size), f"layers/{i}/bias": (4 * size,)}
        check_weights(weights, shapes)
        self.embedding.set_weights([weights["embedding"]])
        for i, lstm in enumerate(self.lstms):
            layer = {name: weights[f"layers/{i}/{name}"] for name in ("kernel", "bias")}
            lstm.set_weights(to_keras(layer, forget_bias))
        self.softmax.set_weights([weights["softmax_w"], weights["softmax_b"]])


def to_keras(weights: Mapping[str, np.ndarray], forget_bias: float) -> list[np.ndarray]:
    """`[kernel, recurrent_kernel, bias]` of a Keras LSTM from the kernel and bias of TF1."""
    kernel, bias = weights["kernel"], weights["bias"]
    hidden_size = len(bias) // 4
    i, j, f, o = np.split(np.vstack([kernel, bias]), 4, axis=1)
    f[-1] += forget_bias
    rows = np.concatenate([i, f, j, o], axis=1)
    return [rows[: -1 - hidden_size], rows[-1 - hidden_size : -1], rows[-1]]


def to_tf1(weights: list[np.ndarray], forget_bias: float) -> dict[str, np.ndarray]:
    """The inverse of `to_keras`."""
    i, f, j, o = np.split(np.vstack(weights), 4, axis=1)
    f[-1] -= forget_bias
    rows = np.concatenate([i, j, f, o], axis=1)
    return {"kernel": rows[:-1], "bias": rows[-1]}
