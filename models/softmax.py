"""The softmax end: cross-entropy of the targets, with as few passes over `[N, V]` as possible.

Axis letters: N = tokens, H = hidden size, V = vocabulary size. At V = 10,000 this is three quarters
of the work of the small model.
"""

from __future__ import annotations

import tensorflow as tf


def softmax_nats(outputs, weight, bias, targets):
    """-log softmax(outputs @ weight + bias)[targets], in nats.

    `outputs` `[N, H]`, `weight` `[H, V]`, `bias` `[V]`, `targets` int32 `[N]`; the result is
    float32 `[N]`. The gradient of the logits, (p - one_hot) * upstream, is never formed: upstream
    has one value for each row, so it scales the `[N, H]` sides of the products instead.
    """

    @tf.custom_gradient
    def run(outputs, weight, bias):
        logits = tf.nn.bias_add(tf.matmul(outputs, weight), bias)
        nats, error = tf.raw_ops.SparseSoftmaxCrossEntropyWithLogits(
            features=logits, labels=targets
        )

        def gradient(upstream):
            upstream = upstream[:, None]
            d_outputs = upstream * tf.matmul(error, weight, transpose_b=True)
            d_weight = tf.matmul(upstream * outputs, error, transpose_a=True)
            d_bias = tf.matmul(upstream, error, transpose_a=True)[0]
            return d_outputs, d_weight, d_bias

        return nats, gradient

    return run(outputs, weight, bias)
