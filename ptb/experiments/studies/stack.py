"""Many small language models trained side by side: one graph, weights with a leading axis.

Axis letters: G = models, B = batch_size, T = num_steps, K = windows, H = hidden size,
V = vocabulary size, N = tokens.

A study trains one model with many seeds and learning rates. One after the other, most of the time
goes into tracing and into starting small operations. Here all of them share each operation: that is
why this has a step and a loop of its own, and not those of `ptb.training`, which train one model.
The cells are those of `models.cells`, whose equations hold with a leading axis too; a test compares
losses, norms and weights with those of `ptb.training.step.TrainStep`.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import tensorflow as tf

from models.registry import CELLS
from ptb.data import reader

# Rows side by side in scoring: nine in ten thousand tokens start without context.
SCORED_ROWS, SCORED_STEPS = 10, 20

Weights = dict[str, tf.Tensor]


@dataclass(frozen=True)
class Network:
    """The shape of each model: embedding, one recurrent layer, softmax over `outputs`.

    Weights are a dict of float32 tensors: "embedding" `[G, V, H]`, the cell's kernels
    `[G, 2H, columns]` and biases `[G, 1, columns]`, "softmax_w" `[G, H, outputs]` and "softmax_b"
    `[G, 1, outputs]`. A state is a tuple of tensors `[G, B, H]`.
    """

    cell: str
    vocab_size: int
    hidden_size: int
    outputs: int
    forget_bias: float = 0.0

    def shapes(self) -> dict[str, tuple[int, int]]:
        """The shape of each weight of one model, in the order in which `initialize` draws."""
        size = self.hidden_size
        return {
            "embedding": (self.vocab_size, size),
            **_cell_shapes(self.cell, size),
            "softmax_w": (size, self.outputs),
            "softmax_b": (1, self.outputs),
        }

    def initialize(self, seeds, init_scale: float = 0.1) -> Weights:
        """Draws every weight uniformly from +-init_scale, as `LanguageModel.initialize` does."""
        models = []
        for seed in seeds:
            rng = np.random.default_rng(seed)
            models.append(
                [rng.uniform(-init_scale, init_scale, shape) for shape in self.shapes().values()]
            )
        return {
            name: tf.constant(np.stack(values).astype(np.float32))
            for name, values in zip(self.shapes(), zip(*models, strict=True), strict=True)
        }

    def initial_state(self, models: int, rows: int) -> tuple:
        """The zero state."""
        zeros = tf.zeros([models, rows, self.hidden_size])
        return (zeros,) * len(CELLS[self.cell].cell_class().state_names)

    def embed(self, weights: Weights, tokens):
        """Embeds `tokens` `[G, B, T]`: the cell's inputs, one tensor `[T, G, B, H]`."""
        offsets = self.vocab_size * tf.range(tf.shape(tokens)[0])
        places = tf.transpose(tokens + offsets[:, None, None], [2, 0, 1])
        return tf.gather(tf.reshape(weights["embedding"], [-1, self.hidden_size]), places), places

    def step(self, weights: Weights, inputs, state: tuple) -> tuple:
        """One step of the cell: output `[G, B, H]` and next state, from inputs `[G, B, H]`."""
        names = _cell_shapes(self.cell, self.hidden_size)
        cell = _Cell(
            kind=CELLS[self.cell].cell_class(),
            forget_bias=self.forget_bias,
            **{name: weights[name] for name in names},
        )
        output, state = cell.call(inputs, state)
        return output, tuple(state)

    def run(self, weights: Weights, embedded, state: tuple):
        """The T outputs, a list of `[G, B, H]`, and the state after the last."""
        outputs = []
        for inputs in tf.unstack(embedded, axis=0):
            output, state = self.step(weights, inputs, state)
            outputs.append(output)
        return outputs, state

    # As in `LanguageModel`: nothing here branches on a tensor.
    @tf.autograph.experimental.do_not_convert
    def nats(self, weights: Weights, embedded, targets, state: tuple):
        """The cross-entropy of `targets` `[G, B, T]`, float32 `[G, B, T]`, and the next state."""
        outputs, state = self.run(weights, embedded, state)
        shape = tf.shape(targets)
        outputs = tf.reshape(
            tf.stack(outputs, axis=2), [shape[0], shape[1] * shape[2], self.hidden_size]
        )
        logits = tf.matmul(outputs, weights["softmax_w"]) + weights["softmax_b"]
        nats = tf.nn.sparse_softmax_cross_entropy_with_logits(
            tf.reshape(targets, [shape[0], -1]), logits
        )
        return tf.reshape(nats, shape), state

    @tf.autograph.experimental.do_not_convert
    def gradients(self, weights: Weights, tokens, loss) -> tuple:
        """The gradient of each model's cost, and the gradient's global norm.

        Args:
          tokens: int32 `[G, B, T]`, the inputs.
          loss: from the weights and the embedded tokens to the cost of each model, `[G]`, and
            whatever else the caller wants of it.

        Returns:
          gradients like the weights; their global norms `[G]`, in which a word's repeated rows of
          the embedding enter one by one, as in `ptb.training.step`; the costs; the rest of `loss`.
        """
        embedded, places = self.embed(weights, tokens)
        others = {name: weight for name, weight in weights.items() if name != "embedding"}
        with tf.GradientTape() as tape:
            tape.watch((embedded, others))
            costs, rest = loss(others, embedded)
        by_input, gradients = tape.gradient(costs, (embedded, others))
        squares = tf.reduce_sum(tf.square(by_input), axis=[0, 2, 3])
        for gradient in gradients.values():
            squares += tf.reduce_sum(tf.square(gradient), axis=[1, 2])
        size, shape = self.hidden_size, tf.shape(weights["embedding"])
        gradients["embedding"] = tf.reshape(
            tf.math.unsorted_segment_sum(
                tf.reshape(by_input, [-1, size]), tf.reshape(places, [-1]), shape[0] * shape[1]
            ),
            shape,
        )
        return gradients, tf.sqrt(squares), costs, rest


