"""Rows of any length and a state become scores and the next state.

Axis letters: B = rows, N = tokens of the longest row, H = hidden size, V = vocabulary size.

A row stands for one text. Rows have different lengths, so an id of -1 is padding: it changes
nothing. No row has a part in another's numbers.
"""

from __future__ import annotations

import math

import tensorflow as tf

from models import inside
from models.dynamic_rnn import dynamic_rnn
from ptb.serving.limits import max_inside_tokens

# Predictions whose softmax is computed at once: [512, 10000] floats are 20 MB.
ROWS_AT_ONCE = 512


class Inference:
    """Runs a `LanguageModel` whose layers are `StaticRNN`."""

    def __init__(self, model):
        self._model = model
        self._cells = [layer.cell for layer in model.recurrent]
        self.vocab_size = model.vocab_size
        self.num_layers, self.num_units = len(self._cells), self._cells[-1].output_size

    @property
    def max_inside_tokens(self) -> int:
        """The maximum number of tokens of one look inside."""
        sizes = [math.prod(w.shape) for cell in self._cells for w in cell.weights]
        return max_inside_tokens(sum(sizes))

    @property
    def state_names(self) -> list[str]:
        """The name of each tensor of the state, in the order in which `tf.nest` flattens it."""
        return [
            f"state_{layer}_{part}"
            for layer, cell in enumerate(self._cells)
            for part in cell.state_names
        ]

    @property
    def variables(self) -> list:
        """The `tf.Variable`s of the weights."""
        return [weight.value for weight in self._model.weights]

    def initial_state(self, batch_size) -> tuple:
        """Zeros: for every layer the parts of its cell's state, such as `(c, h)`, `[B, H]` each."""
        return self._model.initial_state(batch_size)

    def read(self, ids, state: tuple) -> tuple:
        """The top layer's outputs float32 `[N, B, H]` over ids int32 `[B, N]`; the state after."""
        inputs = tf.gather(self._model.embedding.value, tf.maximum(ids, 0))
        # Floats, since oneDNN prints an error for every other type that it should transpose.
        alive = tf.transpose(tf.where(ids >= 0, 1.0, 0.0)) > 0
        return dynamic_rnn(self._cells, tf.transpose(inputs, [1, 0, 2]), alive, state)

    def logits(self, state: tuple):
        """The scores of the next word, float32 `[B, V]`.

        A cell's output is a part of its state, so the state alone has all that they depend on.
        """
        return self._model.logits_after(self._cells[-1].output_of(state[-1]))

    def nats(self, ids):
        """The cross-entropy of each token, float32 `[B, N]`, from all before it and a zero state.

        0 for padding, which must be at the end, and for a row's first token: nothing predicts it.
        """
        targets = ids[:, 1:]
        inputs = tf.where(targets >= 0, ids[:, :-1], -1)
        outputs, _ = self.read(inputs, self.initial_state(tf.shape(ids)[0]))
        places = tf.where(targets >= 0)
        outputs = tf.gather_nd(tf.transpose(outputs, [1, 0, 2]), places)
        nats = self._cross_entropy(outputs, tf.gather_nd(targets, places))
        return tf.scatter_nd(tf.add(places, [0, 1]), nats, tf.shape(ids, tf.int64))

    def look_inside(self, ids, state: tuple) -> tuple:
        """`models.inside.look_inside` of ids int32 `[N]`, with the layers' activations stacked.

        So there are four results: log p float32 `[N]`, the names string `[P]` of a layer's gates
        and parts of the state, these float32 `[L, N, P, H]`, and importance float32 `[N, N]`.
        """
        log_probs, layers, importance = inside.look_inside(self._model, ids, state)
        stacked = [tf.stack(list(layer.values()), axis=1) for layer in layers]
        return log_probs, tf.constant(list(layers[0])), tf.stack(stacked), importance

    def units_that_vary_most(self, activations, names):
        """The units int32 `[NUM_UNITS]` whose output varies most in activations `[N, P, H]`."""
        place = tf.argmax(names == self._cells[-1].output_name)
        return inside.units_that_vary_most(activations[:, place], inside.NUM_UNITS)

    def _cross_entropy(self, outputs, targets):
        """float32 `[R]` for R predictions: outputs `[R, H]` and targets int32 `[R]`."""
        num_rows = tf.shape(targets)[0]
        num_parts = -(-num_rows // ROWS_AT_ONCE)
        parts = tf.TensorArray(tf.float32, num_parts, infer_shape=False, element_shape=[None])
        for part in tf.range(num_parts):
            rows = slice(part * ROWS_AT_ONCE, (part + 1) * ROWS_AT_ONCE)
            nats = self._model.nats_after([outputs[rows]], targets[rows][:, None])
            parts = parts.write(part, nats[:, 0])
        return parts.concat() if num_parts > 0 else tf.zeros([0])
