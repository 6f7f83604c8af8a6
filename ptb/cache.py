"""The ids of a long text, kept for the next start.

An entry is a folder named after the sha256 of everything that its contents follow from: the bytes
of the text files and the settings they were read with. It is written under another name and
renamed, and checked against its own fingerprint when it is read, so an entry is whole or ignored.
Entries are never removed: delete the folder whenever you like.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ptb.summary import SplitSummary
from ptb.vocabulary import Vocabulary

FORMAT = 1
VOCABULARY = "vocabulary.txt"
# A shorter text is read in less time than anyone notices.
MIN_BYTES = 10_000_000


def default_folder() -> Path | None:
    """`ptb-lm` in the user's cache folder; None for a user without a home folder."""
    folder = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return None if folder.startswith("~") else Path(folder) / "ptb-lm"


def entry(cache_dir: str | Path | None, files: Mapping[str, Path], settings) -> Path | None:
    """The folder of what `settings` make of the contents of `files`.

    None where `cache_dir` is None or "", or the text is too short to be worth an entry.
    """
    if not cache_dir or sum(path.stat().st_size for path in set(files.values())) < MIN_BYTES:
        return None
    contents = {path: _sha256(path) for path in set(files.values())}
    named = sorted((name, contents[path]) for name, path in files.items())
    key = json.dumps([FORMAT, settings, named], sort_keys=True)
    return Path(cache_dir) / hashlib.sha256(key.encode()).hexdigest()


def cached(entry: Path | None, corpus_type: type, assemble: Callable[[], Any]):
    """The corpus in the entry, or else what `assemble` gives, which the entry then holds."""
    corpus = entry and _load(entry, corpus_type)
    if corpus:
        return corpus
    corpus = assemble()
    if entry:
        _save(entry, corpus)
    return corpus


def _load(entry: Path, corpus_type: type):
    """The corpus in the entry; None where there is no entry or it is damaged."""
    try:
        meta = json.loads((entry / "meta.json").read_text(encoding="utf-8"))
        corpus = corpus_type(
            name=meta["name"],
            vocabulary=Vocabulary.from_text((entry / VOCABULARY).read_text(encoding="utf-8")),
            splits={split: np.load(entry / f"{split}.npy") for split in meta["summary"]},
            summary={split: SplitSummary(**row) for split, row in meta["summary"].items()},
        )
        return corpus if corpus.fingerprint == meta["fingerprint"] else None
    except (OSError, ValueError, TypeError, KeyError, AttributeError, EOFError):
        return None


def _save(entry: Path, corpus) -> None:
    """Keeps a `Corpus`; where the disk does not let it, the next start reads the text again."""
    with contextlib.suppress(OSError):
        entry.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=entry.parent, prefix=".new-") as folder:
            _write(Path(folder) / "entry", corpus)
            shutil.rmtree(entry, ignore_errors=True)
            (Path(folder) / "entry").rename(entry)


def _write(folder: Path, corpus) -> None:
    folder.mkdir()
    for split, ids in corpus.splits.items():
        np.save(folder / f"{split}.npy", ids, allow_pickle=False)
    (folder / VOCABULARY).write_text(corpus.vocabulary.to_text(), encoding="utf-8")
    summary = {split: dataclasses.asdict(counts) for split, counts in corpus.summary.items()}
    meta = {"name": corpus.name, "fingerprint": corpus.fingerprint, "summary": summary}
    (folder / "meta.json").write_text(json.dumps(meta), encoding="utf-8")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
