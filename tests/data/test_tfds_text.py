"""A text of TFDS, by a dataset that is made here: no network."""

import json
import sys
import unicodedata

import numpy as np
import pytest
import tensorflow_datasets as tfds

from ptb.data import corpus, tfds_text
from ptb.data.options import TextOptions

TEXTS = {"train": ["To be,\r\nor not.", "b a"] * 20, "validation": ["to be"], "test": ["a\nb\n"]}


class MadeText(tfds.core.GeneratorBasedBuilder):
    """A dataset with a text, and a number beside it."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        features = {"text": tfds.features.Text(), "label": tfds.features.Scalar(np.int64)}
        return self.dataset_info_from_configs(features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        return {split: self._generate_examples(split) for split in TEXTS}

    def _generate_examples(self, split):
        for i, text in enumerate(TEXTS[split]):
            yield i, {"text": text, "label": i}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tfds")


def load(folder, dataset, tokens="word", **options):
    return corpus.load_tfds(dataset, folder, options=TextOptions(tokens, **options))


def written(loaded, split):
    return loaded.vocabulary.decode(loaded.splits[split])


def test_the_text_and_its_splits_are_found(folder):
    loaded = load(folder, "tfds:made_text", lowercase=True)
    assert sorted(written(loaded, "train")) == sorted(
        20 * ["to", "be,", "<eos>", "or", "not.", "<eos>", "b", "a", "<eos>"]
    )
    assert written(loaded, "test") == ["a", "<eos>", "b", "<eos>"]
    assert loaded.source == {
        "dataset": "tfds:made_text",
        "data_dir": str(folder),
        "tokens": "word",
        "lowercase": True,
        "min_count": None,
        "unicode": unicodedata.unidata_version,
    }


def test_field_and_splits_may_be_named(folder):
    name = "tfds:made_text:1.0.0,field=text,train=train[:10],valid=test,test=train[:2]"
    loaded = load(folder, name, "char")
    assert written(loaded, "valid") == ["a", "<eos>", "b", "<eos>"]
    train, test = written(loaded, "train"), written(loaded, "test")
    assert len(test) < len(train)
    assert test == train[: len(test)]


def test_a_run_finds_its_dataset_again(folder):
    first = load(folder, "tfds:made_text,valid=train[90%:],train=train[:90%]")
    again = corpus.load_tfds(
        first.source["dataset"], first.source["data_dir"], vocabulary=first.vocabulary
    )
    assert again.fingerprint == first.fingerprint


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        ("tfds:made_text,field=label", "no field 'label': add ,field=NAME, one of text"),
        ("tfds:made_text,test=other", "TFDS cannot load tfds:made_text"),
        ("tfds:no_such_text_anywhere", "TFDS cannot load tfds:no_such_text_anywhere"),
        ("tfds:made_text,valid=train[95%:]", r"valid=train\[95%:\] is a part of train"),
        ("tfds:made_text,test=validation+train[:2]", r"test=.* is a part of train"),
        ("tfds:made_text,split=test", "write tfds:NAME"),
        ("tfds:kaggle:made_text/x/y", "write tfds:NAME"),
        ("tfds:", "write tfds:NAME"),
    ],
)
def test_what_is_not_there_is_named(folder, dataset, message):
    with pytest.raises(ValueError, match=message):
        load(folder, dataset)


@pytest.mark.parametrize("key", ["pythonClassName", "type"])
def test_a_class_that_a_prepared_dataset_names_is_not_imported(tmp_path, monkeypatch, key):
    """TFDS imports the module of whatever class features.json names."""
    (tmp_path / "stranger.py").write_text("open('it_ran', 'w').close()")
    version = tmp_path / "data/stranger/1.0.0"
    version.mkdir(parents=True)
    info = {"name": "stranger", "version": "1.0.0", "fileFormat": "tfrecord"}
    (version / "dataset_info.json").write_text(json.dumps(info))
    content = {"jsonFeature": {"json": "{}"}} if key == "pythonClassName" else {"content": {}}
    (version / "features.json").write_text(json.dumps({key: "stranger.X"} | content))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"names the class 'stranger\.X', which is not TFDS's"):
        load(tmp_path / "data", "tfds:stranger")
    assert not (tmp_path / "it_ran").exists()
    assert "stranger" not in sys.modules


def test_a_dataset_without_a_valid_split_gives_the_end_of_train(folder, monkeypatch):
    monkeypatch.setitem(tfds_text.SPLIT_NAMES, "valid", ())
    loaded = load(folder, "tfds:made_text")
    assert len(loaded.train) + len(loaded.valid) == 9 * 20
    assert loaded.notes[1] == "valid is train[95%:] of made_text"
    with pytest.raises(ValueError, match=r"test=train\[:2\] is a part of train"):
        load(folder, "tfds:made_text,test=train[:2]")
