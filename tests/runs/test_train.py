import dataclasses

import numpy as np
import pytest

from ptb.data.corpus import load_text
from ptb.data.vocabulary import Vocabulary
from ptb.runs.run_folder import RunFolder
from ptb.runs.train import open_training
from ptb.training.config import Config

CONFIG = Config(hidden_size=3, num_layers=1, num_steps=2, batch_size=2, rnn_mode="static")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text("a b c\n" * 90)
    return load_text(path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"valid": None}, "the corpus has no valid split"),
        ({"train": None}, "the corpus has no train split"),
        (
            {"words": ["<eos>", "a", "b", "\n"]},
            r"line 4 of the vocabulary is '\\n'",
        ),
        ({"words": ["a", "b", "c", "d"]}, "the vocabulary has neither <eos> nor <unk>"),
    ],
)
def test_a_corpus_that_cannot_be_trained_on_is_refused_at_once(corpus, change, said, tmp_path):
    words = Vocabulary(change.get("words", corpus.vocabulary.words))
    splits = {split: ids for split, ids in corpus.splits.items() if split not in change}
    wrong = dataclasses.replace(corpus, splits=splits, vocabulary=words)
    with pytest.raises(ValueError, match=said), open_training(CONFIG, wrong, tmp_path / "run"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_number_of_epochs_below_zero_to_stop_after_is_refused(corpus):
    refused = pytest.raises(ValueError, match="early_stopping=-1 is out of bounds")
    with refused, open_training(CONFIG, corpus, early_stopping=-1):
        pass


def test_there_is_no_result_before_an_epoch_has_ended(corpus):
    no_epoch = pytest.raises(ValueError, match="no epoch has ended yet")
    with open_training(CONFIG, corpus) as training, no_epoch:
        training.result()


def test_before_the_first_update_the_averages_are_the_initial_weights(corpus):
    averaged = dataclasses.replace(CONFIG, optimizer="adamw", ema_momentum=0.9)
    with open_training(averaged, corpus) as training:
        initial = training.model.export_weights()
        with training.evaluation_weights():
            for name, weight in training.model.export_weights().items():
                np.testing.assert_array_equal(weight, initial[name])
                assert np.any(weight) or name.endswith("bias")


def test_a_result_between_epochs_does_not_change_the_training(corpus):
    """The best weights are in the model only until training goes on."""
    averaged = dataclasses.replace(CONFIG, ema_momentum=0.9, num_epochs=3)
    perplexities, results, kept = [], [], []
    for looks in (False, True):
        with open_training(averaged, corpus) as training:
            for _ in training.epochs():
                if looks:
                    found = [training.result() for _ in range(2)]
                    results += [each.test.nats for each in found]
                    kept.append((found[0].trained.weights, training.model.export_weights()))
            perplexities.append([report.valid_perplexity for report in training.reports])
            last = training.result().test.nats
    assert perplexities[0] == perplexities[1]
    assert results[0] == results[1]
    assert results[-1] == last
    for weights, then in kept:
        assert all(np.array_equal(weights[name], then[name]) for name in then)


def test_a_change_whose_start_is_killed_before_it_saves_is_made_by_the_next_one(
    corpus, tmp_path, monkeypatch
):
    with open_training(CONFIG, corpus, tmp_path / "run"):
        pass
    slower = dataclasses.replace(CONFIG, learning_rate=0.25)

    def killed(self, checkpoint, keep):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "save", killed)
        with (
            pytest.raises(KeyboardInterrupt),
            open_training(slower, corpus, tmp_path / "run", change=["learning_rate"]),
        ):
            pass
    assert RunFolder(tmp_path / "run").description()["config"]["learning_rate"] == 1.0
    notes = []
    changed = {"note": notes.append, "change": ["learning_rate"]}
    with open_training(slower, corpus, tmp_path / "run", **changed):
        pass
    assert notes[-1] == "changed at the start: learning_rate was 1.0 and is now 0.25"
    assert RunFolder(tmp_path / "run").description()["config"]["learning_rate"] == 0.25


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_after_its_block_a_training_neither_trains_nor_writes(corpus, tmp_path):
    config = dataclasses.replace(CONFIG, num_epochs=3)
    with open_training(config, corpus, tmp_path / "run") as training:
        begun = training.epochs()
        next(begun)
    before, weights = contents(tmp_path), training.model.export_weights()
    for reports in (begun, training.epochs()):
        with pytest.raises(ValueError, match="closed, because its with block has ended"):
            next(reports)
    assert contents(tmp_path) == before
    for name, weight in training.model.export_weights().items():
        np.testing.assert_array_equal(weight, weights[name])
    assert training.result().best == training.reports[0]
    assert training.where() == "the end of epoch 1"


def test_after_its_block_a_result_is_not_that_of_a_later_training(corpus, tmp_path):
    config = dataclasses.replace(CONFIG, num_epochs=3)
    with open_training(config, corpus, tmp_path / "run") as training:
        next(training.epochs())
    with open_training(config, corpus, tmp_path / "run") as other:
        list(other.epochs())
    assert other.result().best.epoch > 1
    with pytest.raises(ValueError, match=r"is of epoch .+ open the run again"):
        training.result()
