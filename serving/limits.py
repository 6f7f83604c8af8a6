"""What one call may ask for, so that no text keeps a server busy for minutes."""

# Tokens that a call reads, padding included: the outputs of the top layer are kept for each; and
# words that it writes to all rows together.
MAX_TOKENS = 131_072
# Words that one call writes to a row.
MAX_WORDS = 10_000
# The best words that `next_word` names.
TOP_WORDS = 10
