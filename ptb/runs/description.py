"""What stands in `config.json`, and whether what stands there can be what a run wrote."""

from __future__ import annotations

from pathlib import Path

from ptb.machine.untrusted import read_json
from ptb.training.config import Config

NONE = type(None)
NUMBER = (int, float)
# Each field that is read again, with its types. Others are for people, and are not read.
CORPUS = {
    "name": (str,),
    "fingerprint": (str,),
    "vocabulary_sha256": (str,),
    "vocab_size": (int,),
    "tokens": (dict,),
    "source": (dict,),
}
SOURCE = {
    "data_path": (str, NONE),
    "dataset": (str, NONE),
    "data_dir": (str, NONE),
    "tokens": (str,),
    "lowercase": (bool,),
    "min_count": (int, NONE),
    "shares": (list, NONE),
    "reading": (int,),
}


def read_description(path: Path) -> dict:
    """What a `config.json` says. Raises ValueError where it cannot be what a run wrote."""
    try:
        description = read_json(path)
        check_description(description)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read ({error})") from None
    return description


def check_description(description) -> None:
    """Raises ValueError for what is no description of a run. A field may be absent."""
    for part in ("config", "corpus"):
        if not isinstance(description, dict) or not isinstance(description.get(part), dict):
            raise ValueError("it is not the config.json of a run")
    _check_types(description, {"model": (str,), "versions": (dict,)})
    versions = description.get("versions", {})
    _check_types(versions, dict.fromkeys(versions, (str, NONE)))
    Config.from_dict(description["config"])
    corpus = description["corpus"]
    _check_types(corpus, CORPUS)
    _check_types(corpus.get("source", {}), SOURCE)
    _check_types(corpus.get("tokens", {}), dict.fromkeys(corpus.get("tokens", {}), (int,)))
    shares = corpus.get("source", {}).get("shares")
    if shares is not None and [type(share) in NUMBER for share in shares] != [True] * 3:
        raise ValueError(f"shares is {shares!r}, which is no three numbers")


def _check_types(values: dict, expected: dict[str, tuple[type, ...]]) -> None:
    """By type and not by class: True is no int here."""
    for name, types in expected.items():
        if name in values and type(values[name]) not in types:
            raise ValueError(f"{name} is of type {type(values[name]).__name__}")
