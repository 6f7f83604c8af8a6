"""A faster LSTM layer: `cells.LSTMCell` for all time steps at once, with a hand-written gradient.

Autodiff of an unrolled cell multiplies a small matrix for every weight gradient at every step. This
follows cuDNN instead (Appleyard, Kociský, Blunsom 2016, arXiv 1604.01946):

    forward    x_t W_x for a block of steps in one product; only h_{t-1} W_h inside the loop
    backward   only dz_t W_h^T inside the loop; the gates were kept
    after it   one product for the gradient of each weight: dW_x = X^T dZ, dW_h = H^T dZ

A transpose of W_x and of W_h is written out once in a window, for one of the two directions.

Axis letters: B = batch_size, T = num_steps, D = input size, H = hidden size; z_t `[B, 4H]` are the
gates before their nonlinearities, in the order i, j, f, o.
"""

from __future__ import annotations

import functools

import keras
import tensorflow as tf

from models.row_parts import join_parts, row_parts
from models.softmax import product, transposed
from models.static_rnn import StaticRNN, zero_rows
from ptb.machine.cores import on_gpu
from ptb.machine.processor import units

# The inputs of a block of steps are projected in one product: so many steps, or as many as it takes
# to have so many rows. Short blocks let the next layer begin, on another core, before this one has
# seen the whole window; long ones make larger products. On a GPU, a block is the whole window.
BLOCK_STEPS, BLOCK_ROWS = 5, 50
# A batch is split over the cores into parts of at least so many rows: the steps of a layer follow
# each other, so that other cores would wait; rows do not. Each part makes the graph longer, and the
# first step later by about a second, so there are at most so many.
ROWS_OF_A_PART, MOST_PARTS = 32, 4


@keras.saving.register_keras_serializable("models")
class FusedLSTM(StaticRNN):
    """A recurrent layer that computes the same as `StaticRNN(LSTMCell(H))`, but faster.

    It has the same weights and gives the same numbers, up to rounding. The precision of the cell
    applies to matrix products only; the rest is float32.
    """

    @classmethod
    def of_cell(cls, cell) -> FusedLSTM:
        return cls(cell)

    def call(self, inputs, state, resets=None):
        cell = self.cell
        bias = cell.bias.value + cell.forget_bias * _forget_gate(cell.num_units)
        kernel = tf.convert_to_tensor(cell.kernel.value)
        rows = row_parts((inputs, state, resets or []), ROWS_OF_A_PART, MOST_PARTS)
        parts = [
            fused_lstm(steps, kernel, bias, c, h, of or None, cell.compute_dtype)
            for steps, (c, h), of in rows
        ]
        return join_parts(parts)


