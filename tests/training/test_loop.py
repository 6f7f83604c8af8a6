import dataclasses

import numpy as np
import pytest

from models.language_model import LanguageModel, recurrent_layers
from training.config import Config
from training.loop import Diverged, train_epochs

V = 12
CONFIG = Config(
    hidden_size=8,
    num_layers=1,
    num_steps=4,
    batch_size=5,
    num_epochs=3,
    constant_epochs=1,
    keep_prob=0.8,
)
TRAIN, VALID = (np.arange(n, dtype=np.int32) ** 2 % V for n in (600, 90))


def make_model(config=CONFIG):
    layers = recurrent_layers("fused", "lstm", config.hidden_size, config.num_layers)
    model = LanguageModel(V, config.hidden_size, layers, config.keep_prob)
    model.initialize(config.init_scale, config.seed)
    return model


def train(model, config=CONFIG, first_epoch=0):
    reports = list(train_epochs(model, TRAIN, VALID, config, first_epoch))
    return [dataclasses.replace(r, seconds=0.0, words_per_second=0.0) for r in reports]


def test_each_epoch_is_reported_with_its_learning_rate_and_learns():
    reports = train(make_model())
    assert [report.epoch for report in reports] == [1, 2, 3]
    assert [report.learning_rate for report in reports] == [1.0, 0.5, 0.25]
    valid = [report.valid_perplexity for report in reports]
    assert valid[2] < valid[1] < valid[0] < V


def test_a_seed_repeats_bit_for_bit():
    models = make_model(), make_model()
    assert train(models[0]) == train(models[1])
    for name, weight in models[0].export_weights().items():
        np.testing.assert_array_equal(weight, models[1].export_weights()[name])


@pytest.mark.parametrize("sampling", ["sequential", "random"])
def test_training_goes_on_from_an_epoch_as_if_it_had_never_stopped(sampling):
    config = dataclasses.replace(CONFIG, sampling=sampling)
    whole, parts = make_model(), make_model()
    expected = train(whole, config)
    first = train(parts, dataclasses.replace(config, num_epochs=1))
    resumed = make_model()
    resumed.import_weights(parts.export_weights())
    assert first + train(resumed, config, first_epoch=1) == expected
    for name, weight in whole.export_weights().items():
        np.testing.assert_array_equal(weight, resumed.export_weights()[name])


def test_a_loss_beyond_all_bounds_stops_the_run_before_it_is_saved():
    config = dataclasses.replace(CONFIG, learning_rate=1e6, max_grad_norm=1e9)
    with pytest.raises(Diverged, match=r"epoch 1.*learning_rate below 1e\+06"):
        train(make_model(), config)


def test_a_loss_that_is_no_number_stops_the_run_and_says_where():
    model = make_model()
    weights = model.export_weights()
    weights["Model/softmax_b"][0] = np.nan
    model.import_weights(weights)
    with pytest.raises(Diverged, match=r"epoch 1 at window 0: loss nan.*learning_rate below 1"):
        train(model)
