"""Dropout of values, as in Zaremba et al. 2014 (arXiv 1409.2329), of words and of weights.

Axis letters: B = batch_size, T = num_steps, H = hidden size, V = vocabulary size.
"""

from __future__ import annotations

import keras
import tensorflow as tf

PHILOX = 1  # the counter-based generator that TensorFlow uses on CPUs and GPUs
DRAWS_PER_COUNT = 4  # floats that it makes from one value of its counter


def dropout(steps: list, keep_prob: float, seed, rows=None) -> list:
    """Keeps each value with probability `keep_prob`, scaled by 1 / keep_prob; else sets it to zero.

    Args:
      steps: T tensors `[b, H]`. Each gets a mask of its own (Zaremba et al., section 3.2).
      keep_prob: the probability that a value is kept.
      seed: int32 `[2]`. The same seed gives the same masks.
      rows: if the b rows are part of a larger batch: the index of the first row, and the number B
        of rows in that batch. The masks are then those of these rows in the whole batch.
    """
    shape = [len(steps), *tf.unstack(tf.shape(steps[0]))]
    if rows is None:
        draws = tf.random.stateless_uniform(shape, seed)
    else:
        draws = _draws_of_rows(shape, seed, *rows)
    masks = tf.cast(_mask(draws, keep_prob), steps[0].dtype)
    return [step * mask for step, mask in zip(steps, tf.unstack(masks, len(steps)), strict=True)]


def embedding_dropout(embedded, tokens, vocab_size: int, keep_prob: float, seed):
    """Keeps each word with probability `keep_prob`, its vector scaled by 1 / keep_prob.

    The vector of any other word is zero wherever it occurs in the window: in all rows and steps
    (Merity, Keskar, Socher 2018, arXiv 1708.02182, section 4.3). Gal and Ghahramani 2016 (arXiv
    1512.05287, section 4.2), who proposed it, drop other words in each sequence.

    Args:
      embedded: the vectors of the tokens, `[B, T, H]`.
      tokens: the word ids, int32 `[B, T]`.
      vocab_size: number of words, V.
      keep_prob: the probability that a word is kept.
      seed: int32 `[2]`. The same seed drops the same words, whichever rows of the batch are given.
    """
    draws = tf.random.stateless_uniform([vocab_size], seed)
    return embedded * tf.gather(_mask(draws, keep_prob), tokens)[:, :, None]


def weight_dropout(layer, keep_prob: float, seed) -> keras.StatelessScope:
    """A scope in which dropout is applied to the recurrent weights of `layer`.

    Each weight is kept with probability `keep_prob` and scaled by 1 / keep_prob. One mask, drawn
    from `seed`, int32 `[2]`, serves all rows and steps that are computed in the scope (Merity,
    Keskar, Socher 2018, arXiv 1708.02182, section 2; DropConnect, Wan et al. 2013). Only the
    layer's `recurrent_blocks` are dropped. The gradient reaches the weights that are kept.
    """
    masked = []
    for i, (weight, block) in enumerate(layer.recurrent_blocks()):
        limits = [each.indices(size) for each, size in zip(block, weight.shape, strict=True)]
        draws = tf.random.stateless_uniform(
            [end - begin for begin, end, _ in limits], tf.random.fold_in(seed, i)
        )
        mask = layer.in_own_layout(_mask(draws, keep_prob))
        around = [
            [begin, size - end] for (begin, end, _), size in zip(limits, weight.shape, strict=True)
        ]
        masked.append((weight, weight.value * tf.pad(mask, around, constant_values=1.0)))
    return keras.StatelessScope(masked)


def _mask(draws, keep_prob: float):
    """What to multiply by: 1 / keep_prob where a draw from 0 to 1 keeps a value, else 0."""
    return tf.where(draws < keep_prob, 1 / keep_prob, 0.0)


def _draws_of_rows(shape, seed, first, batch_size):
    """`stateless_uniform([T, B, H], seed)[:, first : first + b]` without drawing the other rows.

    The generator numbers its draws, so it can begin at any of them.
    """
    num_steps, num_rows, size = shape
    key, counter = tf.raw_ops.StatelessRandomGetKeyCounter(seed=seed)
    count = num_rows * size
    draws = []
    for time in range(num_steps):
        begin = (time * batch_size + first) * size
        skipped = tf.stack([begin // DRAWS_PER_COUNT, 0])
        step = tf.raw_ops.StatelessRandomUniformV2(
            shape=[count + DRAWS_PER_COUNT - 1],
            key=key,
            counter=counter + tf.cast(skipped, counter.dtype),
            alg=PHILOX,
        )
        own = tf.slice(step, [begin % DRAWS_PER_COUNT], [count])
        draws.append(tf.reshape(own, [num_rows, size]))
    return tf.stack(draws)
