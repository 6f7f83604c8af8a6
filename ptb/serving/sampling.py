"""Samples the next word from logits: temperature, top-k, top-p, and a seed.

Axis letters: B = rows, V = vocabulary size.

A draw is the largest of the scores with Gumbel noise added, which picks each word with the chance
that softmax gives it (Gumbel 1954; Maddison, Tarlow, Minka 2014, arXiv 1411.0030). Another kernel
or another batch size changes the scores in their last digits: this hardly ever changes the
word, where looking a random number up among 10,000 summed chances would.
"""

from __future__ import annotations

from dataclasses import dataclass

import tensorflow as tf


@dataclass(frozen=True)
class Sampling:
    """How to sample a word.

    `temperature` divides the logits; 0 always takes the most likely word. `top_k` keeps the k most
    likely words (0: all). `top_p` then keeps the fewest words whose probabilities sum to at least p
    (1: all). Each is a number or a tensor.
    """

    temperature: object = 1.0
    top_k: object = 0
    top_p: object = 1.0


def row_seed(seed, row):
    """The seed of one row, int32 `[2]`. The row gets the same words for any B."""
    return tf.random.fold_in(tf.stack([tf.cast(seed, tf.int32), 0]), row)


def row_seeds(seed, num_rows):
    """The seeds of rows 0, 1, 2, ..., int32 `[B, 2]`."""
    return tf.map_fn(lambda row: row_seed(seed, row), tf.range(num_rows))


def sample(logits, sampling: Sampling, seeds, step):
    """Samples words int32 `[B]` from logits `[B, V]`, by row seeds and step 0, 1, 2, ..."""
    temperature = tf.cast(sampling.temperature, tf.float32)
    scores = logits / tf.where(temperature > 0, temperature, 1.0)
    scores = _keep_best(scores, sampling.top_k)
    scores = _keep_likeliest(scores, tf.cast(sampling.top_p, tf.float32))
    noise = tf.map_fn(
        lambda seed: _gumbel(logits.shape[1:], tf.random.fold_in(seed, step)),
        seeds,
        fn_output_signature=tf.TensorSpec(logits.shape[1:], tf.float32),
    )
    scores = tf.where(temperature > 0, scores + noise, scores)
    return tf.argmax(scores, axis=1, output_type=tf.int32)


def _gumbel(shape, seed):
    tiny = 1.2e-38  # above 0, where the logarithm is not finite
    uniform = tf.random.stateless_uniform(shape, seed, minval=tiny, alg="philox")
    return -tf.math.log(-tf.math.log(uniform))


def _keep_best(scores, top_k):
    """Sets the logits of all but the k most likely words of each row to -inf."""
    vocab_size = tf.shape(scores)[1]
    top_k = tf.minimum(tf.cast(top_k, tf.int32), vocab_size)
    if top_k > 0:
        worst = tf.math.top_k(scores, top_k).values[:, -1:]
        scores = _from(worst, scores)
    return scores


def _keep_likeliest(scores, top_p):
    """Sets the logits to -inf, except the fewest whose probabilities sum to at least `top_p`."""
    if top_p < 1:
        descending = tf.sort(scores, axis=1, direction="DESCENDING")
        before = tf.cumsum(tf.nn.softmax(descending), axis=1, exclusive=True)
        # The best word stays even with a top_p of 0.
        kept = (before < top_p) | (before == 0)
        worst = tf.reduce_min(tf.where(kept, descending, float("inf")), axis=1, keepdims=True)
        scores = _from(worst, scores)
    return scores


def _from(worst, scores):
    return tf.where(scores >= worst, scores, float("-inf"))
