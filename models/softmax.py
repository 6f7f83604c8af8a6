"""The softmax end: cross-entropy of the targets, with as few passes over `[N, V]` as possible.

Axis letters: N = tokens, H = hidden size, V = vocabulary size. At V = 10,000 this is three quarters
of the work of the small model.
"""

from __future__ import annotations

import functools

import tensorflow as tf

from models.row_parts import join_parts, row_parts
from ptb.machine.cores import on_gpu

# Rows of a part: fewer make its products slower, more leave a core without work.
ROWS_OF_A_PART = 100
# Below it float32 has fewer digits, down to none.
SMALLEST_P = 1e-30


def softmax_nats(outputs, weight, bias, targets, transposed: bool = False, product_dtype="float32"):
    """The cross-entropy of each target, -log softmax(outputs @ weight + bias)[targets], in nats.

    On a CPU the rows are split over the cores.

    Args:
      outputs: the outputs of the top layer, `[N, H]`.
      weight: the softmax weight, `[H, V]`.
      bias: the softmax bias, `[V]`.
      targets: the ids of the words to predict, int32 `[N]`.
      transposed: whether the weight is `[V, H]`, as an embedding is.
      product_dtype: the type of products, logits and probabilities. Weights and results are
        float32. On a CPU that does not round bfloat16 (`rounds_bfloat16`) it is float32 too.

    Returns:
      float32 `[N]`.
    """
    if product_dtype == "bfloat16" and not on_gpu() and not rounds_bfloat16():
        product_dtype = "float32"
    low = tf.cast(tf.convert_to_tensor(weight), product_dtype)
    parts = [
        _part(rows, weight, low, bias, of, transposed)
        for rows, of in row_parts((outputs, targets), ROWS_OF_A_PART)
    ]
    return join_parts(parts)


def _part(outputs, weight, low, bias, targets, transposed: bool):
    """`softmax_nats` of some rows. `low` is the weight in the type of the products.

    It keeps the probabilities p and makes no other `[N, V]` array. The gradient subtracts the
    one-hot targets from p in place. `upstream`, one value for each row, scales `[N, H]` operands.
    """

    @tf.custom_gradient
    def run(outputs, weight, low, bias):
        logits = _logits(tf.cast(outputs, low.dtype), low, tf.cast(bias, low.dtype), transposed)
        p = _probabilities(logits)
        nats = _nats(logits, p, targets)

        def gradient(upstream):
            upstream = upstream[:, None]
            error = _error(p, targets, nats)
            d_bias = product(upstream, error, transpose_a=True)[0]
            scaled = upstream * outputs
            d_outputs = upstream * product(error, low, transpose_b=not transposed)
            a, b = (error, scaled) if transposed else (scaled, error)
            return d_outputs, product(a, b, transpose_a=True), None, d_bias

        return nats, gradient

    return run(outputs, weight, low, bias)


def _logits(outputs, weight, bias, transposed: bool):
    logits = tf.matmul(outputs, weight, transpose_b=transposed)
    if logits.dtype == tf.float32:
        return tf.nn.bias_add(logits, bias)
    # Fused into one operation they would be slower in bfloat16: the third axis keeps them apart.
    return tf.nn.bias_add(logits[:, None], bias)[:, 0]


def _probabilities(logits):
    """softmax(logits) `[N, V]`, in the type of the logits, exact but for the rounding to it."""
    if logits.dtype == tf.bfloat16 and on_gpu():  # where it was not tried in bfloat16
        return tf.cast(tf.nn.softmax(tf.cast(logits, tf.float32)), logits.dtype)
    return tf.nn.softmax(logits)


@functools.cache
def rounds_bfloat16() -> bool:
    """Whether TensorFlow's results in bfloat16 are exact on the CPU, but for one rounding.

    oneDNN's are. TensorFlow's own softmax errs by up to 7%, its products are cut off instead of
    rounded, and neither is faster than float32. Which it takes depends on the processor, the build
    and the environment, so this tries it.
    """
    with tf.init_scope(), tf.device("CPU"):
        logits = tf.cast(tf.linspace(-4.0, 4.0, 1000)[None], tf.bfloat16)
        low, exact = tf.nn.softmax(logits), tf.nn.softmax(tf.cast(logits, tf.float32))
        error = tf.reduce_max(tf.abs(tf.cast(low, tf.float32) / exact - 1))
        return float(error) < 2**-7


def _nats(logits, p, targets):
    """-log p[targets] `[N]`, exact also where p underflows: only then are the logits read again."""
    p_target = tf.cast(tf.gather(p, targets, batch_dims=1), tf.float32)

    def from_logits():
        exact = tf.cast(logits, tf.float32)
        return tf.reduce_logsumexp(exact, axis=1) - tf.gather(exact, targets, batch_dims=1)

    return tf.cond(
        tf.reduce_all(p_target > SMALLEST_P), lambda: -tf.math.log(p_target), from_logits
    )


def _error(p, targets, nats):
    """p - one_hot(targets) `[N, V]`."""
    if on_gpu():  # a deterministic scatter there copies p to the CPU and back
        return p - tf.one_hot(targets, tf.shape(p)[1], dtype=p.dtype)
    rows = tf.range(tf.shape(targets)[0])
    with tf.control_dependencies([nats]):  # p's last other reader, so p itself may be changed
        # `tf.tensor_scatter_nd_sub` would always copy p.
        return tf.raw_ops.ScatterNdNonAliasingAdd(
            input=p,
            indices=tf.stack([rows, targets], axis=1),
            updates=-tf.ones_like(targets, p.dtype),
        )


def product(a, b, **transposes):
    """`tf.matmul(a, b, **transposes)` in the shorter type of the two; the result is float32.

    In bfloat16 the sum is made in float32, but comes rounded to bfloat16.
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
