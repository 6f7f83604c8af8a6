"""The contents of `config.json`: their types, and checks that a run can have written them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NotRequired, TypedDict

from ptb.machine.checked import check
from ptb.machine.untrusted import read_json
from ptb.training.config import Config


# Each field that is read again. Others are for people, and are not read.
class Source(TypedDict, total=False):
    """Where the text is and how it was read; `ptb.data.corpus.Corpus.source`."""

    data_path: str | None
    dataset: str | None
    data_dir: str | None
    tokens: str
    lowercase: bool
    min_count: int | None
    shares: tuple[float, float, float] | None
    reading: int
    unicode: str


class CorpusDescription(TypedDict, total=False):
    """The text of a run."""

    name: str
    fingerprint: str
    split_fingerprints: dict[str, str]
    vocabulary_sha256: str
    vocab_size: int
    tokens: dict[str, int]
    source: Source


class Change(TypedDict):
    """Hyperparameters that were changed when the run was resumed with `--change`."""

    was: dict
    now: dict


class Description(TypedDict):
    """A `config.json`."""

    config: dict
    corpus: CorpusDescription
    model: NotRequired[str]
    versions: NotRequired[dict[str, str | None]]
    run_id: NotRequired[str]
    changes: NotRequired[tuple[Change, ...]]
    init_from: NotRequired[str]
    init_from_sha256: NotRequired[str]
    init_vectors: NotRequired[str]
    init_vectors_sha256: NotRequired[str]


def read_description(path: Path) -> dict:
    """Reads a `config.json`. Raises ValueError if no run can have written it."""
    try:
        description = read_json(path)
        check("its content", description, Description)
        Config.from_dict(description["config"])
        if not re.fullmatch("[0-9a-f]{64}", description.get("run_id", "0" * 64)):
            raise ValueError("run_id is not a sha256")
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read ({error})") from None
    return description
