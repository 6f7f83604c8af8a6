"""The text of any dataset of TensorFlow Datasets that has one: `tfds:NAME`.

    tfds:tiny_shakespeare
    tfds:imdb_reviews/plain_text:1.0.0,field=text,train=train[:90%],valid=train[90%:],test=test

The field is the only one that holds text, or `text`, unless it is named. The splits are those of
their usual names; without a valid split the last 5% of train are. Each example is a text of its own
that ends a line.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ptb.data.text_file import BYTE_ORDER_MARK

PREFIX = "tfds:"
NAME = r"[a-z0-9_]+(/[\w.\-]+)?(:[\d.*]+)?"
SPLIT_NAMES = {"train": ("train",), "valid": ("validation", "valid", "dev"), "test": ("test",)}
# Of a dataset without a valid split.
FROM_TRAIN = {"train": "train[:95%]", "valid": "train[95%:]"}


@dataclass(frozen=True)
class TfdsText:
    """The parts of `tfds:NAME,field=...`. `splits` maps our names to those of TFDS."""

    name: str
    text_field: str | None
    splits: Mapping[str, str]

    @classmethod
    def parse(cls, dataset: str) -> TfdsText:
        """Parses `tfds:NAME,field=...`. Raises ValueError for any other text."""
        name, *settings = dataset.removeprefix(PREFIX).split(",")
        values = dict(setting.partition("=")[::2] for setting in settings)
        if (
            not re.fullmatch(NAME, name)
            or not values.keys() <= {"field", *SPLIT_NAMES}
            or not all(values.values())
        ):
            raise ValueError(
                f"dataset={dataset} cannot be read: write tfds:NAME, for example "
                "tfds:imdb_reviews,field=text,train=train[:90%],valid=train[90%:],test=test"
            )
        return cls(name, values.pop("field", None), values)


def blocks_of_texts(
    text: TfdsText, data_dir: str | Path | None
) -> tuple[Callable[[str], Iterator[str]], dict[str, str]]:
    """A function from train, valid or test to its text in blocks of lines; the splits there are.

    The splits are TFDS's names by ours. TFDS fetches the dataset the first time, with a bar.
    Raises ValueError if that fails, or there is no such dataset, field or split.
    """
    import tensorflow as tf  # noqa: PLC0415  (a wrong name is refused before it is loaded)
    import tensorflow_datasets as tfds  # noqa: PLC0415

    from ptb.data.penn_treebank.sentences import prepare, without_notes  # noqa: PLC0415

    def make():
        with _features_of_tfds_only(tfds.features.FeatureConnector):
            return tfds.builder(text.name, data_dir=data_dir)

    builder = _fetched(text, lambda: prepare(make, data_dir))
    name = _field(builder, text, tf)
    splits = _splits(builder, text)

    def blocks(split: str) -> Iterator[str]:
        options = {
            "read_config": tfds.ReadConfig(interleave_cycle_length=1),  # in order
            "decoders": tfds.decode.PartialDecoding({name: True}),
        }
        with without_notes():
            examples = _fetched(text, lambda: builder.as_dataset(split=splits[split], **options))
        for example in examples.as_numpy_iterator():
            written = _clean(example[name], text)
            yield written if written.endswith("\n") else f"{written}\n"

    return blocks, splits


@contextlib.contextmanager
def _features_of_tfds_only(connector) -> Iterator[None]:
    """While it is open, only TFDS's own features are made: of others, their module is not imported.

    A prepared dataset names the class of each feature in features.json, and TFDS imports whatever
    module that names. `connector` is TFDS's `FeatureConnector`.
    """
    find = connector.cls_from_name

    def find_own(name: str):
        if not name.startswith("tensorflow_datasets."):
            raise ValueError(f"features.json names the class {name[:100]!r}, which is not TFDS's")
        return find(name)

    connector.cls_from_name = find_own
    try:
        yield
    finally:
        connector.cls_from_name = find


def _clean(contents: bytes, text: TfdsText) -> str:
    written = contents.decode(errors="replace")
    if "\0" in written:
        raise ValueError(f"{PREFIX}{text.name} has a text with a NUL character")
    return written.replace(BYTE_ORDER_MARK, "").replace("\r\n", "\n").replace("\r", "\n")


def _fetched(text: TfdsText, get):
    """The result of `get`. TFDS runs code of each dataset, which may raise any error."""
    try:
        return get()
    except ValueError as error:
        reason = str(error)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
    reason = " ".join(reason.split())[:300]
    raise ValueError(
        f"TFDS cannot load {PREFIX}{text.name} ({reason}): check its name in TFDS's list, or "
        "give the --data_dir where it was prepared"
    )


def _field(builder, text: TfdsText, tf) -> str:
    features = builder.info.features
    known = [
        name
        for name, feature in (features.items() if hasattr(features, "items") else ())
        if feature.tf_dtype == tf.string and feature.shape == ()
    ]
    if text.text_field in known:
        return str(text.text_field)
    if text.text_field is None and ("text" in known or len(known) == 1):
        return "text" if "text" in known else known[0]
    wanted = f"no field {text.text_field!r}" if text.text_field else "no single field of text"
    raise ValueError(
        f"{PREFIX}{text.name} has {wanted}: add ,field=NAME, one of {', '.join(known) or 'none'}"
    )


def _splits(builder, text: TfdsText) -> dict[str, str]:
    there = builder.info.splits
    found = {
        split: next((name for name in names if name in there), "")
        for split, names in SPLIT_NAMES.items()
    }
    train = found["train"]
    if not found["valid"] and train and not {"train", "valid"} & text.splits.keys():
        found |= FROM_TRAIN
    for split, name in text.splits.items():
        if train and "train" not in text.splits and train in re.split(r"[\[\]+]", name):
            raise ValueError(
                f"{PREFIX}{text.name}: {split}={name} is a part of train: name the part that is "
                "left to train, too, for example train=train[:95%]"
            )
    return {split: name for split, name in (found | dict(text.splits)).items() if name}
