"""Finds and reads the files of a text's splits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ptb.data import text
from ptb.data.options import SPLITS, TextOptions
from ptb.data.standard import cut_by_bytes, is_cut_by_bytes
from ptb.data.vocabulary import EOS

# How the files of a folder may be named: as the tutorial's, in general, and as WikiText's.
FAMILIES = ("ptb.{}.txt", "{}.txt", "wiki.{}.tokens")


def find(
    path: Path, required: Sequence[str], optional: Sequence[str], options: TextOptions
) -> dict[str, Path]:
    """Finds the file of each split in a folder; or one file for all splits, which is then cut.

    Raises ValueError if a required split is missing, if it is unclear which file of a folder is a
    split, or if `options.shares` is not what `path` needs.
    """
    if path.is_file():
        shares = dict(zip(SPLITS, options.shares, strict=True))
        if missing := [split for split in required if not shares[split]]:
            raise ValueError(f"the {missing[0]} split is missing: --split leaves nothing for it")
        return {split: path for split in (*required, *optional) if shares[split]}
    if not path.is_dir():
        kind = "is not a regular file" if path.exists() else "is not a folder or file"
        raise ValueError(
            f"data_path {str(path)!r} {kind}: give the folder that holds "
            "train.txt, valid.txt and test.txt, or one text"
        )
    if options.shares:
        raise ValueError(
            f"--split needs one file, and data_path {str(path)!r} is a folder: leave it out"
        )
    found = _files_of_one_family(path)
    if missing := [split for split in required if split not in found]:
        raise ValueError(
            f"the {missing[0]} split is missing: {str(path)!r} has none of "
            f"{', '.join(name.format(missing[0]) for name in FAMILIES)}, nor one of them as .gz"
        )
    return {split: found[split] for split in (*required, *optional) if split in found}


def read(
    files: Mapping[str, Path], numbers, options: TextOptions
) -> tuple[dict[str, np.ndarray], dict[Path, text.TextRead]]:
    """The tokens of each split, int32 `[N]` of the lexicon `numbers`, and what each file came to.

    Raises ValueError as `text.read` does, and if a share of one file comes out empty.
    """
    contents = {
        path: text.read(path, numbers, options.lowercase) for path in dict.fromkeys(files.values())
    }
    if options.shares is None:
        return {split: contents[path].ids for split, path in files.items()}, contents
    path, stream = next((path, content.ids) for path, content in contents.items())
    if is_cut_by_bytes(path, options.tokens):
        cuts = cut_by_bytes(stream, _num_bytes(numbers.tokens), options.shares)
    else:
        cuts = cut(stream, numbers.eos, options.shares)
    parts = dict(zip(SPLITS, cuts, strict=True))
    if empty := [split for split in files if not len(parts[split])]:
        raise ValueError(
            f"{path} is too short for --split: of its {len(stream):,} tokens nothing is left for "
            f"{empty[0]}: give it a larger share or a longer text, or, without spaces between "
            "words, --tokens=char or --tokens=subword"
        )
    return {split: parts[split] for split in files}, contents


def cut(stream: np.ndarray, eos: int, shares: Sequence[float]) -> list[np.ndarray]:
    """Cuts a stream `[N]`, in order, into views of about `shares` per cent of it.

    Each part extends to the end of the line in which the share is reached. If a part would then be
    empty, as in a text of one line, all parts are cut exactly where the shares end.
    """
    line_ends = np.flatnonzero(stream == eos) + 1
    wanted = len(stream) * np.cumsum(shares[:-1]) / 100
    # Rounding must not carry a border that falls on a line end over to the next one.
    borders = np.searchsorted(line_ends, wanted - 1e-6)
    parts = np.split(stream, line_ends[np.minimum(borders, len(line_ends) - 1)])
    if all(len(part) or not share for part, share in zip(parts, shares, strict=True)):
        return parts
    return np.split(stream, np.rint(wanted).astype(np.int64))


def _num_bytes(tokens: Sequence[str]) -> np.ndarray:
    """The number of bytes of each token in UTF-8, int64; a line break is one byte."""
    return np.array([1 if token == EOS else len(token.encode()) for token in tokens], np.int64)


def _files_of_one_family(folder: Path) -> dict[str, Path]:
    """The file of each split that the folder has, by the first family that has them all.

    It does not depend on the splits that are asked for: every command takes the same files.
    Raises ValueError if no family has them all, or a split has two files.
    """
    families = [_files(folder, family) for family in FAMILIES]
    splits = {split for files in families for split in files}
    chosen = next((files for files in families if files.keys() == splits), None)
    if chosen is None:
        first = next(files for files in families if files)
        (one, *_) = next(iter(first.values()))
        (other, *_) = next(f[split] for f in families for split in f if split not in first)
        raise ValueError(
            f"{str(folder)!r} has {one.name} and {other.name}, which do not belong together: name "
            "the files of all splits alike, or remove one of these"
        )
    for split, paths in chosen.items():
        if len(paths) > 1:
            raise ValueError(
                f"{str(folder)!r} has two files of the {split} split, {paths[0].name} and "
                f"{paths[1].name}: remove one"
            )
    return {split: path for split, (path,) in chosen.items()}


def _files(folder: Path, family: str) -> dict[str, list[Path]]:
    """The files of a family, plain and `.gz`, by split."""
    names = {split: family.format(split) for split in SPLITS}
    found = {
        split: [path for gz in ("", ".gz") if (path := folder / f"{name}{gz}").is_file()]
        for split, name in names.items()
    }
    return {split: paths for split, paths in found.items() if paths}
