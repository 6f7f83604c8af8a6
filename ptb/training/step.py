"""The training step: loss, gradient, clipping and update, for many windows in one call.

Axis letters: B = batch_size, T = num_steps, K = windows in one call.

The tutorial's recipe, part by part:

    loss      sum over T of the mean over B of the cross-entropy, in nats; and of the penalty of
              `models.regularization`, which is no part of the cost that is returned
    gradient  of that loss, through the T steps of the window, stopped at the incoming state
    norm      one norm over all gradients (`tf.linalg.global_norm`), each as `tf.gradients` gives
              it: the embedding's has a row for each token of the window, and the rows of a repeated
              word enter one by one, not summed. With `tie_weights` the softmax's part makes that
              gradient dense, so a word's rows and its part of the softmax are summed first
    update    weight -= learning_rate * min(1, max_grad_norm / norm) * gradient, or another
              optimizer's

One replica has all rows, and `replicas` then returns what it is given. If several share the rows,
each computes the loss of its own over B, the gradients are summed, and all make the same update:
the result is that of one machine.
"""

from __future__ import annotations

import math

import numpy as np
import tensorflow as tf

from ptb.data.reader import window_resets, window_tokens
from ptb.training.config import Config
from ptb.training.distribution import Replicas
from ptb.training.optimizers import SGD, named_trainable_weights, optimizer_of

# Float16 ends at 65,504 and loses digits below 6e-5: gradients are computed so many times larger,
# or half as large until they are finite. Every window begins anew, so that what it comes to does
# not depend on those before it; a gradient of 16 is rare where norms are clipped at 5 or 10.
FIRST_LOSS_SCALE = 2.0**12


def train_step(model, config: Config, replicas: Replicas | None = None) -> TrainStep:
    """The step that `config` describes for `model`, with the optimizer."""
    replicas = replicas or Replicas()
    with replicas.scope():
        optimizer = optimizer_of(model, config)
    carries_state = config.sampling == "sequential"
    return TrainStep(
        model, config.num_steps, config.max_grad_norm, carries_state, optimizer, replicas
    )


