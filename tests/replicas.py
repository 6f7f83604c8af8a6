"""The devices of the tests as replicas."""

import functools

import tensorflow as tf


@functools.cache
def mirrored(num_devices: int) -> tf.distribute.Strategy:
    """A strategy over the first devices: one in a process, since two count their messages alike."""
    return tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(num_devices)])
