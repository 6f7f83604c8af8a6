"""A run begins with the weights of another, or with given vectors, and is resumed without them."""

import dataclasses
import json

import numpy as np
import pytest

from ptb.data.corpus import load_text
from ptb.runs.beginning import FromRun, FromVectors
from ptb.runs.run_folder import RunFolder
from ptb.runs.train import open_training
from ptb.runs.trained_model import TrainedModel
from ptb.training.config import Config

CONFIG = Config(hidden_size=3, num_layers=1, num_steps=2, batch_size=2, rnn_mode="static")


@pytest.fixture(scope="module")
def corpora(tmp_path_factory):
    """Two texts: the second has `d`, which the first lacks, and the same words in another order."""
    found = []
    for name, text in (("old", "a b c\n" * 90), ("new", "d c d a d\n" * 90)):
        path = tmp_path_factory.mktemp(name) / "text.txt"
        path.write_text(text)
        found.append(load_text(path))
    return found


def weights_of(training):
    return {name: np.array(weight) for name, weight in training.model.export_weights().items()}


def trained_on(corpus, config=CONFIG):
    with open_training(dataclasses.replace(config, seed=7), corpus) as training:
        weights = weights_of(training)
    saved = {"source": corpus.source}
    return TrainedModel("run, epoch 1", config, corpus.vocabulary, weights, saved)


@pytest.mark.parametrize("tie_weights", [False, True])
def test_shared_words_keep_their_weights_and_new_ones_start_fresh(corpora, tmp_path, tie_weights):
    old_corpus, corpus = corpora
    config = dataclasses.replace(CONFIG, tie_weights=tie_weights)
    old = trained_on(old_corpus, config)
    with open_training(config, corpus) as training:
        fresh = weights_of(training)
    notes = []
    options = {"note": notes.append, "beginnings": [FromRun(old, str(tmp_path))]}
    with open_training(config, corpus, tmp_path / "run", **options) as training:
        begun = weights_of(training)
    for name, weight in begun.items():
        if not name.startswith(("embedding", "softmax")):
            np.testing.assert_array_equal(weight, old.weights[name])
            continue
        columns = (each.T if name == "softmax_w" else each for each in (weight, old.weights[name]))
        now, then = columns
        for word in "<eos>", "a", "c":
            here, there = corpus.vocabulary.id_of(word), old_corpus.vocabulary.id_of(word)
            np.testing.assert_array_equal(now[here], then[there])
        d = corpus.vocabulary.id_of("d")
        np.testing.assert_array_equal(
            now[d], (fresh[name].T if name == "softmax_w" else fresh[name])[d]
        )
    assert "3 of 4 words keep their vectors, 1 start fresh" in notes[0]
    assert (tmp_path / "run" / "log.txt").read_text() == notes[0] + "\n"
    saved = json.loads((tmp_path / "run" / "config.json").read_text())
    assert saved["init_from"] == str(tmp_path)
    with open_training(config, corpus, tmp_path / "run") as training:  # the other run may be gone
        for name, weight in weights_of(training).items():
            np.testing.assert_array_equal(weight, begun[name])


def test_another_model_or_another_beginning_is_refused(corpora, tmp_path):
    old_corpus, corpus = corpora
    old = FromRun(trained_on(old_corpus), "old")
    larger = dataclasses.replace(CONFIG, hidden_size=4)
    with (
        pytest.raises(ValueError, match=r"init_from=old is another model: .*hidden_size=3"),
        open_training(larger, corpus, tmp_path / "run", beginnings=[old]),
    ):
        pass
    with open_training(CONFIG, corpus, tmp_path / "run"):
        pass
    with (
        pytest.raises(ValueError, match="the run started without it, and now init_from="),
        open_training(CONFIG, corpus, tmp_path / "run", beginnings=[old]),
    ):
        pass
    assert not (RunFolder(tmp_path / "run").path / "log.txt").exists()


def test_a_run_that_has_no_checkpoint_yet_starts_only_with_the_weights_that_it_named(
    corpora, tmp_path
):
    old_corpus, corpus = corpora
    old, other = (FromRun(trained_on(old_corpus), name) for name in ("old", "other"))
    other.trained.weights["softmax_b"][...] = 7
    with open_training(CONFIG, corpus, tmp_path / "run", beginnings=[old]) as training:
        begun = weights_of(training)
    for path in (tmp_path / "run" / "checkpoints").iterdir():
        path.unlink()
    for beginnings in ([], [other]):
        with (
            pytest.raises(ValueError, match=r"init_from=.*old, and has no checkpoint yet: give"),
            open_training(CONFIG, corpus, tmp_path / "run", beginnings=beginnings),
        ):
            pass
    with open_training(CONFIG, corpus, tmp_path / "run", beginnings=[old]) as training:
        for name, weight in weights_of(training).items():
            np.testing.assert_array_equal(weight, begun[name])


def test_given_vectors_become_rows_of_the_embedding(corpora):
    corpus = corpora[1]
    vectors = FromVectors(("d", "a"), np.array([[1, 2, 3], [4, 5, 6]], np.float32), "file")
    with open_training(CONFIG, corpus, beginnings=[vectors]) as training:
        embedding = weights_of(training)["embedding"]
    assert embedding[corpus.vocabulary.id_of("a")].tolist() == [4, 5, 6]
    assert embedding[corpus.vocabulary.id_of("d")].tolist() == [1, 2, 3]
    assert abs(embedding[corpus.vocabulary.id_of("c")]).max() <= CONFIG.init_scale
    short = FromVectors(("d",), np.ones((1, 2), np.float32), "file")
    with (
        pytest.raises(ValueError, match="give hidden_size=2"),
        open_training(CONFIG, corpus, beginnings=[short]),
    ):
        pass


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_another_forget_bias_does_not_change_what_the_model_computes(corpora, cell):
    old_corpus = corpora[0]
    reads = cell == "lstm"
    given, wanted = (
        dataclasses.replace(CONFIG, cell=cell, **({"forget_bias": each} if reads else {}))
        for each in (1.0, 0.25)
    )
    old = trained_on(old_corpus, given)
    states = []
    for config in (given, wanted):
        with open_training(config, old_corpus, beginnings=[FromRun(old, "old")]) as training:
            model = training.model
            logits, _ = model(np.array([[0, 1, 2]]), model.initial_state(1))
            states.append(np.array(logits))
    np.testing.assert_allclose(states[1], states[0], rtol=1e-5, atol=1e-7)


def test_clusters_that_a_smaller_vocabulary_lacks_are_named(corpora):
    old_corpus, corpus = corpora
    config = dataclasses.replace(CONFIG, softmax="adaptive", adaptive_cutoffs="2")
    old = FromRun(trained_on(old_corpus, config), "old")
    with open_training(config, corpus, beginnings=[old]):
        pass
    none = dataclasses.replace(config, adaptive_cutoffs="2000")
    said = r"another number of clusters .*adaptive_cutoffs=2 .*adaptive_cutoffs=2000 among 4"
    with pytest.raises(ValueError, match=said), open_training(none, corpus, beginnings=[old]):
        pass
