"""Runs a model on rows of any length: token ids and a state give logits and the next state.

Axis letters: B = rows, N = tokens of the longest row, H = hidden size, V = vocabulary size.

A row stands for one text. Rows have different lengths, so an id of -1 is padding: it changes
nothing. No row has a part in another's numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import tensorflow as tf

from models import inside
from models.dynamic_rnn import dynamic_rnn, last_state
from ptb.data.documents import BLANK_LINE, Borders
from ptb.serving.limits import max_inside_tokens

# Predictions whose softmax is computed at once: [512, 10000] floats are 20 MB.
ROWS_AT_ONCE = 512


class Inference:
    """Runs a `LanguageModel` of `StaticRNN` layers on rows of different lengths.

    With `borders`, no state crosses into another document. A blank line is two `<eos>`, so the
    state then has a part more, `after_eos` `[B, 1]`: 1 if the last token was `<eos>`.
    """

    def __init__(self, model, borders: Borders | None = None):
        self._model = model
        self.borders = borders
        self._keeps_eos = borders is not None and borders.at == BLANK_LINE
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
        names = [
            f"state_{layer}_{part}"
            for layer, cell in enumerate(self._cells)
            for part in cell.state_names
        ]
        return [*names, "state_after_eos"] if self._keeps_eos else names

    @property
    def variables(self) -> list:
        """The `tf.Variable`s of the weights."""
        return [weight.value for weight in self._model.weights]

    def initial_state(self, batch_size) -> tuple:
        """The state before the first token: for each layer a tuple such as `(c, h)`, each `[B, H]`.

        Zeros; with `borders`, what an `<eos>` before the document leaves.
        """
        zeros = self._zeros(batch_size)
        if self.borders is None:
            return zeros
        return self.after(tf.fill([batch_size, 1], self.borders.eos), zeros)

    def _zeros(self, batch_size) -> tuple:
        state = self._model.initial_state(batch_size)
        return (*state, tf.zeros([batch_size, 1])) if self._keeps_eos else state

    def read(self, ids, state: tuple) -> tuple:
        """The top layer's outputs float32 `[N, B, H]` over ids int32 `[B, N]`; the state after."""
        return self._unrolled(dynamic_rnn, ids, state)

    def after(self, ids, state: tuple) -> tuple:
        """The state after ids int32 `[B, N]`."""
        return self._unrolled(_without_outputs, ids, state)[1]

    def _unrolled(self, unroll: Callable, ids, state: tuple) -> tuple:
        inputs = tf.gather(self._model.embedding.value, tf.maximum(ids, 0))
        inputs, alive = tf.transpose(inputs, [1, 0, 2]), _transposed(ids >= 0)
        if self.borders is None:
            return unroll(self._cells, inputs, alive, state)
        resets = _transposed(self._resets(ids, state))
        if not self._keeps_eos:
            return unroll(self._cells, inputs, alive, state, resets)
        outputs, of_cells = unroll(self._cells, inputs, alive, state[:-1], resets)
        is_eos, after_eos = ids == self.borders.eos, state[-1] > 0
        last = tf.reduce_max(tf.where(ids >= 0, tf.range(tf.shape(ids)[1]) + 1, 0), axis=1)
        seen = tf.concat([after_eos, is_eos], axis=1)
        after_eos = tf.gather(seen, tf.maximum(last, 0), batch_dims=1)[:, None]
        return outputs, (*of_cells, tf.where(after_eos, 1.0, 0.0))

    def _resets(self, ids, state: tuple):
        """bool `[B, N]`: before which tokens the state is zeroed, with `borders`."""
        is_eos = ids == self.borders.eos
        if not self._keeps_eos:
            return is_eos
        after_eos = state[-1] > 0
        # Padding before the first token leaves what was before it.
        before = tf.where(ids >= 0, is_eos, after_eos)[:, :-1]
        return is_eos & tf.concat([after_eos, before], axis=1)

    def logits(self, state: tuple):
        """The logits of the next word, float32 `[B, V]`.

        A cell's output is a part of its state, so the state alone has all that they depend on.
        """
        top = len(self._cells) - 1
        return self._model.logits_after(self._cells[top].output_of(state[top]))

    def nats(self, ids):
        """The cross-entropy of each token, float32 `[B, N]`, from all before it and a zero state.

        0 for padding, which must be at the end, and for a row's first token, which nothing
        predicts. With `borders` `<eos>` does.
        """
        if self.borders is None:
            return self._nats(ids)
        eos = tf.fill([tf.shape(ids)[0], 1], self.borders.eos)
        return self._nats(tf.concat([eos, ids], axis=1))[:, 1:]

    def _nats(self, ids):
        targets = ids[:, 1:]
        inputs = tf.where(targets >= 0, ids[:, :-1], -1)
        outputs, _ = self.read(inputs, self._zeros(tf.shape(ids)[0]))
        places = tf.where(targets >= 0)
        outputs = tf.gather_nd(tf.transpose(outputs, [1, 0, 2]), places)
        nats = self._cross_entropy(outputs, tf.gather_nd(targets, places))
        return tf.scatter_nd(tf.add(places, [0, 1]), nats, tf.shape(ids, tf.int64))

    def look_inside(self, ids, state: tuple) -> tuple:
        """`models.inside.look_inside` of ids int32 `[N]`, with the layers' activations stacked.

        So there are four results: log p float32 `[N]`, the names string `[P]` of a layer's gates
        and parts of the state, these float32 `[L, N, P, H]`, and importance float32 `[N, N]`.
        """
        resets = None if self.borders is None else self._resets(ids[None], state)[0]
        of_cells = state[:-1] if self._keeps_eos else state
        log_probs, layers, importance = inside.look_inside(self._model, ids, of_cells, resets)
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


def _without_outputs(*arguments) -> tuple:
    return None, last_state(*arguments)


def _transposed(flags):
    """bool `[N, B]` of `[B, N]`. By floats: oneDNN prints an error for every other type."""
    return tf.transpose(tf.where(flags, 1.0, 0.0)) > 0
