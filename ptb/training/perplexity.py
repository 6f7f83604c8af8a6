"""Exact perplexity: adds up nats and token counts, and exponentiates once at the end."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from models.static_rnn import zero_rows
from ptb.data.documents import Borders
from ptb.data.reader import every_token, window_resets, window_tokens
from ptb.data.summary import exp_of_nats
from ptb.training.distribution import Replicas

WINDOWS_PER_CALL = 20


@dataclass(frozen=True)
class Score:
    """The cross-entropy of a text.

    Attributes:
      nats: the sum of -log p over all predicted tokens.
      tokens: the number of predicted tokens.
      seconds: the time that it took.
    """

    nats: float
    tokens: int
    seconds: float

    @property
    def perplexity(self) -> float:
        """exp(nats / tokens); infinite if that exceeds float64."""
        return exp_of_nats(self.nats / self.tokens)

    @property
    def words_per_second(self) -> float:
        return self.tokens / self.seconds


class Evaluator:
    """Scores texts with one model. The weights may change between calls.

    Traced for the first text, and once more, for any length, for a text of another length.
    `replicas` share the rows of the windows.
    """

    def __init__(self, model, replicas: Replicas | None = None):
        self._model = model
        self._replicas = replicas or Replicas()

    def __call__(self, windows, progress=lambda tokens: None) -> Score:
        """Computes the exact score over the real targets of `windows` (`reader.every_token`).

        The state starts at zero, and is carried where the windows carry it; else it is zeroed.
        `progress` is called with the count of tokens since the call before.
        """
        began = time.perf_counter()
        windows = windows.fill_rows(self._replicas.count)
        text = _on_device(windows)
        state = self._initial_state(windows.batch_size)
        nats = tf.constant(0.0, tf.float64)
        for k in range(0, len(windows), WINDOWS_PER_CALL):
            last = min(k + WINDOWS_PER_CALL, len(windows))
            part = tf.constant(k), tf.constant(last)
            nats, state = self._score(text, *part, nats, state, windows.num_steps)
            progress(int(windows.lengths[k:last].sum()))
        return Score(float(nats), windows.num_tokens, time.perf_counter() - began)

    def each(self, windows, progress=lambda tokens: None) -> np.ndarray:
        """The nats of each token of `windows.stream`, float64 `[N]`; 0 for what is no target.

        In this process alone.
        """
        stream, starts, lengths, restarts, resets = _on_device(windows)
        state = self._initial_state(windows.batch_size)
        nats = np.zeros(len(windows.stream))
        steps = np.arange(1, windows.num_steps + 1)
        for k in range(0, len(windows), WINDOWS_PER_CALL):
            part = slice(k, min(k + WINDOWS_PER_CALL, len(windows)))
            text = stream, starts[part], lengths[part], restarts[part], resets
            found, state = self._each(text, state, windows.num_steps)
            real = steps <= windows.lengths[part][..., None]
            nats[(windows.starts[part][..., None] + steps)[real]] = found.numpy()[real]
            progress(int(windows.lengths[part].sum()))
        return nats

    @tf.function(autograph=False, reduce_retracing=True)
    def _each(self, text, state, num_steps: int):
        """The nats `[K, B, T]` of windows, and the state after them."""
        stream, starts, lengths, restarts, resets = text
        count = tf.shape(starts)[0]

        def score(k, nats, state):
            tokens = window_tokens(stream, starts[k], num_steps)
            mask = tf.sequence_mask(lengths[k], num_steps)
            state = zero_rows(state, restarts[k])
            within = window_resets(resets, starts[k], num_steps)
            window_nats, state = self._window(tokens[:, :-1], tokens[:, 1:], mask, state, within)
            return k + 1, nats.write(k, window_nats), state

        loop = 0, tf.TensorArray(tf.float32, count), state
        _, nats, state = tf.while_loop(lambda k, *_: k < count, score, loop)
        return nats.stack(), state

    @tf.function(autograph=False, reduce_retracing=True)
    def _score(self, text, first, last, nats, state, num_steps: int):
        stream, starts, lengths, restarts, resets = text
        replicas = self._replicas

        def score(k, nats, state):
            tokens = window_tokens(stream, starts[k], num_steps)
            mask = tf.sequence_mask(lengths[k], num_steps)
            within = window_resets(resets, starts[k], num_steps)
            window = tokens, mask, state, restarts[k], within
            window_nats, state = replicas.run(self._rows, *window)
            return k + 1, nats + replicas.one(window_nats), state

        loop = first, nats, replicas.scatter(state)
        _, nats, state = tf.while_loop(lambda k, *_: k < last, score, loop)
        return nats, replicas.gather(state)

    def _rows(self, tokens, mask, state, restarts, resets):
        """The nats of all rows of a window, and the next state of this replica's."""
        state = zero_rows(state, self._replicas.rows(restarts))
        tokens, mask = self._replicas.rows(tokens), self._replicas.rows(mask)
        if resets is not None:
            resets = self._replicas.rows(resets)
        nats, state = self._window(tokens[:, :-1], tokens[:, 1:], mask, state, resets)
        nats = tf.where(mask, tf.cast(nats, tf.float64), 0.0)
        return self._replicas.sum(tf.reduce_sum(nats)), state

    # What another way of predicting replaces: `neural_cache`, `dynamic_evaluation`.

    def _initial_state(self, batch_size: int):
        return self._model.initial_state(batch_size)

    def _window(self, tokens, targets, mask, state, resets):
        """The nats of `targets` `[B, T]`, and the next state; `mask` says which are real.

        `resets` bool `[B, T]` says where documents begin; None if nowhere.
        """
        return self._model.nats(tokens, targets, state, resets=resets)


def _on_device(windows) -> tuple:
    """The stream, starts, lengths, restarts and resets of windows as tensors; None for no resets.

    The restarts `[K, B]` say which rows have their state zeroed before a window.
    """
    restarts = windows.restarts
    if restarts is None:
        restarts = np.full_like(windows.starts, not windows.carries_state, bool)
    arrays = windows.stream, windows.starts, windows.lengths, restarts, windows.resets
    return tuple(None if each is None else tf.constant(each) for each in arrays)


def exact_score(model, ids: np.ndarray, num_steps: int, borders: Borders | None = None) -> Score:
    """The published score of a split `ids` `[N]`: each token is predicted from all before it.

    With `borders`, from all before it in the same document. The `batch_size` is 1; `num_steps`
    changes only the speed.
    """
    return Evaluator(model)(every_token(ids, 1, num_steps, borders))
