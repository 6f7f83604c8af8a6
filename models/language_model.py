"""Zaremba's language model: embedding -> dropout -> recurrent layers -> dropout -> softmax.

Axis letters: B = batch_size, T = num_steps, H = hidden size, V = vocabulary size.

The weights depend on neither B nor T, and neither does the class: one model trains on
`[20, 35]` windows and is evaluated on `[1, 100]`. Each weight is named by its path, such as
`layers/0/kernel`, in one canonical form for each cell, so that weights move between unrolls and
checkpoints. `tf1_names` has the names that they had in the tutorial's graph.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from models.adaptive_softmax import adaptive_log_probs, adaptive_nats, levels
from models.dropout import dropout, embedding_dropout, weight_dropout
from models.precision import in_float32, mixed_parts
from models.registry import CELLS, import_all, rnn_modes
from models.regularization import activation_penalty
from models.softmax import softmax_nats
from models.weights import WeightsByPath


def recurrent_layers(
    rnn_mode: str,
    cell: str,
    hidden_size: int,
    num_layers: int,
    forget_bias: float = 0.0,
    precision: str = "float32",
) -> list[keras.layers.Layer]:
    """Makes a stack of recurrent layers.

    Each layer is called as `outputs, next_state = layer(inputs, state)`.

    Args:
      rnn_mode: how the time steps are unrolled: "static", or for an LSTM also "fused" or "keras".
      cell: the recurrent cell: "lstm", "gru", "rnn", "peephole_lstm" or "min_gru".
      hidden_size: units of each layer, H.
      num_layers: number of layers.
      forget_bias: constant added to the LSTM's forget gate.
      precision: a Keras dtype policy such as "mixed_bfloat16". Weights are float32; the lower
        precision is used in training only. In "fused" it applies to matrix products, in other
        modes to the whole layer.

    Raises:
      ValueError: the `cell` is unknown, or has no such `rnn_mode`.
    """
    if cell not in CELLS:
        raise ValueError(f"cell={cell} is unknown: choose from {', '.join(CELLS)}")
    if rnn_mode not in rnn_modes(cell):
        modes = ", ".join(rnn_modes(cell))
        raise ValueError(f"cell={cell} has no rnn_mode={rnn_mode}: choose from {modes}")
    make_cell, make_layer = CELLS[cell].cell_class(), CELLS[cell].layer_class(rnn_mode).of_cell
    options = {"forget_bias": forget_bias} if "forget_bias" in CELLS[cell].reads else {}
    cells = [make_cell(hidden_size, **options, dtype=precision) for _ in range(num_layers)]
    return [make_layer(each) for each in cells]


@keras.saving.register_keras_serializable("models")
class LanguageModel(WeightsByPath, keras.Model):
    """The recurrent language model of Zaremba et al. 2014 (arXiv 1409.2329) as a Keras model.

    Embedding, dropout, recurrent layers with dropout after each, softmax. The state goes in and
    comes out: `logits, next_state = model(tokens, state, training, seed)`.

    The arguments of a call:

    - `tokens`: int32 `[B, T]`.
    - `state`: `model.initial_state(B)`, or the `next_state` of the window before. No gradient flows
      back through it.
    - `training`: whether to apply dropout and the lower precision.
    - `seed`: int32 `[2]`, needed for dropout. It fixes the masks of this window: one for each layer
      and time step, the same in every `rnn_mode`. Weight dropout and embedding dropout have one
      mask for the window.
    - `rows`: which rows of a larger batch these B rows are (see `models.dropout.dropout`), so that
      each replica draws the masks of its own rows.
    - `resets`: bool `[B, T]`, True for a token before which the state of the row is zeroed, because
      a document begins there. Neither state nor gradient crosses.

    The result is `logits`, float32 `[B, T, V]`, the scores of the word after each token, and the
    next state.

    The lower precision of `layers` is used in training only: for the layers, and with bfloat16 for
    the softmax too. Weights, dropout, the state between windows and the losses are float32. Without
    `training` everything is float32, so a trained model has one perplexity.

    Args:
      vocab_size: number of words, V.
      hidden_size: H, also the size of the embedding.
      layers: recurrent layers, from `recurrent_layers`.
      keep_prob: dropout: the probability that a value is kept.
      tie_weights: whether the embedding is the weight of the softmax too (Press and Wolf, arXiv
        1608.05859).
      cutoffs: ids at which the clusters of an adaptive softmax begin (`models.adaptive_softmax`).
        The logits are then log-probabilities. Empty: the ordinary softmax.
      weight_keep_prob: weight dropout: the probability that a recurrent weight is kept.
      activation_regularization, temporal_activation_regularization: the factors of
        `models.regularization`. 0: none.
      embedding_keep_prob: embedding dropout: the probability that a word is kept in a window
        (`models.dropout.embedding_dropout`).
    """

    def __init__(
        self,
        vocab_size: int,
        hidden_size: int,
        layers: list,
        keep_prob: float = 1.0,
        tie_weights: bool = False,
        cutoffs: tuple[int, ...] = (),
        weight_keep_prob: float = 1.0,
        activation_regularization: float = 0.0,
        temporal_activation_regularization: float = 0.0,
        embedding_keep_prob: float = 1.0,
    ):
        super().__init__(dtype="float32")  # in every precision: the layers have their own
        self.vocab_size, self.hidden_size = vocab_size, hidden_size
        self.keep_prob = keep_prob
        self.weight_keep_prob = weight_keep_prob
        self.activation_regularization = activation_regularization
        self.temporal_activation_regularization = temporal_activation_regularization
        self.embedding_keep_prob = embedding_keep_prob
        self.tie_weights = tie_weights
        # Where the vocabulary ends before the head does, there is no second level.
        self.cutoffs = tuple(cutoff for cutoff in cutoffs if cutoff < vocab_size)
        self.recurrent = layers
        self.training_dtype = _training_dtype(layers)
        self.embedding = self._add("embedding", vocab_size, hidden_size)
        for layer in layers:
            if not layer.built:  # as those of a saved model are
                layer.build((None, hidden_size))
        if not tie_weights:
            self.softmax_w = self._add("softmax_w", hidden_size, vocab_size)
        self.softmax_b = self._add("softmax_b", vocab_size)
        if self.cutoffs:
            self.cluster_w = self._add("cluster_w", hidden_size, len(self.cutoffs))
            self.cluster_b = self._add("cluster_b", len(self.cutoffs))
        self.built = True

    def get_config(self) -> dict:
        return {
            "vocab_size": self.vocab_size,
            "hidden_size": self.hidden_size,
            "layers": [keras.saving.serialize_keras_object(layer) for layer in self.recurrent],
            "keep_prob": self.keep_prob,
            "tie_weights": self.tie_weights,
            "cutoffs": list(self.cutoffs),
            "weight_keep_prob": self.weight_keep_prob,
            "activation_regularization": self.activation_regularization,
            "temporal_activation_regularization": self.temporal_activation_regularization,
            "embedding_keep_prob": self.embedding_keep_prob,
        }

    @classmethod
    def from_config(cls, config: dict) -> LanguageModel:
        import_all()  # so that Keras knows their classes
        layers = [keras.saving.deserialize_keras_object(each) for each in config["layers"]]
        return cls(**(config | {"layers": layers}))

    def summary(self, *args, print_fn: Callable[[str], None] = print, **kwargs) -> None:
        """Prints the name, shape and size of every weight. Other arguments are as in Keras."""
        shapes = self.weight_shapes()
        print_fn(f"{self.name}: {' -> '.join(type(layer).__name__ for layer in self.recurrent)}")
        width = max(map(len, shapes))
        for name, shape in shapes.items():
            print_fn(f"  {name:{width}}  {shape!s:>16}  {math.prod(shape):>12,}")
        print_fn(f"  {'in all':{width}}  {'':>16}  {sum(map(math.prod, shapes.values())):>12,}")

    def _add(self, name: str, *shape: int):
        # Zeros until `initialize`: a draw of Keras' own would take time and memory for nothing.
        return self.add_weight(name=name, shape=shape, initializer="zeros")

    def initial_state(self, batch_size: int) -> tuple:
        """The zero state: for each layer a tuple such as `(c, h)`, each part `[B, H]`."""
        return tuple(layer.initial_state(batch_size) for layer in self.recurrent)

    # AutoGraph would rewrite the source of all that these methods call: over a second at each start
    # of a program. Nothing in it branches on a tensor.

    @tf.autograph.experimental.do_not_convert
    def call(self, tokens, state, training=False, seed=None, rows=None, resets=None):
        outputs, next_state = self.outputs(tokens, state, training, seed, rows, resets)
        return self.logits_after(tf.stack(outputs, axis=1)), next_state

    @tf.autograph.experimental.do_not_convert
    def logits_after(self, outputs):
        """The logits, float32 `[..., V]`, from the top layer's `outputs` `[..., H]`."""
        if self.cutoffs:
            return adaptive_log_probs(outputs, self._levels(), self.tie_weights)
        weight = self._softmax_weight()
        return tf.matmul(outputs, weight, transpose_b=self.tie_weights) + self.softmax_b

    @tf.autograph.experimental.do_not_convert
    def nats(self, tokens, targets, state, training=False, seed=None, rows=None, resets=None):
        """The cross-entropy of each target, float32 `[B, T]` in nats, and the next state."""
        outputs, next_state = self.outputs(tokens, state, training, seed, rows, resets)
        return self.nats_after(outputs, targets, training), next_state

    @tf.autograph.experimental.do_not_convert
    def nats_and_penalty(self, tokens, targets, state, seed=None, rows=None, resets=None):
        """The losses of a window in training: `nats`, the penalty of each token, the next state.

        The penalty is a float32 scalar, from `models.regularization`.
        """
        outputs, dropped, next_state = self._outputs(tokens, state, True, seed, rows, resets)
        factors = self.activation_regularization, self.temporal_activation_regularization
        penalty = activation_penalty(outputs, dropped, *factors, resets)
        return self.nats_after(dropped, targets, training=True), penalty, next_state

    @tf.autograph.experimental.do_not_convert
    def nats_after(self, outputs: list, targets, training=False):
        """The cross-entropy of `targets` `[B, T]`, float32 `[B, T]` in nats.

        `outputs` are the T outputs `[B, H]` of the top layer.
        """
        # Float16 has no digits for the probabilities of rare words, of which the gradient consists.
        low = training and self.training_dtype == "bfloat16"
        product_dtype = "bfloat16" if low else "float32"
        num_steps = len(outputs)
        outputs = tf.concat(outputs, axis=0)
        targets = tf.concat(tf.unstack(targets, axis=1), axis=0)
        if self.cutoffs:
            levels, options = self._levels(), (self.tie_weights, product_dtype)
            nats = adaptive_nats(outputs, levels, self.cutoffs, targets, *options)
        else:
            weight, bias = self._softmax_weight(), self.softmax_b.value
            nats = softmax_nats(outputs, weight, bias, targets, self.tie_weights, product_dtype)
        return tf.transpose(tf.reshape(nats, [num_steps, -1]))

    def _softmax_weight(self):
        """The weight of the softmax, `[H, V]`; with tied weights the embedding, `[V, H]`."""
        return (self.embedding if self.tie_weights else self.softmax_w).value

    def _levels(self) -> list:
        return levels(
            tf.convert_to_tensor(self._softmax_weight()),
            self.softmax_b.value,
            self.cluster_w.value,
            self.cluster_b.value,
            self.cutoffs,
            transposed=self.tie_weights,
        )

    @tf.autograph.experimental.do_not_convert
    def outputs(self, tokens, state, training=False, seed=None, rows=None, resets=None):
        """The inputs of the softmax, T tensors `[B, H]`, and the next state."""
        _, dropped, next_state = self._outputs(tokens, state, training, seed, rows, resets)
        return dropped, next_state

    def _outputs(self, tokens, state, training, seed, rows, resets):
        """The top layer's outputs, T tensors `[B, H]`; after dropout; the next state."""
        state = tf.nest.map_structure(tf.stop_gradient, state)
        embedded = self._embed(tokens, training, seed)
        steps = self._dropout(tf.unstack(embedded, axis=1), training, seed, rows, 0)
        # Without resets the graph has nothing of them, and a layer need not know them.
        options = {} if resets is None else {"resets": tf.unstack(resets, axis=1)}
        next_state = []
        for i, (layer, layer_state) in enumerate(zip(self.recurrent, state, strict=True)):
            precision = contextlib.nullcontext() if training else in_float32(layer)
            with precision, self._weight_dropout(layer, training, seed, i):
                results = layer(steps, layer_state, **options)
            outputs, layer_next_state = tf.nest.map_structure(_float32, results)
            steps = self._dropout(outputs, training, seed, rows, i + 1)
            next_state.append(layer_next_state)
        return outputs, steps, tuple(next_state)

    def _embed(self, tokens, training: bool, seed):
        embedded = tf.gather(self.embedding.value, tokens)
        if not training or self.embedding_keep_prob == 1.0:
            return embedded
        # `_dropout` and `_weight_dropout` have the indices up to twice the number of layers.
        seed = _fold_in(seed, 2 * len(self.recurrent) + 1)
        return embedding_dropout(embedded, tokens, self.vocab_size, self.embedding_keep_prob, seed)

    def _dropout(self, steps: list, training: bool, seed, rows, index: int) -> list:
        if not training or self.keep_prob == 1.0:
            return steps
        return dropout(steps, self.keep_prob, _fold_in(seed, index), rows)

    def _weight_dropout(self, layer, training: bool, seed, i: int):
        """The scope in which to call layer `i`: it applies weight dropout in training."""
        if not training or self.weight_keep_prob == 1.0:
            return contextlib.nullcontext()
        # `_dropout` has the indices up to the number of layers.
        index = len(self.recurrent) + 1 + i
        return weight_dropout(layer, self.weight_keep_prob, _fold_in(seed, index))

    def initialize(self, init_scale: float, seed: int, counts: np.ndarray | None = None) -> None:
        """Draws all trainable weights and biases uniformly from +-init_scale, as the paper does.

        With `counts` `[V]`, the count of each word in train, the softmax bias starts at the log of
        the word frequencies instead. The model then begins as a unigram model.
        """
        rng = np.random.default_rng(seed)
        own = self.own_weights()
        weights = {
            name: rng.uniform(-init_scale, init_scale, shape).astype(np.float32)
            if name not in own or own[name].trainable
            else own[name].numpy()
            for name, shape in self.weight_shapes().items()
        }
        if counts is not None:
            shares = (counts + 0.5) / (counts + 0.5).sum()
            weights["softmax_b"] = np.log(shares).astype(np.float32)
            if self.cutoffs:
                clusters = np.add.reduceat(shares, self.cutoffs)
                weights["cluster_b"] = np.log(clusters).astype(np.float32)
        self.import_weights(weights)


def _fold_in(seed, index: int):
    if seed is None:
        raise ValueError("training with dropout needs a seed for the masks")
    return tf.random.fold_in(seed, index)


def _training_dtype(layers: list) -> str:
    """The type in which recurrent layers compute in training."""
    dtypes = (part.compute_dtype for layer in layers for part in mixed_parts(layer))
    return next(dtypes, "float32")


def _float32(tensor):
    return tf.cast(tensor, tf.float32)
