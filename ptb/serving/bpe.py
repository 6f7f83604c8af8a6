"""`ptb.data.subword` as a graph, by TensorFlow's own operations.

Axis letters: B = rows, N = tokens of the longest row, P = distinct pieces, L = bytes of the longest
piece.
"""

from __future__ import annotations

import tensorflow as tf

from ptb.data import wordpunct
from ptb.data.subword import LINE_BREAK_NAME, MAX_PIECE_BYTES, NAMES, piece_pattern
from ptb.data.vocabulary import EOS

# No text has it, so it can stand between two pieces.
_BORDER = "\0"
_NONE = tf.int64.max
# The byte that a character stands for, by its code point.
_BYTE_OF = [0] * (max(map(ord, NAMES)) + 1)
for _byte, _name in enumerate(NAMES):
    _BYTE_OF[ord(_name)] = _byte


def split(text, ids):
    """Splits `text`, string `[B]`, into subwords, string `[B, N]`, padded with "".

    `ids` is the table from a token to its id, -1 for one that is not in the vocabulary.
    """
    pattern = piece_pattern(wordpunct.re2_class)
    marked = tf.strings.regex_replace(text, f"({pattern})", rf"\1{_BORDER}")
    rows = tf.strings.split(marked, _BORDER)
    parts = tf.strings.regex_replace(
        rows.flat_values, rf"(?s)(\C{{{MAX_PIECE_BYTES}}})", rf"\1{_BORDER}"
    )
    parts = rows.with_flat_values(tf.strings.split(parts, _BORDER)).merge_dims(1, 2)
    parts = tf.ragged.boolean_mask(parts, parts != "")
    pieces, places = tf.unique(parts.flat_values)
    joined = _join_neighbours(_bytes_of(pieces), ids)
    tokens = tf.ragged.boolean_mask(joined, joined != "")
    return parts.with_flat_values(tf.gather(tokens, places)).merge_dims(1, 2).to_tensor("")


def _bytes_of(pieces):
    """The names of the bytes of pieces string `[P]`, string `[P, L]`."""
    split_bytes = tf.strings.bytes_split(pieces)
    values = tf.io.decode_raw(split_bytes.flat_values, tf.uint8)
    names = tf.gather(tf.constant(NAMES), tf.reshape(tf.cast(values, tf.int32), [-1]))
    return split_bytes.with_flat_values(names).to_tensor("")


def _join_neighbours(tokens, ids):
    """Merges the neighbours with the lowest id in each piece of `[P, L]` until none are left."""
    columns = tf.range(tf.shape(tokens)[1], dtype=tf.int64)[None]

    def ranked(tokens):
        right = tf.concat([tokens[:, 1:], tf.fill([tf.shape(tokens)[0], 1], "")], axis=1)
        right = right[:, : tf.shape(tokens)[1]]
        pairs = tf.where(right == "", "", tokens + right)
        found = ids.lookup(pairs)
        return right, pairs, tf.where(found < 0, _NONE, found)

    def is_left(tokens):
        return tf.reduce_any(ranked(tokens)[2] < _NONE)

    def join_one(tokens):
        right, pairs, found = ranked(tokens)
        best = tf.reduce_min(found, axis=1, keepdims=True)
        is_best = (found == best) & (found < _NONE)
        place = tf.reduce_min(tf.where(is_best, columns, _NONE), axis=1, keepdims=True)
        after = tf.where(columns == place, pairs, right)
        return (tf.where(columns < place, tokens, after),)

    invariants = (tf.TensorShape([None, None]),)
    (tokens,) = tf.while_loop(is_left, join_one, (tokens,), shape_invariants=invariants)
    return tf.where(tokens == LINE_BREAK_NAME, EOS, tokens)


def join(tokens, new_tokens):
    """Joins subwords, string `[B, N]`, and new ones `[M, B]` into a text, string `[B]`.

    What is not UTF-8 becomes U+FFFD.
    """
    parts = [
        tf.strings.reduce_join(tf.where(part == EOS, LINE_BREAK_NAME, part), axis=axis)
        for part, axis in ((tokens, 1), (new_tokens, 0))
    ]
    names = tf.strings.join(parts)
    points = tf.strings.unicode_decode(names, "UTF-8")
    values = tf.gather(tf.constant(_BYTE_OF), points.flat_values)
    every_byte = tf.constant([bytes([byte]) for byte in range(256)])
    text = tf.strings.reduce_join(points.with_flat_values(tf.gather(every_byte, values)), axis=1)
    return tf.strings.unicode_transcode(text, "UTF-8", "UTF-8", errors="replace")
