"""What stands in `config.json`, and whether what stands there can be what a run wrote."""

from __future__ import annotations

import json
from pathlib import Path

from training.config import Config

# Files are read whole into memory before anything in them is known.
MOST_BYTES = 1_000_000
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
}


def read_description(path: Path) -> dict:
    """What a `config.json` says. Raises ValueError where it cannot be what a run wrote."""
    try:
        description = read_json(path)
        check_description(description)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read ({error})") from None
    return description


def read_json(path: Path):
    """What stands in a file that may come from anyone. Raises OSError or ValueError."""
    return parse_json(read_text(path, MOST_BYTES))


def parse_json(text: str):
    """What a JSON text that may come from anyone says. Raises ValueError."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def read_text(path: Path, most_bytes: int) -> str:
    """A text of bounded size. Raises OSError or ValueError."""
    with path.open("rb") as file:
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise ValueError(f"it is larger than {most_bytes:,} bytes")
    return content.decode()


def check_description(description) -> None:
    """Raises ValueError for what is no description of a run. A field may be absent."""
    for part in ("config", "corpus"):
        if not isinstance(description, dict) or not isinstance(description.get(part), dict):
            raise ValueError("it is not the config.json of a run")
    _check_types(description, {"model": (str,)})
    Config.from_dict(description["config"])
    corpus = description["corpus"]
    _check_types(corpus, CORPUS)
    _check_types(corpus.get("source", {}), SOURCE)
    _check_types(corpus.get("tokens", {}), dict.fromkeys(corpus.get("tokens", {}), (int,)))
    for share in corpus.get("source", {}).get("shares") or []:
        if type(share) not in NUMBER:
            raise ValueError(f"shares has {share!r}, which is no number")


def _check_types(values: dict, expected: dict[str, tuple[type, ...]]) -> None:
    """By type and not by class: True is no int here."""
    for name, types in expected.items():
        if name in values and type(values[name]) not in types:
            raise ValueError(f"{name} is of type {type(values[name]).__name__}")
