"""Goes through a long array part by part.

NumPy widens indices to 64 bits. By parts, it never does so for a whole text at once.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

PART_TOKENS = 1 << 22


def parts(ids: np.ndarray) -> Iterator[np.ndarray]:
    """Views of the array, in order, of at most `PART_TOKENS` each."""
    for start in range(0, len(ids), PART_TOKENS):
        yield ids[start : start + PART_TOKENS]
