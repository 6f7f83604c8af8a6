"""What an optimizer remembers is saved under the name of its weight, in one form for each cell."""

import numpy as np
import pytest
import tensorflow as tf

from ptb.data import reader
from ptb.training.config import Config
from ptb.training.model import build_model
from ptb.training.optimizers import make_optimizer, named_trainable_weights
from ptb.training.slots import export_slots, import_slots
from ptb.training.step import TrainStep

pytestmark = pytest.mark.usefixtures("eagerly")
V, H, B, T = 15, 6, 4, 3
TEXT = np.random.default_rng(0).integers(V, size=150).astype(np.int32)
WINDOWS = reader.sequential(TEXT, B, T)
KINDS = ("m", "v", "average")


def make(rnn_mode="fused", cell="lstm", weights=None, slots=None):
    """A model and its step, as they were saved if `weights` and `slots` are given."""
    config = Config(
        hidden_size=H, num_layers=2, cell=cell, rnn_mode=rnn_mode, softmax="adaptive",
        adaptive_cutoffs="5",
    )  # fmt: skip
    model = build_model(config, V)
    optimizer = make_optimizer("adamw", named_trainable_weights(model), 0.01, ema_momentum=0.9)
    step = TrainStep(model, T, 5.0, optimizer=optimizer)
    if weights is None:
        model.initialize(0.3, seed=1)
    else:
        model.import_weights(weights)
        import_slots(step.optimizer, model, slots)
    return model, step


def train(model, step, first=0, count=4):
    state = model.initial_state(B)
    step(tf.constant(TEXT), tf.constant(WINDOWS.starts), state, 0.01, first, count)
    return model.export_weights(), export_slots(step.optimizer, model)


def test_a_slot_is_named_by_its_kind_and_its_weight():
    model, step = make()
    weights, slots = train(model, step)
    named = {f"{kind}/{name}" for kind in KINDS for name in weights}
    assert slots.keys() == named | {"updates", "averaged"}
    for kind in KINDS:
        assert {n: slots[f"{kind}/{n}"].shape for n in weights} == model.weight_shapes()


def test_layers_of_one_shape_keep_their_own_moments_in_whatever_order_they_come():
    model, step = make()
    weights, slots = train(model, step)
    again = make(weights=weights, slots=dict(reversed(slots.items())))
    assert export_slots(again[1].optimizer, again[0]).keys() == slots.keys()
    for name, slot in export_slots(again[1].optimizer, again[0]).items():
        np.testing.assert_array_equal(slot, slots[name], err_msg=name)
    assert (slots["m/layers/0/kernel"] != slots["m/layers/1/kernel"]).any()


@pytest.mark.parametrize("other", ["static", "keras"])
def test_a_run_goes_on_with_another_unroll(other):
    model, step = make()
    saved = train(model, step)
    expected, expected_slots = train(model, step, first=4)
    weights, slots = train(*make(other, weights=saved[0], slots=saved[1]), first=4)
    for name, weight in expected.items():
        np.testing.assert_allclose(weights[name], weight, atol=1e-5, err_msg=name)
    for name, slot in expected_slots.items():
        np.testing.assert_allclose(slots[name], slot, atol=1e-5, err_msg=name)


# As `model.trainable_weights` was numbered when slots had numbers.
ENDS = ("embedding", "softmax_w", "softmax_b", "cluster_w", "cluster_b")
OLDER = {
    ("fused", "lstm"): ("kernel", "bias"),
    ("keras", "lstm"): ("kernel", "recurrent_kernel", "bias"),
    ("static", "gru"): ("gates_kernel", "gates_bias", "candidate_kernel", "candidate_bias"),
}


@pytest.mark.parametrize(("rnn_mode", "cell"), OLDER)
def test_numbered_slots_of_an_older_checkpoint_find_their_weights(rnn_mode, cell):
    model, step = make(rnn_mode, cell)
    weights, slots = train(model, step)
    optimizer = step.optimizer
    order = [*ENDS, *(f"layers/{i}/{name}" for i in range(2) for name in OLDER[rnn_mode, cell])]
    numbered = {
        f"{kind}{i}": optimizer.slots[kind][name].numpy()
        for kind in KINDS
        for i, name in enumerate(order)
    }
    numbered |= {name: slots[name] for name in ("updates", "averaged")}
    model, again = make(rnn_mode, cell, weights, numbered)
    for name, slot in export_slots(again.optimizer, model).items():
        np.testing.assert_array_equal(slot, slots[name], err_msg=name)


def test_slots_of_another_optimizer_are_refused():
    model, step = make()
    slots = export_slots(step.optimizer, model)
    lacking = {name: slot for name, slot in slots.items() if name != "v/layers/1/bias"}
    for wrong in (
        {},
        lacking,
        slots | {"m9": slots["updates"]},
        slots | {"updates": np.float32(1)},
    ):
        with pytest.raises(ValueError, match="slots"):
            import_slots(step.optimizer, model, wrong)
