"""Converts text to ids and back inside a graph, so that clients need no Python.

`ptb/data/text.py` defines what the tokens of a text are; tests hold this and Python's reading
together.

Axis letters: B = rows, N = tokens of the longest row.
"""

from __future__ import annotations

import functools
import sys

import numpy as np
import tensorflow as tf

from ptb.data import wordpunct
from ptb.data.text_file import BYTE_ORDER_MARK
from ptb.data.vocabulary import EOS, UNKNOWN, Vocabulary
from ptb.serving import bpe

# What Python's str.split takes for white space, line breaks aside, in RE2's syntax.
_SPACES = f"[{wordpunct.re2_class(wordpunct.SPACES)}]+"
# No text has it, so it can stand between two tokens.
_BORDER = "\0"
# The only character whose lower case is two of them.
_DOTTED_I, _DOTTED_I_LOWER = "\u0130", "i\u0307"


class Tokenizer(tf.Module):
    """`tokens` is one of `ptb.data.text.TOKENS`.

    `vocabulary_file` has a token a line, in the order of the ids. It is an asset: a SavedModel
    carries it.
    """

    def __init__(self, vocabulary: Vocabulary, vocabulary_file: str, tokens: str, lowercase: bool):
        super().__init__()
        self.kind = tokens
        self._lowercase = lowercase
        self._size = len(vocabulary)
        self._unknown_id = vocabulary.unknown_id
        self._file = tf.saved_model.Asset(vocabulary_file)
        line, number = tf.lookup.TextFileIndex.WHOLE_LINE, tf.lookup.TextFileIndex.LINE_NUMBER
        self._ids = self._table(tf.string, line, tf.int64, number, -1)
        self._tokens = self._table(tf.int64, number, tf.string, line, "")

    def _table(self, key_dtype, key, value_dtype, value, default):
        initializer = tf.lookup.TextFileInitializer(
            self._file.asset_path, key_dtype, key, value_dtype, value, self._size
        )
        return tf.lookup.StaticHashTable(initializer, default)

    def split(self, text):
        """Splits `text`, string `[B]`, into tokens, string `[B, N]`, padded with "".

        A line break is `<eos>`. What is not UTF-8 becomes U+FFFD. A text with a NUL is refused.
        """
        text = tf.strings.regex_replace(_utf8(text), BYTE_ORDER_MARK, "")
        text = self._lower(tf.strings.regex_replace(text, r"\r\n?", "\n"))
        if self.kind == "char":
            characters = tf.strings.unicode_split(text, "UTF-8").to_tensor("")
            return _line_breaks_to_eos(characters)
        if self.kind == "wordpunct":
            return _line_breaks_to_eos(_words_and_punctuation(text))
        if self.kind == "subword":
            return bpe.split(text, self._ids)
        text = tf.strings.regex_replace(text, _SPACES, " ")
        text = tf.strings.regex_replace(text, f"(?m)(^| ){EOS} ?\n", "\\1\n")
        return tf.strings.split(tf.strings.regex_replace(text, "\n", f" {EOS} ")).to_tensor("")

    def without_last_space(self, text):
        """`ptb.data.text.without_last_space` of texts string `[B]`."""
        spaces = wordpunct.re2_class(wordpunct.SPACES)
        before = {
            "wordpunct": wordpunct.patterns(wordpunct.re2_class)["word"],
            "subword": f"^|[^{spaces}]",
        }
        if self.kind not in before:
            return text
        return tf.strings.regex_replace(_utf8(text), f"({before[self.kind]}) $", r"\1")

    def normalize(self, tokens):
        """Tokens of any shape as `split` gives them: UTF-8, small letters where those are read.

        Subwords stand for bytes, in letters that have small ones too, which are other bytes.
        """
        tokens = _utf8(tokens)
        return _line_breaks_to_eos(tokens if self.kind == "subword" else self._lower(tokens))

    def encode(self, tokens):
        """Converts tokens to ids, int32, with -1 for "", and a bool that marks `<unk>`.

        A token outside the vocabulary is refused where it has no `<unk>`.
        """
        ids = tf.cast(self._ids.lookup(tokens), tf.int32)
        lacking = (ids < 0) & (tokens != "")
        if self._unknown_id is None:
            refusal = self._refusal(tf.boolean_mask(tokens, lacking))
            with tf.control_dependencies([tf.debugging.Assert(~tf.reduce_any(lacking), [refusal])]):
                return tf.identity(ids), lacking
        ids = tf.where(lacking, self._unknown_id, ids)
        return ids, ids == self._unknown_id

    def decode(self, ids):
        """Converts ids of any shape to tokens."""
        return self._tokens.lookup(tf.cast(ids, tf.int64))

    def join(self, tokens, new_tokens):
        """Joins tokens `[B, N]` without padding and new_tokens `[M, B]` into texts, string `[B]`.

        `<eos>` is a line break.
        """
        if self.kind == "subword":
            return bpe.join(tokens, new_tokens)
        border = {"word": " ", "char": "", "wordpunct": _BORDER}[self.kind]
        parts = [
            tf.strings.reduce_join(tf.where(part == EOS, "\n", part), axis=axis, separator=border)
            for part, axis in ((tokens, 1), (new_tokens, 0))
        ]
        text = tf.strings.join(parts, border)
        if self.kind == "char":
            return text
        if self.kind == "wordpunct":
            return _spaced(text)
        text = tf.strings.regex_replace(text, " +", " ")  # the padding
        text = tf.strings.regex_replace(text, " ?\n ?", "\n")
        return tf.strings.regex_replace(text, "^ | $", "")

    def _lower(self, text):
        """Texts of any shape in lower case; TensorFlow's own lower follows the locale."""
        if not self._lowercase:
            return text
        flat = tf.strings.regex_replace(tf.reshape(text, [-1]), _DOTTED_I, _DOTTED_I_LOWER)
        points = tf.strings.unicode_decode(flat, "UTF-8")
        upper, lower = _lower_case()
        places = tf.minimum(tf.searchsorted(upper, points.flat_values), len(upper) - 1)
        is_upper = tf.gather(upper, places) == points.flat_values
        lowered = tf.where(is_upper, tf.gather(lower, places), points.flat_values)
        encoded = tf.strings.unicode_encode(points.with_flat_values(lowered), "UTF-8")
        return tf.ensure_shape(tf.reshape(encoded, tf.shape(text)), text.shape)

    def _refusal(self, lacking):
        first = tf.strings.substr(tf.concat([lacking, [""]], 0)[0], 0, 40, unit="UTF8_CHAR")
        # TensorFlow would put a backslash before other quotes.
        reason = f"` is not among the {self._size:,} of the vocabulary, which has no {UNKNOWN}"
        return tf.strings.join(["the token `", first, reason])


