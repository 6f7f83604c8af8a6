"""Well-known corpora with published results: how they are cut, and how long they are.

`wiki.{train,valid,test}.tokens` are WikiText-2 and WikiText-103 (Merity et al. 2016, arXiv
1609.07843), counted in words with an `<eos>` a line. `text8` and `enwik8` (http://mattmahoney.net/dc)
are cut at 90 and 95 million bytes, as everyone does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from ptb.data.parts import parts

CUT_BY_BYTES = ("text8", "enwik8")
# Train of WikiText-2 or of WikiText-103; the other splits are the same texts.
WIKITEXT = {"train": (2_088_628, 103_227_021), "valid": (217_646,), "test": (245_569,)}


def is_cut_by_bytes(path: Path, tokens: str) -> bool:
    """Whether the file is one of `CUT_BY_BYTES`, read in characters."""
    name = path.name.removesuffix(".gz").removesuffix(".txt")
    return name in CUT_BY_BYTES and tokens == "char"


def cut_by_bytes(
    stream: np.ndarray, lengths: np.ndarray, shares: Sequence[float]
) -> list[np.ndarray]:
    """Cuts a stream `[N]` of numbers into views of these shares per cent of its bytes.

    `lengths` int64 says how many bytes each number has. A line break beyond a multiple of 20 bytes,
    such as the one that ends a file that has none, is left out.
    """
    total = sum(int(lengths[part].sum()) for part in parts(stream))
    total -= total % 20
    borders = np.rint(total * np.cumsum(shares) / 100).astype(np.int64)
    places: list[int] = []
    before = start = 0
    for part in parts(stream):
        sums = before + np.cumsum(lengths[part])
        here = borders[(borders > before) & (borders <= sums[-1])]
        places += (start + 1 + np.searchsorted(sums, here)).tolist()
        before = int(sums[-1])
        start += len(part)
    places = [0] * (len(borders) - len(places)) + places
    return np.split(stream, places)[: len(shares)]


def notes(files: Mapping[str, Path], lengths: Mapping[str, int], tokens: str) -> Iterator[str]:
    """Yields a note if a file has the name of a standard split but another length."""
    for split, path in files.items():
        name, found = path.name.removesuffix(".gz"), lengths.get(split)
        known = WIKITEXT.get(split, ())
        if name != f"wiki.{split}.tokens" or tokens != "word" or found is None or found in known:
            continue
        yield (
            f"{path} has {found:,} tokens, and WikiText's {split} split has "
            f"{' or '.join(f'{count:,}' for count in known)}: published perplexities do not compare"
        )
