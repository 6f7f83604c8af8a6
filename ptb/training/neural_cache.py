"""Perplexity with a neural cache: recent words are likely to recur in similar states.

Grave, Joulin, Usunier 2017 (arXiv 1612.04426), equations 3 and 5, the linear interpolation:

    p_cache(w) ~ sum over the last N positions i of  [x_{i+1} = w] exp(flatness * h_t . h_i)
    p(w)       = (1 - share) p_model(w) + share p_cache(w)

h_t `[H]` is what the softmax sees. Each word is predicted from earlier words alone, and enters the
cache after that; both parts sum to one, so the perplexity is exact. A document begins with an empty
cache.

Axis letters: B = batch_size, T = num_steps, N = size of the cache, H = hidden size.
"""

from __future__ import annotations

import tensorflow as tf

from ptb.training.perplexity import Evaluator


class CacheEvaluator(Evaluator):
    """An `Evaluator` whose model has a cache of the last `size` words of each row."""

    def __init__(self, model, size: int, flatness: float, share: float):
        super().__init__(model)
        self._size, self._flatness, self._share = size, flatness, share

    def _initial_state(self, batch_size: int):
        """The initial state of the model, and an empty cache.

        The cache has the keys h_i, the words after them, the document number of each, and how many
        of them each row has.
        """
        hidden_size = self._model.embedding.shape[1]
        keys = tf.zeros([batch_size, self._size, hidden_size])
        words = tf.zeros([batch_size, self._size], tf.int32)
        documents = tf.zeros([batch_size, self._size], tf.int32)
        return (
            self._model.initial_state(batch_size),
            keys,
            words,
            documents,
            tf.zeros([batch_size], tf.int32),
        )

    def _window(self, tokens, targets, mask, state, resets):
        model_state, keys, words, documents, count = state
        outputs, model_state = self._model.outputs(tokens, model_state, resets=resets)
        nats = self._model.nats_after(outputs, targets)
        queries = tf.stack(outputs, axis=1)
        keys, words = tf.concat([keys, queries], 1), tf.concat([words, targets], 1)
        in_cache = self._in_cache(len(outputs), count)
        documents = tf.concat([documents, _documents(documents[:, -1:], tokens, resets)], 1)
        if resets is not None:
            own = documents[:, self._size :, None]
            in_cache = in_cache & (documents[:, None, :] == own)
        log_cache = self._log_cache(queries, keys, words, targets, in_cache)
        # At the first word of a document the cache is empty, and the model is alone.
        share = tf.where(tf.reduce_any(in_cache, axis=-1), self._share, 0.0)
        alone, cached = tf.math.log(1 - share) - nats, tf.math.log(share) + log_cache
        # In logs: the model's share of what is very unlikely must not vanish.
        nats = -tf.reduce_logsumexp(tf.stack([alone, cached]), axis=0)
        kept = (each[:, -self._size :] for each in (keys, words, documents))
        return nats, (model_state, *kept, count + len(outputs))

    def _in_cache(self, num_steps: int, count):
        """Bool `[B, T, N + T]`: whether step t may look at a position; `count` `[B]` are filled."""
        position = tf.range(self._size + num_steps)[None, None, :]
        step = tf.range(num_steps)[None, :, None]
        filled = position >= self._size - count[:, None, None]
        return filled & (position >= step) & (position < step + self._size)

    def _log_cache(self, queries, keys, words, targets, in_cache):
        """log p_cache(targets) `[B, T]`; minus infinity for a word that is not in the cache."""
        scores = self._flatness * tf.matmul(queries, keys, transpose_b=True)
        scores = tf.where(in_cache, scores, -float("inf"))
        matches = words[:, None, :] == targets[:, :, None]
        of_target = tf.where(matches, scores, -float("inf"))
        # Where the cache is empty both are minus infinity; the caller takes nothing of it.
        largest = tf.maximum(tf.reduce_max(scores, axis=2, keepdims=True), -1e30)
        total = tf.reduce_sum(tf.exp(scores - largest), axis=2)
        found = tf.reduce_sum(tf.exp(of_target - largest), axis=2)
        return tf.math.log(tf.math.divide_no_nan(found, total))


def _documents(last, tokens, resets):
    """The number of the document that each of `tokens` `[B, T]` is read in; `last` is `[B, 1]`."""
    if resets is None:
        return tf.repeat(last, tokens.shape[1], axis=1)
    return last + tf.cumsum(tf.cast(resets, tf.int32), axis=1)