def _utf8(text):
    has_nul = tf.reduce_any(tf.strings.regex_full_match(text, r"(?s)\C*\x00\C*"))
    refusal = "the text has a NUL, which no text has: leave it out"
    with tf.control_dependencies([tf.debugging.Assert(~has_nul, [refusal])]):
        return tf.strings.unicode_transcode(text, "UTF-8", "UTF-8", errors="replace")


def _words_and_punctuation(text):
    """Tokens string `[B, N]` as `ptb.data.wordpunct.split` gives them."""
    known = wordpunct.patterns(wordpunct.re2_class)
    text = _twice(text, f"({known['word']}) ({known['word']})", rf"\1{_BORDER}\2")
    text = tf.strings.regex_replace(text, f"({known['token']})", rf"\1{_BORDER}")
    tokens = tf.strings.split(text, _BORDER)
    return tf.ragged.boolean_mask(tokens, tokens != "").to_tensor("")


def _spaced(text):
    """Text `[B]` of tokens with `_BORDER` between them: two words get a space, others nothing."""
    word = f"({UNKNOWN}|{wordpunct.patterns(wordpunct.re2_class)['word']})"
    nul = r"\x{0}"
    text = _twice(text, f"{word}{nul}+{word}", r"\1 \2")
    return tf.strings.regex_replace(text, nul, "")


def _twice(text, pattern: str, replacement: str):
    """Replaces also where the end of one match is the beginning of the next one."""
    for _ in range(2):
        text = tf.strings.regex_replace(text, pattern, replacement)
    return text


@functools.cache
def _lower_case() -> tuple[np.ndarray, np.ndarray]:
    """The code points that have another one as their lower case, in order, and these, int32."""
    characters = map(chr, range(sys.maxunicode + 1))
    pairs = [(ord(c), ord(c.lower())) for c in characters if len(c.lower()) == 1 and c.lower() != c]
    upper, lower = np.array(pairs, np.int32).T
    return upper, lower


def _line_breaks_to_eos(tokens):
    return tf.where(tokens == "\n", EOS, tokens)
