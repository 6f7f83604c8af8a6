"""Models and layers are saved and loaded as Keras users know it, without custom objects."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from models.language_model import LanguageModel, recurrent_layers
from models.registry import CELLS, rnn_modes

V, H, B, T = 11, 6, 3, 5
UNROLLS = [(mode, cell) for cell in CELLS for mode in rnn_modes(cell)]
TOKENS = np.random.default_rng(0).integers(V, size=(B, T)).astype(np.int32)


def make(rnn_mode="fused", cell="lstm", **options):
    model = LanguageModel(V, H, recurrent_layers(rnn_mode, cell, H, 2, 0.5), **options)
    model.initialize(0.5, seed=3)
    return model


@pytest.mark.parametrize(("rnn_mode", "cell"), UNROLLS)
def test_a_saved_model_is_loaded_as_it_was(tmp_path, rnn_mode, cell):
    options = {"keep_prob": 0.8, "tie_weights": True, "cutoffs": (4,), "weight_keep_prob": 0.9}
    options |= {"activation_regularization": 2.0, "temporal_activation_regularization": 1.0}
    options |= {"embedding_keep_prob": 0.7}
    model = make(rnn_mode, cell, **options)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded) is LanguageModel
    for name in ("vocab_size", "hidden_size", *options):
        assert getattr(loaded, name) == getattr(model, name)
    for name, weight in model.export_weights().items():
        np.testing.assert_array_equal(loaded.export_weights()[name], weight, err_msg=name)
    state = model.initial_state(B)
    for training in (False, True):
        given, expected = (
            each(TOKENS, state, training=training, seed=(1, 2)) for each in (loaded, model)
        )
        tf.nest.map_structure(np.testing.assert_array_equal, given, expected)


@pytest.mark.parametrize(("rnn_mode", "cell"), UNROLLS)
def test_a_layer_survives_its_config(rnn_mode, cell):
    (layer,) = recurrent_layers(rnn_mode, cell, H, 1, 0.5, "mixed_bfloat16")
    layer.build((None, H))
    config = keras.saving.serialize_keras_object(layer)
    again = keras.saving.deserialize_keras_object(config)
    assert type(again) is type(layer)
    cells = [getattr(each, "cell", each) for each in (layer, again)]
    assert cells[1].dtype_policy.name == "mixed_bfloat16"
    configs = [cell.get_config() for cell in cells]
    for cell_config in configs:
        cell_config.pop("dtype")  # an object, which is equal to none
    assert configs[0] == configs[1]


def test_a_summary_has_every_weight_and_their_number():
    lines = []
    make("static", "gru").summary(print_fn=lines.append)
    rows = [line.split() for line in lines]
    assert ["layers/1/gates_bias", "(12,)", "12"] in rows
    assert ["embedding", "(11,", "6)", "66"] in rows
    total = 2 * V * H + V + 2 * (2 * H + 1) * 3 * H
    assert rows[-1] == ["in", "all", str(total)]
