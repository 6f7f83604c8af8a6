import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from models.language_model import LanguageModel, recurrent_layers
from ptb.data import reader
from ptb.training.config import Config
from ptb.training.loop import Diverged, Training, train_epochs
from ptb.training.perplexity import Evaluator
from ptb.training.progress import Progress

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


def make_model(config=CONFIG, rnn_mode="fused"):
    layers = recurrent_layers(rnn_mode, "lstm", config.hidden_size, config.num_layers)
    ends = {"tie_weights": config.tie_weights, "cutoffs": config.cutoffs}
    model = LanguageModel(V, config.hidden_size, layers, config.keep_prob, **ends)
    model.initialize(config.init_scale, config.seed)
    return model


def train(model, config=CONFIG):
    return list(map(without_clock, train_epochs(model, TRAIN, VALID, config)))


def without_clock(report):
    return dataclasses.replace(report, seconds=0.0, words_per_second=0.0)


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


ADAMW = {
    "optimizer": "adamw",
    "schedule": "linear",
    "learning_rate": 0.01,
    "tie_weights": True,
    "softmax": "adaptive",
    "adaptive_cutoffs": "5",
    "ema_momentum": 0.9,
}


@pytest.mark.parametrize(
    ("sampling", "rnn_mode", "options"),
    [
        pytest.param("sequential", "static", {}, marks=pytest.mark.slow),
        pytest.param("sequential", "fused", {}, marks=pytest.mark.slow),
        ("sequential", "fused", ADAMW),
        pytest.param("random", "fused", {}, marks=pytest.mark.slow),
        pytest.param("random", "keras", {}, marks=pytest.mark.slow),
    ],
)
def test_training_goes_on_from_any_place_as_if_it_had_never_stopped(sampling, rnn_mode, options):
    config = dataclasses.replace(CONFIG, sampling=sampling, num_epochs=2, **options)
    model = make_model(config, rnn_mode)
    training = Training(model, TRAIN, VALID, config, windows_per_call=4)
    places = [
        (
            place.progress,
            [np.array(each) for each in tf.nest.flatten(place.state)],
            model.export_weights(),
            training.export_slots(),
        )
        for place in training.places(training.start())
    ]
    last, _, last_weights, _ = places[-1]
    assert [progress.window for progress, *_ in places] == [4, 8, 12, 16, 20, 24, 28, 29, 0] * 2
    # Within an epoch, before its validation, and at the start of another.
    for progress, state, place_weights, slots in (places[2], places[7], places[8], places[13]):
        resumed = make_model(config, rnn_mode)
        resumed.import_weights(place_weights)
        training = Training(resumed, TRAIN, VALID, config, windows_per_call=7)
        training.import_slots(slots)
        *_, end = training.places(training.place(progress, state))
        assert [without_clock(report) for report in end.progress.reports] == [
            without_clock(report) for report in last.reports
        ]
        assert bits(resumed.export_weights()) == bits(last_weights)


def test_averages_are_validated_at_the_end_of_an_epoch_and_training_goes_on_from_the_weights():
    options = {"learning_rate": 0.5, "learning_rate_decay": 1.0}
    config = dataclasses.replace(CONFIG, num_epochs=2, **options)
    model = make_model()
    trained = [
        (place.progress.window, model.export_weights()) for place in step_by_step(model, config)
    ]
    averaged = make_model()
    training = step_by_step(averaged, dataclasses.replace(config, ema_momentum=0.95))
    averages, steps = {}, 0
    for (window, weights), place in zip(trained, training, strict=True):
        if window:
            assert bits(averaged.export_weights()) == bits(weights)
            steps += 1
            keep = min(0.95, 1 - 1 / steps)
            for name, weight in weights.items():
                averages[name] = keep * averages.get(name, 0) + (1 - keep) * np.float64(weight)
            continue
        for name, weight in averaged.export_weights().items():
            np.testing.assert_allclose(weight, averages[name], rtol=1e-4, atol=1e-6)
        valid = reader.every_token(VALID, config.batch_size, config.num_steps)
        expected = Evaluator(averaged)(valid).perplexity
        assert place.progress.reports[-1].valid_perplexity == expected
    assert steps == 2 * 29


def test_where_validation_is_interrupted_the_weights_are_those_of_the_place_before_it():
    model = make_model()
    config = dataclasses.replace(CONFIG, ema_momentum=0.95)
    training = Training(model, TRAIN, VALID, config, windows_per_call=100)
    stops = [False]

    def check():
        if stops[0]:
            raise InterruptedError

    places = training.places(training.start(), check)
    assert next(places).progress.window == 29
    before = model.export_weights()
    stops[0] = True
    with pytest.raises(InterruptedError):
        next(places)
    assert bits(model.export_weights()) == bits(before)


def step_by_step(model, config):
    training = Training(model, TRAIN, VALID, config, windows_per_call=1)
    return training.places(training.start())


def bits(weights):
    return {name: weight.tobytes() for name, weight in weights.items()}


def test_a_place_that_the_run_does_not_have_is_refused():
    training = Training(make_model(), TRAIN, VALID, CONFIG)
    state = [np.zeros((5, 8), np.float32)] * 2
    with pytest.raises(ValueError, match="window=30 is beyond the 29"):
        training.place(Progress(window=30), state)
    for other in ([], state[:1], [np.zeros((5, 9), np.float32)] * 2, [np.zeros((5, 8))] * 2):
        with pytest.raises(ValueError, match="other shapes"):
            training.place(Progress(), other)


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
