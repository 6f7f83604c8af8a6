import dataclasses

import numpy as np
import pytest

from models.registry import CELLS, rnn_modes
from ptb.training.config import PRESETS, Config, preset
from ptb.training.model import build_model, size_of


def test_presets_are_the_tutorials():
    # init_scale, learning_rate, max_grad_norm, num_layers, num_steps, hidden_size, max_epoch,
    # max_max_epoch, keep_prob, lr_decay, batch_size, vocab_size of the original.
    names = (
        *("init_scale", "learning_rate", "max_grad_norm", "num_layers", "num_steps"),
        *("hidden_size", "constant_epochs", "num_epochs", "keep_prob", "learning_rate_decay"),
        *("batch_size", "vocab_size"),
    )
    expected = {
        "test": (0.1, 1.0, 1.0, 1, 2, 2, 1, 1, 1.0, 0.5, 20, 10_000),
        "small": (0.1, 1.0, 5.0, 2, 20, 200, 4, 13, 1.0, 0.5, 20, 10_000),
        "medium": (0.05, 1.0, 5.0, 2, 35, 650, 6, 39, 0.5, 0.8, 20, 10_000),
        "large": (0.04, 1.0, 10.0, 2, 35, 1500, 14, 55, 0.35, 1 / 1.15, 20, 10_000),
    }
    for model, values in expected.items():
        assert tuple(getattr(PRESETS[model], name) for name in names) == values, model


def test_the_learning_rate_is_constant_and_then_halves():
    rates = [preset("small").learning_rate_at(epoch) for epoch in range(7)]
    assert rates == [1, 1, 1, 1, 0.5, 0.25, 0.125]


def test_an_unknown_preset_is_named_with_those_there_are():
    with pytest.raises(ValueError, match=r"model=huge .*test, small"):
        preset("huge")


@pytest.mark.parametrize(
    "field",
    [
        {"num_steps": 0},
        {"batch_size": -1},
        {"hidden_size": 10**9},
        {"keep_prob": 0.0},
        {"keep_prob": 1.5},
        {"learning_rate": float("nan")},
        {"learning_rate": 0.0},
        {"max_grad_norm": float("inf")},
        {"num_epochs": True},
        {"num_layers": 1.5},
        {"seed": -1},
        {"cell": "transformer"},
        {"rnn_mode": "fast"},
        {"sampling": "sorted"},
    ],
)
def test_a_value_out_of_bounds_is_refused_by_name(field):
    (name,) = field
    with pytest.raises(ValueError, match=name):
        Config(**field)


def test_cells_without_a_keras_layer_here_are_refused_with_the_remedy():
    with pytest.raises(ValueError, match=r"rnn_mode=static .*cell=gru"):
        Config(cell="gru", rnn_mode="keras")


def test_a_config_survives_its_dict():
    config = dataclasses.replace(preset("large"), seed=7)
    assert Config.from_dict(dataclasses.asdict(config)) == config
    with pytest.raises(ValueError, match="colour"):
        Config.from_dict({"colour": "blue"})


def test_auto_is_the_fused_layer_on_a_cpu_and_keras_on_a_gpu():
    def modes(config):
        return [config.resolve_rnn_mode(on_gpu).rnn_mode for on_gpu in (False, True)]

    assert modes(Config()) == ["fused", "keras"]
    assert modes(Config(cell="gru")) == ["static", "static"]
    assert modes(Config(rnn_mode="static")) == ["static", "static"]


@pytest.mark.parametrize("softmax", ["full", "adaptive"])
@pytest.mark.parametrize("tie_weights", [False, True])
@pytest.mark.parametrize(
    ("cell", "rnn_mode"), [(cell, mode) for cell in CELLS for mode in rnn_modes(cell)]
)
def test_a_size_is_that_of_the_model_and_its_optimizer(tie_weights, softmax, cell, rnn_mode):
    options = {"tie_weights": tie_weights, "softmax": softmax, "adaptive_cutoffs": "3,7,20"}
    config = Config(hidden_size=6, num_layers=3, cell=cell, rnn_mode=rnn_mode, **options)
    model = build_model(config, 11)
    size = size_of(config, 11)
    assert size.shapes == model.weight_shapes()
    assert list(size.shapes) == list(model.weight_shapes())
    assert size.shapes == {name: w.shape for name, w in model.export_weights().items()}
    assert size.num_weights == model.count_params()
    kept = {"optimizer": "adamw", "ema_momentum": 0.9}
    assert (size.slots, size_of(dataclasses.replace(config, **kept), 11).slots) == (
        0,
        3 * size.num_weights,
    )


def test_a_size_is_known_without_room_for_the_model():
    config = Config(hidden_size=8192, num_layers=64)
    size = size_of(config, 10_000)
    ends = 2 * 10_000 * 8192 + 10_000
    assert size.num_weights == ends + 64 * (16384 + 1) * 4 * 8192
    assert size.values_per_token == 64 * 6 * 8192


@pytest.mark.parametrize("field", ["learning_rate", "num_epochs", "seed", "init_scale"])
def test_an_integer_beyond_a_float_is_out_of_bounds(field):
    with pytest.raises(ValueError, match=f"{field}=1000.* bounds"):
        Config(**{field: 10**400})


def test_the_linear_schedule_rises_and_falls_to_zero_over_the_whole_run():
    config = Config(schedule="linear", warmup=0.2, learning_rate=0.5, num_epochs=2)
    rates = np.concatenate([config.learning_rates(epoch, 10) for epoch in range(2)])
    # 20 windows: a rise over 4, then a fall that would reach 0 at window 20.
    np.testing.assert_allclose(rates[:4], [0.125, 0.25, 0.375, 0.5])
    np.testing.assert_allclose(rates[4:], 0.5 * (20 - np.arange(4, 20)) / 16, rtol=1e-6)


def test_the_step_schedule_has_one_rate_an_epoch():
    np.testing.assert_array_equal(preset("small").learning_rates(5, 3), [0.25] * 3)


@pytest.mark.parametrize("warmup", [0.0, 0.3, 1.0])
def test_the_learning_rate_of_an_epoch_is_its_highest(warmup):
    config = dataclasses.replace(
        preset("small"), schedule="linear", warmup=warmup, num_epochs=5, learning_rate=2.0
    )
    for epoch in range(5):
        highest = config.learning_rates(epoch, 1000).max()
        assert config.learning_rate_at(epoch) == pytest.approx(highest, rel=2e-3)


def test_cutoffs_are_none_with_the_full_softmax_and_rise_with_the_adaptive():
    assert Config().cutoffs == ()
    assert Config(softmax="adaptive", adaptive_cutoffs="10,200").cutoffs == (10, 200)
    for bad in ("", "5,3", "0", "a", "3,3", "-1", "1" * 20):
        with pytest.raises(ValueError, match="adaptive_cutoffs"):
            Config(adaptive_cutoffs=bad)
