"""Regularization of activations (Merity, McCann, Socher 2017, arXiv 1708.01009).

Axis letters: B = batch_size, T = num_steps, H = hidden size.
"""

from __future__ import annotations

import tensorflow as tf


def activation_penalty(outputs: list, dropped: list, activation: float, temporal: float, resets):
    """What is added to the loss of each token, a float32 scalar:

        activation * mean(dropped_t^2) + temporal * mean((outputs_t - outputs_(t-1))^2)

    Args:
      outputs: the T outputs `[B, H]` of the top layer, float32.
      dropped: the same after dropout.
      activation: the factor of activation regularization (AR): it keeps outputs small.
      temporal: the factor of temporal activation regularization (TAR): it keeps their changes from
        step to step small.
      resets: bool `[B, T]`, the tokens before which the state is zeroed: such a change is not
        counted. None: no token.
    """
    penalty = tf.constant(0.0)
    if activation:
        penalty += activation * tf.reduce_mean(tf.square(tf.stack(dropped)))
    if temporal and len(outputs) > 1:
        changes = tf.square(tf.stack(outputs[1:]) - tf.stack(outputs[:-1]))
        if resets is not None:
            begins = tf.transpose(resets)[1:, :, None]
            changes = tf.where(begins, tf.zeros_like(changes), changes)
        penalty += temporal * tf.reduce_mean(changes)
    return penalty