@functools.cache
def the_network(*sizes) -> Network:
    """The only `Network(*sizes)`. TensorFlow reuses a trace while the same object lives."""
    return Network(*sizes)


def clip(norms, max_grad_norm: float):
    """The clipping factor of each model, `[G, 1, 1]`: min(1, max_grad_norm / norm)."""
    return (max_grad_norm / tf.maximum(norms, max_grad_norm))[:, None, None]


def spectral_radius(recurrent) -> np.ndarray:
    """The largest absolute eigenvalue of each matrix `[..., H, H]`; inf where it is not finite."""
    matrices = np.asarray(recurrent, np.float64)
    finite = np.asarray(np.isfinite(matrices).all(axis=(-2, -1)))
    radii = np.abs(np.linalg.eigvals(np.where(finite[..., None, None], matrices, 0))).max(axis=-1)
    return np.where(finite, radii, math.inf)


class _Cell(SimpleNamespace):
    """A cell of class `kind` whose weights are those of all models at once."""

    def __getattr__(self, name: str):
        return functools.partial(getattr(self.kind, name), self)


class Stack:
    """Language models side by side, one for each pair of `learning_rates` and `seeds`.

    `config` is a `ptb.training.config.Config` with one layer; its learning_rate and seed are not
    read, and a learning rate of its schedule is a share of the model's own. `reset_state` zeroes
    the state before each window although the windows follow each other. Random windows come in
    another order for each seed.
    """

    def __init__(self, corpus, config, learning_rates, seeds, reset_state: bool = False):
        self.corpus, self.config = corpus, config
        self.learning_rates, self.seeds = list(learning_rates), list(seeds)
        self.carries_state = config.sampling == "sequential" and not reset_state
        words = len(corpus.vocabulary)
        self.network = the_network(
            config.cell, words, config.hidden_size, words, config.forget_bias
        )
        self.weights = self.network.initialize(self.seeds, config.init_scale)
        self.unigram = math.log(corpus.unigram_perplexity("valid"))
        self._stream = tf.constant(corpus.train)

    def train(self, updates: int | None = None, points: int = 1) -> list[dict]:
        """Trains all models and gives `points` rows for each, evenly spaced.

        For `config.num_epochs`, or for as many epochs as `updates` need. A row has the
        `learning_rate` and `seed`, the `updates` and `words` so far, `train_nats` (while learning)
        and `valid_nats` a word, the `unigram_nats` of a model that knows the words' frequencies
        alone, and of the windows since the last row the mean `grad_norm` before the clip and the
        share of them `clipped`.
        """
        per_epoch = len(self._windows(0)[0])
        updates = updates or per_epoch * self.config.num_epochs
        ends = [updates * point // points for point in range(1, points + 1)]
        rows, since, done = [], [], 0
        for epoch in range(-(-updates // per_epoch)):
            starts, state = self._windows(epoch), None
            first = epoch * per_epoch
            while done < min(first + per_epoch, updates):
                stop = min([first + per_epoch, *(end for end in ends if end > done)])
                state, *measured = self._train(starts[:, done - first : stop - first], state, epoch)
                since.append(measured)
                done = stop
                if done in ends:
                    rows += self._rows(done, since)
                    since = []
        return rows

    def _rows(self, updates: int, since: list) -> list[dict]:
        costs, norms = (np.concatenate(values) for values in zip(*since, strict=True))
        valid = self.nats(self.corpus.valid, self.carries_state)
        words = updates * self.config.batch_size * self.config.num_steps
        return [
            {
                "learning_rate": self.learning_rates[g],
                "seed": self.seeds[g],
                "updates": updates,
                "words": words,
                "train_nats": finite(costs[:, g].mean() / self.config.num_steps),
                "valid_nats": finite(valid[g]),
                "unigram_nats": self.unigram,
                "grad_norm": finite(norms[:, g].mean()),
                "clipped": float((norms[:, g] > self.config.max_grad_norm).mean()),
            }
            for g in range(len(self.seeds))
        ]

    def _windows(self, epoch: int) -> np.ndarray:
        """The start of each row of each window, `[G, K, B]`; G is 1 if all models read the same."""
        config, seeds = self.config, [0]
        if config.sampling == "random":
            seeds = self.seeds
        all_starts = [
            reader.epoch(
                self.corpus.train, config.batch_size, config.num_steps, config.sampling, (s, epoch)
            ).starts
            for s in seeds
        ]
        shortest = min(map(len, all_starts))
        return np.stack([starts[:shortest] for starts in all_starts])

    def _train(self, starts, state, epoch: int):
        config, models = self.config, len(self.seeds)
        share = config.learning_rate_at(epoch) / config.learning_rate
        state = state or self.network.initial_state(models, config.batch_size)
        starts = np.broadcast_to(starts, (models, *starts.shape[1:]))
        starts = tf.constant(starts.transpose(1, 0, 2))
        rates = tf.constant(np.float32(self.learning_rates) * np.float32(share))
        self.weights, state, costs, norms = call_for_any(
            _train_windows,
            {3: 2, **dict.fromkeys((1, 4, 5), 1)},
            self.network,
            self.weights,
            self._stream,
            starts,
            state,
            rates,
            config.num_steps,
            config.max_grad_norm,
            self.carries_state,
        )
        return state, costs.numpy(), norms.numpy()

    def nats(self, ids, carries_state: bool, num_steps: int | None = None) -> np.ndarray:
        """Nats a word of a text, float64 `[G]`; the state carried, or zeroed every `num_steps`."""
        if carries_state:
            num_steps = SCORED_STEPS  # any gives the same
        windows = reader.every_token(ids, SCORED_ROWS, num_steps or self.config.num_steps)
        sums = call_for_any(
            _score,
            {1: 1},
            self.network,
            self.weights,
            tf.constant(windows.stream),
            tf.constant(windows.starts),
            tf.constant(windows.lengths),
            windows.num_steps,
            carries_state,
        )
        return sums.numpy().astype(np.float64).sum(axis=0) / windows.num_tokens


def call_for_any(function, free: dict[int, int], *arguments):
    """The results of a `tf.function` that is traced once, for any number of models.

    `free` says of which arguments how many leading axes may have another length in another call:
    a study tunes with some number of models and measures with another, and a trace takes longer
    than most of its trainings.
    """
    specs = list(arguments)
    for place, axes in free.items():
        specs[place] = tf.nest.map_structure(
            lambda tensor, axes=axes: tf.TensorSpec(
                [None] * axes + tensor.shape[axes:], tensor.dtype
            ),
            arguments[place],
        )
    # Traces for these shapes where it has not done so: what follows then takes that trace.
    function.get_concrete_function(*specs)
    return function(*arguments)


@tf.function
def _train_windows(
    network, weights, stream, starts, state, rates, num_steps, max_grad_norm, carries_state
):
    """K updates by SGD. `starts` int32 `[K, G, B]`, `rates` `[G]`; costs and norms are `[K, G]`."""
    count = tf.shape(starts)[0]
    costs, norms = (tf.TensorArray(tf.float32, count) for _ in range(2))
    for k in tf.range(count):
        tokens = reader.window_tokens(stream, starts[k], num_steps)
        if not carries_state:
            state = tf.nest.map_structure(tf.zeros_like, state)
        gradients, norm, cost, state = window_gradients(network, weights, tokens, state)
        rate = rates[:, None, None] * clip(norm, max_grad_norm)
        weights = {name: weights[name] - rate * gradients[name] for name in weights}
        costs, norms = costs.write(k, cost), norms.write(k, norm)
    return weights, state, costs.stack(), norms.stack()


def window_gradients(network: Network, weights: Weights, tokens, state: tuple):
    """Gradients, norms, costs and next state of a window, `tokens` `[G, B, T + 1]`.

    The cost is summed over the steps and averaged over the rows. No gradient flows into `state`.
    """
    state = tf.nest.map_structure(tf.stop_gradient, state)

    def loss(others, embedded):
        nats, next_state = network.nats(others, embedded, tokens[:, :, 1:], state)
        return tf.reduce_sum(tf.reduce_mean(nats, axis=1), axis=1), next_state

    return network.gradients(weights, tokens[:, :, :-1], loss)


@tf.function
def _score(network, weights, stream, starts, lengths, num_steps, carries_state):
    """Nats of each window, summed over its real targets: float32 `[K, G]`."""
    models = tf.shape(weights["embedding"])[0]
    count, rows = tf.shape(starts)[0], starts.shape[1]
    state = network.initial_state(models, rows)
    sums = tf.TensorArray(tf.float32, count)
    for k in tf.range(count):
        tokens = reader.window_tokens(stream, starts[k], num_steps)
        tokens = tf.broadcast_to(tokens, [models, rows, num_steps + 1])
        if not carries_state:
            state = tf.nest.map_structure(tf.zeros_like, state)
        embedded, _ = network.embed(weights, tokens[:, :, :-1])
        nats, state = network.nats(weights, embedded, tokens[:, :, 1:], state)
        mask = tf.sequence_mask(lengths[k], num_steps, tf.float32)
        sums = sums.write(k, tf.reduce_sum(nats * mask, axis=[1, 2]))
    return sums.stack()


@functools.cache
def _cell_shapes(name: str, size: int) -> dict[str, tuple[int, int]]:
    """The shape of each weight of one cell, a bias as a row. Allocates no weight."""
    with tf.Graph().as_default():
        cell = CELLS[name].cell_class()(size)
        cell.build((None, size))
        shapes = {n: tuple(weight.shape) for n, weight in cell.named_weights().items()}
    return {n: shape if len(shape) == 2 else (1, *shape) for n, shape in shapes.items()}


def finite(value) -> float:
    """The value, or inf if it is NaN, infinite, or larger than any model's loss."""
    return float(value) if np.isfinite(value) and value < 1e30 else math.inf


def stack_of_one(model) -> tuple[Network, Weights]:
    """The network and weights of a trained `models.language_model.LanguageModel` of one layer."""
    (layer,) = model.recurrent
    cell = layer.cell
    (kind,) = (name for name, entry in CELLS.items() if type(cell) is entry.cell_class())
    forget_bias = getattr(cell, "forget_bias", 0.0)
    network = Network(kind, model.vocab_size, cell.num_units, model.vocab_size, forget_bias)
    arrays = {name.removeprefix("layers/0/"): a for name, a in model.export_weights().items()}
    shapes = network.shapes()
    return network, {name: tf.reshape(arrays[name], [1, *shapes[name]]) for name in shapes}
