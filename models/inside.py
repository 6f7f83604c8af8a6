"""Looks inside a model while it reads: gates, states, and how much each token matters.

    activations  of every layer, after each token: the gates that its cell names, then its state
    importance   the norm of the gradient of log p(token) for the embedding of an earlier token

The layers are `StaticRNN`. All functions work eagerly and in a graph, for texts of any length.

Axis letters: B = rows, N = tokens of a row, D = size of an embedding, H = units of a layer,
S = numbers of the state of all layers.
"""

from __future__ import annotations

import tensorflow as tf

from models.dynamic_rnn import dynamic_rnn

NUM_UNITS = 3  # that are shown if none are named


class Stack:
    """The layers of a model as one cell whose output is its state `[B, S]`, all parts concatenated.

    So one tensor holds everything through which an earlier token can act.
    """

    def __init__(self, model):
        self.cells = [layer.cell for layer in model.recurrent]
        self._sizes = [list(cell.state_sizes().values()) for cell in self.cells]
        self.output_size = sum(map(sum, self._sizes))

    def __call__(self, inputs, state) -> tuple:
        states = []
        for cell, cell_state in zip(self.cells, self.unpack(state), strict=True):
            inputs, new = cell(inputs, cell_state)
            states.append(new)
        state = self.pack(states)
        return state, state

    def pack(self, states):
        """Concatenates the states of all layers, with parts `[..., size]`, into `[..., S]`."""
        return tf.concat(tf.nest.flatten(states), axis=-1)

    def unpack(self, state) -> list[tuple]:
        """The inverse of `pack`."""
        sizes = [size for sizes in self._sizes for size in sizes]
        parts = iter(tf.split(state, sizes, axis=-1))
        return [tuple(next(parts) for _ in sizes) for sizes in self._sizes]

    def output_of(self, state, layer: int = -1):
        """The output `[..., H]` of a layer."""
        return self.cells[layer].output_of(self.unpack(state)[layer])


def activations(model, ids) -> list[dict]:
    """The gates and the state of each layer after each token, `[B, N, H]` by name.

    `ids` int32 `[B, N]` are read from a zero state. Parts of the state whose size differs from the
    output's are left out.
    """
    stack = Stack(model)
    inputs = _embedded(model, ids)
    before, after = _states(stack, inputs, model.initial_state(tf.shape(ids)[0]))
    return _activations(stack, inputs, before, after)


def look_inside(model, ids, state, resets=None) -> tuple:
    """Reads one text with a model, and returns surprisal, activations and importance.

    Args:
      model: a `LanguageModel` of `StaticRNN` layers.
      ids: int32 `[N]`, the text.
      state: the state of one row, from which to read.
      resets: bool `[N]`, the tokens before which the state is zeroed. None: no token.

    Returns:
      log p of each token float32 `[N]`, the first one from `state`; `activations`, each `[N, H]`;
      importance float32 `[N, N]`, row t of token t as it was predicted, column s of token s as it
      was read, and 0 for s >= t.
    """
    stack = Stack(model)
    inputs = _embedded(model, ids[None])
    if resets is None:
        resets = tf.zeros_like(ids) > 0
    before, after = _states(stack, inputs, state, resets[:, None])
    read_from = tf.where(resets[:, None], 0.0, before[0])
    layers = _activations(stack, inputs, read_from[None], after)
    before = before[0]
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(before)
        log_probs = tf.nn.log_softmax(model.logits_after(stack.output_of(before)))
        log_probs = tf.gather(log_probs, ids, batch_dims=1)
    seeds = tape.gradient(log_probs, before)  # log_probs[t] depends on before[t] alone
    values = [{name: value[0] for name, value in layer.items()} for layer in layers]
    return log_probs, values, _importance(stack, inputs[0], read_from, seeds, resets)


def units_that_vary_most(output, count: int):
    """The units, int32 `[count]`, whose `output` `[N, H]` has the largest standard deviation."""
    spread = tf.math.reduce_std(output, axis=0)
    return tf.argsort(spread, direction="DESCENDING", stable=True)[:count]


def _embedded(model, ids):
    return tf.gather(model.embedding.value, ids)


def _states(stack: Stack, inputs, state, resets=None) -> tuple:
    """The states `[B, N, S]` before and after each of `inputs` `[B, N, D]`.

    At `resets`, bool `[N, B]`, the state before is the one that was left: an input is read from 0.
    """
    inputs = tf.transpose(inputs, [1, 0, 2])
    first = stack.pack(state)
    alive = tf.ones(tf.shape(inputs)[:2]) > 0
    after, _ = dynamic_rnn([stack], inputs, alive, (first,), resets)
    after = tf.transpose(after, [1, 0, 2])
    return tf.concat([first[:, None], after], axis=1)[:, :-1], after


def _activations(stack: Stack, inputs, before, after) -> list[dict]:
    """A gate depends on the input and the state before it alone: those of a text need no loop."""
    layers = []
    for layer, cell in enumerate(stack.cells):
        rows = [_rows(part) for part in (inputs, *stack.unpack(before)[layer])]
        gates = cell.gates(rows[0], tuple(rows[1:]))
        shape = tf.shape(after)[:2]
        values = {
            name: tf.reshape(gate, tf.concat([shape, gate.shape[1:]], 0))
            for name, gate in gates.items()
        }
        values |= dict(zip(cell.state_names, stack.unpack(after)[layer], strict=True))
        layers.append(
            {n: value for n, value in values.items() if value.shape[-1] == cell.output_size}
        )
        inputs = stack.output_of(after, layer)
    return layers


def _rows(tensor):
    """`[B, N, size]` as `[B * N, size]`."""
    return tf.reshape(tensor, [-1, tensor.shape[-1]])


def _importance(stack: Stack, inputs, read_from, seeds, resets):
    """The importance of `inputs` `[N, D]`, read from the states `read_from` `[N, S]`.

    `seeds` `[N, S]` is the gradient of each token's log p for the state before it. From the last
    step to the first, the gradients of all later predictions go back through the step together, a
    row for each, and stop where `resets` bool `[N]` zeroed the state. Of the steps nothing is kept:
    each is computed again for its rows.
    """
    num_tokens = tf.shape(inputs)[0]
    gradients = seeds[:0]
    found = tf.zeros([num_tokens, num_tokens])[:, -1:]
    for s in tf.reverse(tf.range(tf.maximum(num_tokens - 1, 0)), [0]):
        tf.autograph.experimental.set_loop_options(
            shape_invariants=[
                (gradients, tf.TensorShape([None, seeds.shape[1]])),
                (found, tf.TensorShape([None, None])),
            ]
        )
        gradients = tf.concat([seeds[s + 1 : s + 2], gradients], axis=0)
        num_rows = tf.shape(gradients)[0]
        token, state = (
            tf.repeat(each[s : s + 1], num_rows, axis=0) for each in (inputs, read_from)
        )
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([token, state])
            _, after = stack(token, state)
        of_token, gradients = tape.gradient(
            after, [token, state], gradients, unconnected_gradients="zero"
        )
        gradients = tf.where(resets[s], 0.0, gradients)
        column = tf.concat([tf.zeros([s + 1]), tf.norm(of_token, axis=1)], axis=0)
        found = tf.concat([column[:, None], found], axis=1)
    return found