def fused_lstm(
    inputs: list, kernel, bias, c, h, resets=None, product_dtype="float32"
) -> tuple[list, tuple]:
    """Runs an LSTM layer over all time steps of a window.

    Args:
      inputs: T tensors `[B, D]`.
      kernel: `[D + H, 4H]`, the gates in the order i, j, f, o.
      bias: `[4H]`, including the forget bias.
      c: `[B, H]`, the cell state before the first step.
      h: `[B, H]`, the output before the first step.
      resets: T tensors bool `[B]`, the rows whose state is zeroed before each step. None: no row.
      product_dtype: the type of the matrix products. The rest is float32.

    Returns:
      outputs, T tensors `[B, H]`, and the state `(c, h)` after the last step.
    """
    num_steps, (rows, input_size) = len(inputs), inputs[0].shape

    def zeroed(t: int, state):
        """The state before step t, or its gradient, with zeros where the step begins anew."""
        return state if resets is None else zero_rows(state, resets[t])

    by_columns = _by_columns(product_dtype)

    def times(a, b):
        return product(a, b, transpose_b=by_columns)

    def laid_out(matrix, of_transpose: bool = False):
        """The matrix, or its transpose, as the second factor of `times`."""
        return matrix if of_transpose == by_columns else transposed(matrix)

    @tf.custom_gradient
    def run(kernel, bias, c, h, *inputs):
        w_x, w_h = _split_rows(tf.cast(kernel, product_dtype), input_size)
        forward_x, forward_h = laid_out(w_x), laid_out(w_h)
        outputs, read, tape = [], [], []  # `read` has the h that each step reads
        for block in _blocks(inputs, rows):
            projected = tf.nn.bias_add(times(tf.concat(block, 0), forward_x), bias)
            for z in tf.split(projected, len(block)):
                c, h = zeroed(len(tape), (c, h))
                read.append(h)
                i, j, f, o = tf.split(z + times(h, forward_h), 4, axis=1)
                i, j, f, o = tf.sigmoid(i), tf.tanh(j), tf.sigmoid(f), tf.sigmoid(o)
                c_previous, c = c, c * f + i * j
                tanh_c = tf.tanh(c)
                h = o * tanh_c
                tape.append((c_previous, i, j, f, o, tanh_c))
                outputs.append(h)

        def gradient(*upstream):
            d_outputs, (d_c, d_h) = upstream[:num_steps], upstream[num_steps:]
            backward_x = laid_out(w_x, of_transpose=True)
            backward_h = laid_out(w_h, of_transpose=True)
            factors = [each for block in _blocks(tape, rows) for each in _gradient_factors(block)]
            d_z = [None] * num_steps
            for t in reversed(range(num_steps)):
                from_h, from_both, f = factors[t]
                d_h = d_h + d_outputs[t]
                d_c = d_c + d_h * from_h
                d_z[t] = tf.concat([d_c, d_c, d_c, d_h], axis=1) * from_both
                d_c, d_h = zeroed(t, (d_c * f, times(d_z[t], backward_h)))
            d_inputs = []
            for block in _blocks(d_z, rows):
                d_block = times(tf.concat(block, 0), backward_x)
                d_inputs.extend(tf.split(d_block, len(block)))
            all_d_z = tf.concat(d_z, 0)
            d_bias = tf.reduce_sum(all_d_z, axis=0)
            all_d_z = tf.cast(all_d_z, product_dtype)
            all_h = tf.concat(read, 0)
            d_w_x = product(tf.concat(inputs, 0), all_d_z, transpose_a=True)
            d_w_h = product(all_h, all_d_z, transpose_a=True)
            return tf.concat([d_w_x, d_w_h], 0), d_bias, d_c, d_h, *d_inputs

        return (*outputs, c, h), gradient

    *outputs, c, h = run(kernel, bias, c, h, *inputs)
    return outputs, (c, h)


@functools.cache
def _by_columns(product_dtype: str) -> bool:
    """Whether a product is faster if the columns of its second factor lie one after the other.

    In float32 it is faster if the rows do. In bfloat16 the processor decides
    (results/performance.md).
    """
    if product_dtype != "bfloat16" or on_gpu():
        return False
    found = units() or []
    return "AVX-512 bfloat16" in found and "AMX bfloat16" not in found


def _split_rows(matrix, size: int) -> tuple:
    """`matrix[:size]` and `matrix[size:]`, without a copy where the second begins at 64 bytes.

    TensorFlow copies rows of a matrix unless each row has a multiple of 64 bytes. Of a vector, only
    the place where the slice begins matters.
    """
    rows, columns = matrix.shape
    flat = tf.reshape(matrix, [-1])
    first, second = flat[: size * columns], flat[size * columns :]
    return tf.reshape(first, [size, columns]), tf.reshape(second, [rows - size, columns])


def _gradient_factors(steps: list) -> list[tuple]:
    """What the gradient of each step multiplies, for steps t of one block.

    With the gradients d_c and d_h of the state after the step:

        d_c += d_h * from_h,  d_z = [d_c, d_c, d_c, d_h] * from_both,  d_c before the step = d_c * f

    None of it depends on a gradient, so that it is computed for the whole block at once, beside the
    recurrence.
    """
    c_previous, i, j, f, o, tanh_c = (tf.concat(part, 0) for part in zip(*steps, strict=True))
    from_h = o * (1 - tanh_c * tanh_c)
    from_both = [j * i * (1 - i), i * (1 - j * j), c_previous * f * (1 - f), tanh_c * o * (1 - o)]
    factors = from_h, tf.concat(from_both, axis=1), f
    return list(zip(*(tf.split(factor, len(steps)) for factor in factors), strict=True))


def _blocks(steps: list, rows: int | None) -> list:
    """The steps in blocks; `rows` is the batch size, None if the graph is for any."""
    size = len(steps) if on_gpu() else max(BLOCK_STEPS, BLOCK_ROWS // (rows or BLOCK_ROWS))
    return [steps[t : t + size] for t in range(0, len(steps), size)]


def _forget_gate(num_units: int):
    """`[4H]`: ones where the bias of the forget gate lies, zeros elsewhere."""
    return tf.repeat(tf.constant([0.0, 0.0, 1.0, 0.0]), num_units)
