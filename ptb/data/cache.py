"""Caches the ids of a long text for the next start.

An entry is a folder named after the sha256 of everything that determines the ids: the bytes of the
text files, as they were read, and the settings. It is written under another name and renamed, and
checked against a fingerprint when it is read, so a damaged entry is ignored. Entries are never
removed: you can delete the folder at any time.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from ptb.data.summary import SplitSummary
from ptb.data.vocabulary import Vocabulary

FORMAT = 8
VOCABULARY = "vocabulary.txt"
# The names of entries, and of those that are being written.
OWN = r"[0-9a-f]{64}|\.new-\w+"
# A shorter text is read in less time than anyone notices.
MIN_BYTES = 10_000_000


def default_folder() -> Path | None:
    """`ptb-lm` in the user's cache folder; None for a user without a home folder."""
    folder = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return None if folder.startswith("~") else Path(folder) / "ptb-lm"


class Entry:
    """The place in the cache for the text in `files`, read with `settings`.

    There is none if `cache_dir` is None or "", or the text is too short to be worth an entry.
    """

    def __init__(self, cache_dir: str | Path | None, files: Mapping[str, Path], settings):
        self._cache_dir, self._files, self._settings = cache_dir, files, settings
        num_bytes = sum(path.stat().st_size for path in set(files.values()))
        self._is_used = bool(cache_dir) and num_bytes >= MIN_BYTES

    def load(self, corpus_type: type):
        """Loads the corpus of the current files; None if it is not cached, or damaged."""
        if not self._is_used:
            return None
        return _load(
            self._folder({path: _sha256(path) for path in set(self._files.values())}), corpus_type
        )

    def save(self, corpus, sha256: Mapping[Path, str]) -> None:
        """Caches the corpus that was read from files with these contents.

        The contents are given, since a file may have changed after `load`, and changed back.
        """
        if self._is_used:
            _save(self._folder(sha256), corpus)

    def _folder(self, sha256: Mapping[Path, str]) -> Path:
        # The notes name the files.
        files = self._files.items()
        named = sorted((name, path.name, sha256[path]) for name, path in files)
        key = json.dumps([FORMAT, self._settings, named], sort_keys=True)
        return Path(self._cache_dir) / hashlib.sha256(key.encode()).hexdigest()


def _load(entry: Path, corpus_type: type):
    """Loads the corpus of an entry; None if the entry is missing or damaged."""
    try:
        meta = json.loads((entry / "meta.json").read_text(encoding="utf-8"))
        corpus = corpus_type(
            name=meta["name"],
            vocabulary=Vocabulary.from_text((entry / VOCABULARY).read_text(encoding="utf-8")),
            splits={split: _load_ids(entry / f"{split}.npy") for split in meta["summary"]},
            summary={split: SplitSummary(**row) for split, row in meta["summary"].items()},
            notes=tuple(map(str, meta["notes"])),
            reasons=tuple(map(str, meta["reasons"])),
        )
        return corpus if corpus.fingerprint == meta["fingerprint"] else None
    except Exception:  # NumPy's readers raise many more for damaged bytes than they document
        return None


def _load_ids(path: Path) -> np.ndarray:
    with path.open("rb") as file:  # np.load leaves a file open that is no archive but begins as one
        return np.lib.format.read_array(file, allow_pickle=False)


def _save(entry: Path, corpus) -> None:
    """Caches a `Corpus`. If the disk refuses, the next start reads the text again.

    Nothing is cached in a folder that has files of other programs.
    """
    with contextlib.suppress(OSError):
        entry.parent.mkdir(parents=True, exist_ok=True)
        is_foreign = not all(re.fullmatch(OWN, path.name) for path in entry.parent.iterdir())
        if is_foreign or entry.is_symlink():
            return
        with tempfile.TemporaryDirectory(dir=entry.parent, prefix=".new-") as folder:
            _write(Path(folder) / "entry", corpus)
            _remove_damaged(entry, (Path(folder) / "entry").iterdir())
            (Path(folder) / "entry").rename(entry)


def _remove_damaged(entry: Path, files: Iterable[Path]) -> None:
    """Removes an entry that could not be read, if there is one. Other files in it stay."""
    for path in files:
        (entry / path.name).unlink(missing_ok=True)
    if entry.exists():
        entry.rmdir()


def _write(folder: Path, corpus) -> None:
    folder.mkdir()
    for split, ids in corpus.splits.items():
        np.save(folder / f"{split}.npy", ids, allow_pickle=False)
    (folder / VOCABULARY).write_text(corpus.vocabulary.to_text(), encoding="utf-8")
    summary = {split: dataclasses.asdict(counts) for split, counts in corpus.summary.items()}
    meta = {
        "name": corpus.name,
        "fingerprint": corpus.fingerprint,
        "summary": summary,
        "notes": corpus.notes,
        "reasons": corpus.reasons,
    }
    (folder / "meta.json").write_text(json.dumps(meta), encoding="utf-8")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
