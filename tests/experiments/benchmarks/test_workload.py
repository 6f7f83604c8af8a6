import numpy as np
import pytest

from models.language_model import LanguageModel, recurrent_layers
from ptb.experiments.benchmarks.workload import Workload, training_flop_per_word, zipf_ids
from ptb.training.config import Config, preset


@pytest.mark.parametrize(("model", "mflop"), [("small", 15.84), ("medium", 79.56)])
def test_flop_per_word_is_that_of_the_matrix_products(model, mflop):
    config = preset(model)
    flop = training_flop_per_word(config.hidden_size, config.num_layers, vocab_size=10_000)
    assert flop / 1e6 == pytest.approx(mflop)


def test_the_weights_fit_the_model_and_survive_the_folder(tmp_path):
    config = Config(hidden_size=4, num_steps=3)
    workload = Workload.create(config, 7, zipf_ids(7, 500))
    workload.save(tmp_path)
    loaded = Workload.load(tmp_path)
    assert loaded.config == config
    np.testing.assert_array_equal(loaded.ids, workload.ids)
    model = LanguageModel(7, 4, recurrent_layers("fused", "lstm", 4, 2))
    model.import_weights(loaded.weights)
    for name, weight in model.export_weights().items():
        np.testing.assert_array_equal(weight, workload.weights[name])


def test_the_stand_in_for_text_has_zipfs_frequencies():
    counts = np.bincount(zipf_ids(100, 200_000), minlength=100)
    shares = counts / counts.sum()
    assert shares[0] / shares[9] == pytest.approx(10, rel=0.1)
    assert (counts > 0).all()
