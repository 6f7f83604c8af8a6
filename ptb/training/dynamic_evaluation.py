"""Dynamic evaluation: the model keeps learning from the text that it has already predicted.

Krause, Kahembwe, Murray, Renals 2018 (arXiv 1709.07432), section 4, with RMS scaling and decay
towards the trained weights W_0. After each segment of T words, g being its gradient:

    W -= rate * g / (sqrt(M) + EPSILON)  +  decay * (W - W_0) * sqrt(M) / mean(sqrt(M))

M is the mean of g^2 over segments of the train split, for each weight. mean(sqrt(M)) is the mean
over all values of the model, not over variables, so the perplexity does not depend on the
`rnn_mode`. A segment is predicted before it is learned from: the perplexity is exact.
Where documents begin, the state is zeroed; what the weights have learned stays.
"""

from __future__ import annotations

import contextlib

import numpy as np
import tensorflow as tf

from ptb.training.perplexity import Evaluator

EPSILON = 1e-3


class DynamicEvaluator(Evaluator):
    """An `Evaluator` that updates the weights after each window, and restores them at the end.

    M is measured on `train_windows`, windows over train with the `num_steps` of the evaluation.
    The factor of the decay is at most 1 for each weight.
    """

    def __init__(self, model, train_windows, rate: float, decay: float):
        super().__init__(model)
        self._variables = [weight.value for weight in model.trainable_weights]
        squares = _SquaredGradients(model, self._variables)
        squares(train_windows)
        all_rms = [tf.sqrt(total / len(train_windows)) for total in squares.totals]
        # In float64: a float32 sum over millions of numbers loses digits.
        total = sum(rms.numpy().sum(dtype=np.float64) for rms in all_rms)
        mean_rms = np.float32(total / sum(rms.numpy().size for rms in all_rms))
        self._rates = [rate / (rms + EPSILON) for rms in all_rms]
        self._decays = [tf.minimum(decay * rms / mean_rms, 1.0) for rms in all_rms]
        self._trained = [tf.constant(variable.numpy()) for variable in self._variables]

    def __call__(self, windows, progress=lambda tokens: None):
        with self._weights_restored():
            return super().__call__(windows, progress)

    def each(self, windows, progress=lambda tokens: None):
        with self._weights_restored():
            return super().each(windows, progress)

    @contextlib.contextmanager
    def _weights_restored(self):
        """A context at whose end the trained weights return."""
        try:
            yield
        finally:
            for variable, trained in zip(self._variables, self._trained, strict=True):
                variable.assign(trained)

    def _window(self, tokens, targets, mask, state, resets):
        nats, state, gradients = _gradients(
            self._model, self._variables, tokens, targets, mask, state, resets
        )
        weights = zip(self._variables, self._trained, self._rates, self._decays, strict=True)
        for (variable, trained, rate, decay), gradient in zip(weights, gradients, strict=True):
            variable.assign_sub(rate * gradient + decay * (variable - trained))
        return nats, state


class _SquaredGradients(Evaluator):
    """Sums g^2 over all windows, and leaves the weights unchanged."""

    def __init__(self, model, variables: list):
        super().__init__(model)
        self._variables = variables
        self.totals = [tf.Variable(tf.zeros(variable.shape)) for variable in variables]

    def _window(self, tokens, targets, mask, state, resets):
        nats, state, gradients = _gradients(
            self._model, self._variables, tokens, targets, mask, state, resets
        )
        for total, gradient in zip(self.totals, gradients, strict=True):
            total.assign_add(tf.square(gradient))
        return nats, state


def _gradients(model, variables: list, tokens, targets, mask, state, resets):
    """The nats `[B, T]`, the next state, and the gradients of the mean over the real targets."""
    with tf.GradientTape() as tape:
        nats, state = model.nats(tokens, targets, state, resets=resets)
        weights = tf.cast(mask, tf.float32)
        mean = tf.math.divide_no_nan(tf.reduce_sum(nats * weights), tf.reduce_sum(weights))
    gradients = tape.gradient(mean, variables)
    return nats, state, [tf.convert_to_tensor(gradient) for gradient in gradients]
