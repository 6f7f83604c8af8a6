"""A cell that a user adds is initialized, counted, trained, saved, dropped and served whole."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from models.dropout import weight_dropout
from models.language_model import LanguageModel
from models.registry import CELLS, Entry
from models.static_rnn import StaticRNN
from ptb.data import reader
from ptb.serving.saved_model import served_model
from ptb.training.config import Config
from ptb.training.loop import Training
from ptb.training.model import build_model, size_of
from ptb.training.perplexity import Evaluator
from tests.models.toy_cells import (
    FrozenWeightCell,
    OutputFirstCell,
    ThreePartCell,
    TwiceNamedCell,
)
from tests.serving.conftest import make_trained
from tests.serving.test_served_model import TEXT, evaluated

pytestmark = pytest.mark.usefixtures("eagerly")
V, H = 12, 6
CONFIG = {"hidden_size": H, "num_layers": 2, "num_steps": 3, "batch_size": 4, "num_epochs": 1}
NAMES = ("kernel", "weight_1", "dense/kernel", "dense/bias")
IDS = np.random.default_rng(0).integers(V, size=60).astype(np.int32)


@pytest.fixture(autouse=True)
def toy_cells(monkeypatch):
    for name, kind in (
        ("three", ThreePartCell), ("output_first", OutputFirstCell), ("frozen", FrozenWeightCell)
    ):  # fmt: skip
        monkeypatch.setitem(CELLS, name, Entry(f"{kind.__module__}:{kind.__name__}"))


def test_every_weight_has_a_name_that_a_second_model_has_too():
    config = Config(cell="three", **CONFIG)
    expected = [f"layers/{layer}/{name}" for layer in range(2) for name in NAMES]
    for _ in range(2):
        shapes = build_model(config, V).weight_shapes()
        assert list(shapes) == ["embedding", *expected, "softmax_w", "softmax_b"]


def test_every_weight_is_counted_and_drawn():
    config = Config(cell="three", **CONFIG)
    model = build_model(config, V)
    of_a_layer = H * 2 * H + 2 * H + 2 * H * H + H
    assert model.count_params() == 2 * V * H + V + 2 * of_a_layer
    assert size_of(config, V).num_weights == model.count_params()
    model.initialize(0.1, seed=1)
    rng = np.random.default_rng(1)
    for name, weight in model.export_weights().items():
        drawn = rng.uniform(-0.1, 0.1, weight.shape).astype(np.float32)
        np.testing.assert_array_equal(weight, drawn, err_msg=name)


def test_a_weight_that_is_not_trained_keeps_its_value_and_is_saved():
    config = Config(cell="frozen", optimizer="adamw", ema_momentum=0.9, **CONFIG)
    model = build_model(config, V)
    before = model.export_weights()["layers/0/kernel"]
    model.initialize(0.1, seed=1)
    training = Training(model, IDS, IDS, config)
    for _ in training.advance():
        pass
    np.testing.assert_array_equal(model.export_weights()["layers/0/kernel"], before)
    snapshot = training.state.export()
    assert "m/layers/0/kernel" not in snapshot.slots
    np.testing.assert_array_equal(snapshot.evaluation_weights["layers/0/kernel"], before)
    training.restore(snapshot)


def test_a_run_resumes_with_every_weight_its_average_and_its_moments():
    settings = CONFIG | {"num_epochs": 2}
    config = Config(
        cell="three", optimizer="adamw", learning_rate=0.01, ema_momentum=0.9, **settings
    )

    def start():
        return Training(build_model(config, V), IDS, IDS, config, windows_per_call=4)

    training = start()
    training.initialize()
    snapshots = [training.state.export() for _ in training.advance()]
    saved, end = snapshots[1], snapshots[-1]
    again = start()
    again.restore(saved)
    for _ in again.advance():
        pass
    assert {"m/layers/1/weight_1", "average/layers/1/dense/bias"} <= saved.slots.keys()
    resumed = again.state.export()
    for name, weight in end.weights.items():
        np.testing.assert_array_equal(resumed.weights[name], weight, err_msg=name)
        assert (saved.weights[name] != weight).any()
    for name, slot in end.slots.items():
        np.testing.assert_array_equal(resumed.slots[name], slot, err_msg=name)


def test_a_layer_within_a_cell_is_evaluated_in_float32_amid_training_in_low_precision():
    config = Config(cell="three", precision="mixed_bfloat16", **CONFIG)
    model = build_model(config, V)
    training = Training(model, IDS, IDS, config)
    training.initialize()
    for _ in training.advance():
        pass
    exact = build_model(dataclasses.replace(config, precision="float32"), V)
    exact.import_weights(model.export_weights())
    windows = reader.every_token(IDS, 1, config.num_steps)
    assert Evaluator(model)(windows).nats == Evaluator(exact)(windows).nats
    state = model.initial_state(1)
    low, _ = model(IDS[None, :3], state, training=True)
    assert 0 < np.abs(low - exact(IDS[None, :3], state)[0]).max() < 0.02


def test_weights_of_the_input_that_look_recurrent_are_not_dropped():
    layer = StaticRNN(ThreePartCell(H))
    layer.build((None, H))
    before = layer.cell.kernel.numpy()
    with weight_dropout(layer, 0.5, (1, 2)):
        np.testing.assert_array_equal(layer.cell.kernel.value, before)


@pytest.mark.parametrize("cell", ["three", "output_first"])
def test_a_score_is_what_evaluation_gives_whatever_the_parts_of_the_state(cell):
    trained = make_trained(cell=cell)
    expected = evaluated(trained, TEXT)
    with served_model(trained) as module:
        score = module.score(tf.constant([TEXT]))
        parts = {"three": ("h", "memory", "count"), "output_first": ("h", "c")}[cell]
        state = module._initial_state(tf.constant(1))
        assert list(state) == [f"state_{i}_{part}" for i in range(2) for part in parts]
        answer = module._next_word(tf.constant([["the", "cat", "sat"]]), **state)
    assert float(score["log_prob"][0]) == pytest.approx(-expected.nats, rel=1e-5)
    model = trained.build()
    ids = trained.vocabulary.encode(["the", "cat", "sat"])
    logits, _ = model(np.array([ids]), model.initial_state(1))
    np.testing.assert_allclose(
        answer["log_probs"], tf.nn.log_softmax(logits[:, -1]), rtol=1e-5, atol=1e-5
    )


def test_two_weights_of_one_name_are_refused():
    with pytest.raises(ValueError, match="called w"):
        LanguageModel(V, H, [StaticRNN(TwiceNamedCell(H))]).export_weights()
