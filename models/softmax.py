"""The softmax end: cross-entropy of the targets, with as few passes over `[N, V]` as possible.

Axis letters: N = tokens, H = hidden size, V = vocabulary size. At V = 10,000 this is three quarters
of the work of the small model.
"""

from __future__ import annotations

import tensorflow as tf

from ptb.machine.cores import available_cores, on_gpu

# Rows of a part: fewer make its products slower, more leave a core without work.
ROWS_OF_A_PART = 100


def softmax_nats(outputs, weight, bias, targets, transposed: bool = False, product_dtype="float32"):
    """-log softmax(outputs @ weight + bias)[targets], in nats.

    `outputs` `[N, H]`, `weight` `[H, V]`, `bias` `[V]`, `targets` int32 `[N]`; the result is
    float32 `[N]`. With `transposed` the weight is `[V, H]`, as an embedding is. The rows are cut
    into a part for each core, and the parts run side by side; on a GPU there is one part.
    The products, and only they, are computed in `product_dtype`.
    """
    num_rows = outputs.shape[0] or ROWS_OF_A_PART
    num_cores = 1 if on_gpu() else available_cores()
    num_parts = max(1, min(num_cores, num_rows // ROWS_OF_A_PART))
    ends = [num_rows * part // num_parts for part in range(1, num_parts)]
    parts = zip([None, *ends], [*ends, None], strict=True)
    part = _part_transposed if transposed else _part
    low = tf.cast(tf.convert_to_tensor(weight), product_dtype)
    nats = [part(outputs[begin:end], weight, low, bias, targets[begin:end]) for begin, end in parts]
    return tf.concat(nats, 0)


@tf.custom_gradient
def _part(outputs, weight, low, bias, targets):
    """`softmax_nats` of some rows. `low` is the weight as the products read it."""
    nats, error_of = _cross_entropy(product(outputs, low), bias, targets)

    def gradient(upstream):
        error, upstream = error_of(upstream)
        d_bias = tf.matmul(upstream, error, transpose_a=True)[0]
        error = tf.cast(error, low.dtype)
        d_outputs = upstream * product(error, transposed(low))
        d_weight = product(upstream * outputs, error, transpose_a=True)
        return d_outputs, d_weight, None, d_bias, None

    return nats, gradient


@tf.custom_gradient
def _part_transposed(outputs, weight, low, bias, targets):
    """`softmax_nats` of some rows, with `weight` and `low` `[V, H]`."""
    nats, error_of = _cross_entropy(product(outputs, low, transpose_b=True), bias, targets)

    def gradient(upstream):
        error, upstream = error_of(upstream)
        d_bias = tf.matmul(upstream, error, transpose_a=True)[0]
        error = tf.cast(error, low.dtype)
        d_outputs = upstream * product(error, low)
        d_weight = product(error, upstream * outputs, transpose_a=True)
        return d_outputs, d_weight, None, d_bias, None

    return nats, gradient


def _cross_entropy(products, bias, targets):
    """The nats `[N]`, and a function that gives the error p - one_hot `[N, V]`.

    Keeps the probabilities p, and makes no other `[N, V]` array: the one-hot is subtracted from p
    in place, and upstream, one value for each row, scales the `[N, H]` sides of the products.
    """
    logits = tf.nn.bias_add(products, bias)
    p = tf.nn.softmax(logits)
    # log sum exp(logits), exact also where p underflows: the largest p is never small.
    log_sum = tf.reduce_max(logits, axis=1) - tf.math.log(tf.reduce_max(p, axis=1))
    nats = log_sum - tf.gather(logits, targets, batch_dims=1)

    def error_of(upstream):
        if on_gpu():  # a deterministic scatter there copies p to the CPU and back
            return p - tf.one_hot(targets, tf.shape(p)[1]), upstream[:, None]
        rows = tf.range(tf.shape(targets)[0])
        with tf.control_dependencies([nats]):  # p's last other reader, so p itself may be changed
            error = tf.tensor_scatter_nd_sub(
                p, tf.stack([rows, targets], axis=1), tf.ones_like(upstream)
            )
        return error, upstream[:, None]

    return nats, error_of


def product(a, b, **transposes):
    """`tf.matmul(a, b, **transposes)`, float32, computed in the shorter type of the two.

    In bfloat16 the processor sums in float32, and the sum is rounded once, to bfloat16.
    """
    dtype = min(a.dtype, b.dtype, key=lambda dtype: dtype.size)
    return tf.cast(tf.matmul(tf.cast(a, dtype), tf.cast(b, dtype), **transposes), tf.float32)


def transposed(matrix):
    """`tf.transpose(matrix)`, made once.

    A product with a transposed matrix is slower than one with its transpose written out, and
    TensorFlow's graph optimizer folds a plain `tf.transpose` back into every product that reads it.
    The third axis hides it.
    """
    rows, columns = matrix.shape
    return tf.reshape(tf.transpose(matrix[:, None, :], [2, 1, 0]), [columns, rows])
