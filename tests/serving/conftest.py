"""A tiny model of random weights, and one export of it that the tests of this folder share."""

import numpy as np
import pytest

from models.language_model import LanguageModel, recurrent_layers
from ptb.data.vocabulary import Vocabulary
from ptb.runs.trained_model import TrainedModel
from ptb.serving.client import LoadedExport
from ptb.serving.saved_model import export, served_model
from ptb.training.config import Config

WORDS = ("<eos>", "the", "<unk>", "cat", "sat", "on", "mat", "é", "dog", "ran", "a", "b", "c")


def make_trained(words=WORDS, cell="lstm", tokens="word", lowercase=False, **settings):
    """`settings` are fields of the config."""
    config = Config(hidden_size=6, num_layers=2, cell=cell, **settings)
    model = LanguageModel(
        len(words),
        6,
        recurrent_layers("static", cell, 6, 2, config.forget_bias),
        tie_weights=config.tie_weights,
        cutoffs=config.cutoffs,
    )
    model.initialize(init_scale=1.0, seed=5)
    source = {"tokens": tokens, "lowercase": lowercase, "data_path": "/home/somebody/text"}
    corpus = {"name": "text", "fingerprint": "f00d", "source": source}
    weights = model.export_weights()
    return TrainedModel(
        "tiny", config, Vocabulary(words), weights, corpus, {"numpy": np.__version__}
    )


@pytest.fixture(scope="session")
def trained():
    return make_trained()


@pytest.fixture(scope="session")
def served(trained):
    with served_model(trained) as module:
        yield module


@pytest.fixture(scope="session")
def export_path(trained, tmp_path_factory):
    path = tmp_path_factory.mktemp("export")
    export(trained, path, {"test, exact": 12.5})
    return path


@pytest.fixture(scope="session")
def loaded(export_path):
    return LoadedExport(export_path)


@pytest.fixture(scope="session")
def without_unknown():
    """A model whose vocabulary has no <unk>."""
    words = [word for word in WORDS if word != "<unk>"]
    with served_model(make_trained(words)) as module:
        yield module
