"""The oracle says what is missing, and what the original cannot train."""

import sys

import pytest

from ptb.experiments.original.oracle import PYTHON_VARIABLE, Oracle, settings_of
from ptb.training.config import Config, preset


@pytest.mark.parametrize(
    ("python", "reason"),
    [
        (None, "Python 3.7"),
        ("no/python", "cannot be run"),
        pytest.param(sys.executable, "no TensorFlow 1.15", marks=pytest.mark.slow),
    ],
)
def test_without_tensorflow_1_it_says_how_to_get_it(python, reason, monkeypatch):
    monkeypatch.delenv(PYTHON_VARIABLE, raising=False)
    with pytest.raises(ValueError, match=reason) as caught:
        Oracle(python, flag="tf1_python")
    assert "tensorflow==1.15.5" in str(caught.value)
    assert "--tf1_python=" in str(caught.value)


def test_settings_are_those_of_the_config_and_name_the_tutorials_cell():
    settings = settings_of(preset("medium"), 10_000, "basic")
    assert settings == {
        "cell": "basic",
        "hidden_size": 650,
        "num_layers": 2,
        "num_steps": 35,
        "batch_size": 20,
        "max_grad_norm": 5.0,
        "keep_prob": 0.5,
        "init_scale": 0.05,
        "forget_bias": 0.0,
        "seed": 1,
        "vocab_size": 10_000,
    }
    assert settings_of(Config(cell="gru"), 50)["cell"] == "gru"


@pytest.mark.parametrize(
    "change",
    [{"tie_weights": True}, {"optimizer": "adamw"}, {"sampling": "random"}, {"cell": "min_gru"}],
)
def test_what_the_original_has_not_is_refused(change):
    with pytest.raises(ValueError, match=f"{next(iter(change.values()))}"):
        settings_of(Config(**change), 50)