class TrainStep:
    """Trains a model on K windows in one call: forward, gradient, clipping and update of each.

        costs, grad_norms, state = step(stream, starts, state, learning_rate, first, count, seed)

    The arguments of a call:

    - `stream`: int32 `[N]`, the token ids, on the device.
    - `starts`: int32 `[all windows, B]`, where each row of each window starts, on the device.
    - `state`: the state of all B rows before the first window.
    - `learning_rate`: float32 scalar, or `[all windows]`.
    - `first`, `count`: the windows of this call, K = `count`. Without `count`: all that are left.
    - `seed`: int32 `[2]`, the seed of dropout. Window k draws from (seed, k).
    - `resets`: bool `[N]`, the tokens before which the state is zeroed because a document begins
      there, on the device. None, the default: no token.

    The results are `costs`, float32 `[K]`, the loss in nats before each update; `grad_norms`,
    float32 `[K]`, the global norm before clipping; and the state after the last window.

    With `replicas`, B must be a multiple of their number, and every worker makes the same calls.
    """

    def __init__(
        self,
        model,
        num_steps: int,
        max_grad_norm: float,
        carries_state: bool = True,
        optimizer=None,
        replicas: Replicas | None = None,
    ):
        self._model = model
        self.optimizer = optimizer or SGD(named_trainable_weights(model))
        self._num_steps = num_steps
        self._max_grad_norm = max_grad_norm
        self._carries_state = carries_state
        self._replicas = replicas or Replicas()
        self._scales_loss = model.training_dtype == "float16"

    def __call__(
        self, stream, starts, state, learning_rate, first=0, count=None, seed=(0, 0), resets=None
    ):
        count = len(starts) - first if count is None else count
        learning_rates = tf.constant(np.broadcast_to(np.float32(learning_rate), [len(starts)]))
        first, count = tf.constant(first, tf.int32), tf.constant(count, tf.int32)
        seed = tf.constant(seed, tf.int32)
        return self._windows(stream, starts, state, learning_rates, first, count, seed, resets)

    # Every figure that changes from call to call is a tensor: a call never traces anew. Here and in
    # `Evaluator`, AutoGraph is off: to rewrite the source of all that is called would take time.
    @tf.function(autograph=False)
    def _windows(self, stream, starts, state, learning_rates, first, count, seed, resets):
        end = first + count

        def step(k, costs, grad_norms, state):
            tokens = window_tokens(stream, starts[k], self._num_steps)
            within = window_resets(resets, starts[k], self._num_steps)
            window = tokens, state, learning_rates[k], tf.random.fold_in(seed, k), within
            cost, grad_norm, state = self._on_replicas(window)
            k_th = k - first
            return k + 1, costs.write(k_th, cost), grad_norms.write(k_th, grad_norm), state

        empty = tf.TensorArray(tf.float32, count), tf.TensorArray(tf.float32, count)
        loop = first, *empty, self._replicas.scatter(state)
        _, costs, grad_norms, state = tf.while_loop(lambda k, *_: k < end, step, loop)
        return costs.stack(), grad_norms.stack(), self._replicas.gather(state)

    def _on_replicas(self, window):
        """One window on all replicas; again with half the loss scale where float16 overflowed."""
        replicas = self._replicas

        def run(*loss_scale):
            cost, grad_norm, state = replicas.run(self._window, *window, *loss_scale)
            return replicas.one(cost), replicas.one(grad_norm), state

        if not self._scales_loss:
            return run()

        def overflowed(loss_scale, cost, grad_norm, state):
            return (loss_scale > 1.0) & ~tf.math.is_finite(grad_norm)

        def halved(loss_scale, *_):
            return loss_scale / 2, *run(loss_scale / 2)

        loop = 2 * FIRST_LOSS_SCALE, 0.0, math.inf, window[1]
        return tf.while_loop(overflowed, halved, loop)[1:]

    def _window(self, tokens, state, learning_rate, seed, resets, loss_scale=1.0):
        """One window on one replica: the cost and norm of all rows, the state of its own."""
        if not self._carries_state:
            state = tf.nest.map_structure(tf.zeros_like, state)
        cost, gradients, state = self._gradients(tokens, state, seed, resets, loss_scale)
        variables = self._variables()
        cost, gradients = self._replicas.sum_gradients(cost, gradients, tokens[:, :-1])
        grad_norm = tf.linalg.global_norm(gradients)

        def update():
            scale = self._max_grad_norm / tf.maximum(grad_norm, self._max_grad_norm)
            self.optimizer.apply(variables, gradients, learning_rate, scale)
            return True

        if self._scales_loss:
            tf.cond(tf.math.is_finite(grad_norm), update, lambda: False)
        else:
            update()
        return cost, grad_norm, state

    def _gradients(self, tokens, state, seed, resets, loss_scale):
        """This replica's part of the cost and of its gradients; the next state of its rows."""
        replicas, variables = self._replicas, self._variables()
        own = replicas.rows(tokens)
        if resets is not None:
            resets = replicas.rows(resets)
        with tf.GradientTape() as tape:
            rows = replicas.row_range(tokens.shape[0])
            window = own[:, :-1], own[:, 1:], state
            nats, penalty, state = self._model.nats_and_penalty(*window, seed, rows, resets)
            cost = tf.reduce_sum(tf.reduce_mean(nats, axis=0)) / replicas.count
            loss = cost + self._num_steps * penalty / replicas.count
            scaled = loss * loss_scale if self._scales_loss else loss
        gradients = tape.gradient(scaled, variables)
        if self._scales_loss:
            gradients = [_times(1 / loss_scale, gradient) for gradient in gradients]
        return cost, gradients, state

    def _variables(self):
        return [weight.value for weight in self._model.trainable_weights]


def _times(factor, gradient):
    """factor * gradient, dense or sparse."""
    if isinstance(gradient, tf.IndexedSlices):
        values = factor * gradient.values
        return tf.IndexedSlices(values, gradient.indices, gradient.dense_shape)
    return factor * gradient
