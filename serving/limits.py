"""What one call may ask for, so that no text keeps a server busy for minutes."""

# Tokens of a call, padding included: the outputs of the top layer are kept for each.
MAX_TOKENS = 131_072
# Words that one call writes.
MAX_WORDS = 10_000
# The best words that `next_word` names.
TOP_WORDS = 10
