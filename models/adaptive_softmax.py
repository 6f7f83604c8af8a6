"""The adaptive softmax: two levels, so that most words need a small product (arXiv 1609.04309).

The vocabulary is sorted by frequency. The first level, the head, has the most frequent words and
one entry for each cluster of the other words. Each tail of the second level has the words of one
cluster:

    p(w) = p_head(w)                                  w < cutoffs[0]
    p(w) = p_head(cluster i) * p_tail i(w | cluster)  cutoffs[i] <= w < cutoffs[i + 1]

The probabilities of all V words sum to one, so perplexity is exact. The paper also makes tails
narrower. Here they keep the full hidden size, so that they can share the embedding.

Axis letters: N = tokens, H = hidden size, V = vocabulary size, C = clusters.
"""

from __future__ import annotations

from itertools import pairwise

import tensorflow as tf

from models.softmax import softmax_nats


def levels(weight, bias, cluster_w, cluster_b, cutoffs: tuple[int, ...], transposed: bool) -> list:
    """Splits the softmax weights into the weight and bias of the head and of each tail.

    `weight` `[H, V]`, or `[V, H]` with `transposed`; `bias` `[V]`; `cluster_w` `[H, C]` and
    `cluster_b` `[C]`, the head's entries for the clusters. `cutoffs` are C rising numbers below V.
    """
    words = 0 if transposed else 1
    edges = [0, *cutoffs, bias.shape[0]]
    sizes = [end - begin for begin, end in pairwise(edges)]
    weights, biases = tf.split(weight, sizes, axis=words), tf.split(bias, sizes)
    clusters = tf.transpose(cluster_w) if transposed else cluster_w
    head = tf.concat([weights[0], clusters], words), tf.concat([biases[0], cluster_b], 0)
    return [head, *zip(weights[1:], biases[1:], strict=True)]


def adaptive_nats(
    outputs,
    head_and_tails: list,
    cutoffs: tuple[int, ...],
    targets,
    transposed,
    product_dtype="float32",
):
    """The cross-entropy of each target under the adaptive softmax, float32 `[N]` in nats.

    Each tail computes only the rows whose target is in its cluster.

    Args:
      outputs: the outputs of the top layer, `[N, H]`.
      head_and_tails: the weights, from `levels`.
      cutoffs: ids at which the clusters begin, in rising order.
      targets: the ids of the words to predict, int32 `[N]`.
      transposed: as in `models.softmax.softmax_nats`.
      product_dtype: as in `models.softmax.softmax_nats`.
    """
    (head_w, head_b), *tails = head_and_tails
    cluster = tf.reduce_sum(tf.cast(targets[:, None] >= list(cutoffs), tf.int32), axis=1)
    first_level = tf.where(cluster == 0, targets, cutoffs[0] + cluster - 1)
    nats = softmax_nats(outputs, head_w, head_b, first_level, transposed, product_dtype)
    for i, (weight, bias) in enumerate(tails):
        rows = tf.where(cluster == i + 1)
        tail = softmax_nats(
            tf.gather_nd(outputs, rows),
            weight,
            bias,
            tf.gather_nd(targets, rows) - cutoffs[i],
            transposed,
            product_dtype,
        )
        nats = tf.tensor_scatter_nd_add(nats, rows, tail)
    return nats


def adaptive_log_probs(outputs, head_and_tails: list, transposed: bool):
    """The log-probability of every word, float32 `[..., V]`, from `outputs` `[..., H]`."""
    log_probs = [
        tf.nn.log_softmax(tf.matmul(outputs, weight, transpose_b=transposed) + bias)
        for weight, bias in head_and_tails
    ]
    num_tails = len(log_probs) - 1
    words, clusters = log_probs[0][..., :-num_tails], log_probs[0][..., -num_tails:]
    tails = [clusters[..., i : i + 1] + tail for i, tail in enumerate(log_probs[1:])]
    return tf.concat([words, *tails], axis=-1)
