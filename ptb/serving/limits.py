"""Limits of one call, so that no text keeps a server busy for minutes."""

import math

# Tokens that a call reads, padding included: the outputs of the top layer are kept for each; and
# words that it writes to all rows together.
MAX_TOKENS = 131_072
# Bytes of the texts that a call cuts into tokens: more have more tokens than MAX_TOKENS, unless the
# tokens are very long.
MAX_TEXT_BYTES = 128 * MAX_TOKENS
# Values that a call has at once for its rows, scores and states: 268 MB, and some copies of them.
MAX_VALUES = 2**26
# Tokens of a long prefix that are read at once: the outputs of the top layer are kept for each.
MAX_PART_TOKENS = 4096
# Words that one call writes to a row.
MAX_WORDS = 10_000
# The best words that `next_word` names.
TOP_WORDS = 10
# Units that one look inside shows.
MAX_UNITS = 20
# Floating-point operations of one look inside: about half a second on two cores.
MAX_INSIDE_OPERATIONS = 2 * 10**10


def max_inside_tokens(num_layer_weights: int) -> int:
    """The maximum number of tokens of one look inside a model whose layers have so many weights.

    For each pair of a token and a later one, each weight is multiplied and added once forward and
    once back.
    """
    return max(math.isqrt(MAX_INSIDE_OPERATIONS // (2 * num_layer_weights)), 2)


def max_rows(vocab_size: int, state_size: int) -> int:
    """The maximum number of rows of one call: each has a state, and a score for every word."""
    return max(MAX_VALUES // (vocab_size + state_size), 1)
