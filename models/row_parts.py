"""Splits the rows of tensors over the cores, each of which computes a part, and joins them."""

from __future__ import annotations

from itertools import pairwise

import tensorflow as tf

from ptb.machine.cores import available_cores, on_gpu


def row_parts(nest, smallest: int, most: int | None = None) -> list:
    """A nest of tensors `[N, ...]` as a list of nests with a part of the rows each.

    There is a part for each core, as long as each has `smallest` rows and there are no more than
    `most`. It is one part on a GPU, and where the graph is for any number of rows.
    """
    rows = tf.nest.flatten(nest)[0].shape[0]
    if on_gpu() or rows is None:
        return [nest]
    num_parts = min(available_cores(), rows // smallest, most or rows)
    if num_parts < 2:
        return [nest]
    ends = [rows * part // num_parts for part in range(num_parts + 1)]
    sizes = [end - begin for begin, end in pairwise(ends)]
    split = [tf.split(tensor, sizes) for tensor in tf.nest.flatten(nest)]
    return [tf.nest.pack_sequence_as(nest, part) for part in zip(*split, strict=True)]


def join_parts(parts: list):
    """The inverse of `row_parts`: nests of the same structure, their rows joined in one nest."""
    if len(parts) == 1:
        return parts[0]
    return tf.nest.map_structure(lambda *tensors: tf.concat(tensors, 0), *parts)
