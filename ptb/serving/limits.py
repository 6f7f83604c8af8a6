"""What one call may ask for, so that no text keeps a server busy for minutes."""

# Tokens that a call reads, padding included: the outputs of the top layer are kept for each; and
# words that it writes to all rows together.
MAX_TOKENS = 131_072
# Values that a call has at once for its rows, scores and states: 268 MB, and some copies of them.
MAX_VALUES = 2**26
# Tokens of a long prefix that are read at once: the outputs of the top layer are kept for each.
MAX_PART_TOKENS = 4096
# Words that one call writes to a row.
MAX_WORDS = 10_000
# The best words that `next_word` names.
TOP_WORDS = 10


def max_rows(vocab_size: int, state_size: int) -> int:
    """The maximum number of rows of one call that draws words, or gives the chance of each."""
    return max(MAX_VALUES // (vocab_size + state_size), 1)
