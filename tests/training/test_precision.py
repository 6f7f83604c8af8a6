"""Mixed precision: float32 weights, sums and loss; in training, products in half the bits."""

import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import tensorflow as tf

from models.language_model import LanguageModel, recurrent_layers
from models.registry import CELLS, rnn_modes
from models.softmax import softmax_nats
from ptb.data import reader
from ptb.training import step as step_module
from ptb.training.optimizers import make_optimizer, named_trainable_weights
from ptb.training.perplexity import Evaluator
from ptb.training.step import TrainStep

V, H, B, T = 30, 8, 4, 3
TEXT = np.random.default_rng(0).integers(V, size=400).astype(np.int32)
WINDOWS = reader.sequential(TEXT, B, T)
LOW = ("mixed_float16", "mixed_bfloat16")


def make_model(precision, rnn_mode="fused", cell="lstm", init_scale=0.3, **dropouts):
    layers = recurrent_layers(rnn_mode, cell, H, 1, 0.5, precision)
    model = LanguageModel(V, H, layers, **dropouts)
    model.initialize(init_scale, seed=1)
    return model


def train(model, windows=10, learning_rate=1.0, optimizer=None):
    step = TrainStep(model, T, 5.0, optimizer=optimizer)
    state = model.initial_state(B)
    return step(tf.constant(TEXT), tf.constant(WINDOWS.starts[:windows]), state, learning_rate)


@pytest.mark.parametrize("precision", LOW)
@pytest.mark.parametrize(
    ("rnn_mode", "cell"),
    [(mode, cell) for cell in CELLS for mode in rnn_modes(cell)],
)
def test_the_layers_compute_in_low_precision_and_all_around_them_in_float32(
    precision, rnn_mode, cell
):
    model, exact = (make_model(p, rnn_mode, cell) for p in (precision, "float32"))
    tokens, state = WINDOWS[0][0], model.initial_state(B)
    logits, next_state = model(tokens, state, training=True)
    nats, _ = model.nats(*WINDOWS[0], state, training=True)
    assert {t.dtype for t in tf.nest.flatten((logits, next_state, nats))} == {tf.float32}
    assert {v.dtype.name for v in model.export_weights().values()} == {"float32"}
    expected, expected_state = exact(tokens, state)
    for low, full in zip(
        tf.nest.flatten((logits, next_state)),
        tf.nest.flatten((expected, expected_state)),
        strict=True,
    ):
        error = np.abs(low - full).max()
        assert 0 < error < 0.02
    # What leaves a layer has no more digits than its precision; `fused` multiplies in it alone.
    last = next_state[-1][-1]  # a tensor that the top layer gave
    low_dtype = precision.removeprefix("mixed_")
    is_rounded = np.array_equal(tf.cast(tf.cast(last, low_dtype), tf.float32), last)
    assert is_rounded == (rnn_mode != "fused")


@pytest.mark.parametrize("precision", LOW)
@pytest.mark.parametrize("rnn_mode", rnn_modes("lstm"))
def test_a_call_gives_the_logits_of_which_nats_are_taken_with_all_dropout(precision, rnn_mode):
    dropouts = {"keep_prob": 0.8, "weight_keep_prob": 0.5, "embedding_keep_prob": 0.7}
    model = make_model(precision, rnn_mode, **dropouts)
    tokens, state = WINDOWS[0][0], model.initial_state(B)
    logits, next_state = model(tokens, state, training=True, seed=(1, 2))
    outputs, expected_state = model.outputs(tokens, state, training=True, seed=(1, 2))
    np.testing.assert_array_equal(logits, model.logits_after(tf.stack(outputs, axis=1)))
    tf.nest.map_structure(np.testing.assert_array_equal, next_state, expected_state)


@pytest.mark.parametrize("rnn_mode", rnn_modes("lstm"))
def test_dropout_in_low_precision_scales_in_float32(rnn_mode):
    model = make_model("mixed_bfloat16", rnn_mode, keep_prob=0.9)
    whole, dropped, _ = model._outputs(
        WINDOWS[0][0], model.initial_state(B), True, (1, 2), None, None
    )
    for before, after in zip(whole, dropped, strict=True):
        kept = np.array(after) != 0
        assert 0 < kept.mean() < 1
        np.testing.assert_array_equal(
            np.array(after)[kept], (np.array(before) * np.float32(1 / 0.9))[kept]
        )


@pytest.mark.parametrize("transposed", [False, True])
def test_the_softmax_in_bfloat16_has_the_error_of_one_rounding(transposed):
    """Against float64. A sum over 2,048 rows that was itself in bfloat16 would be far off."""
    rng = np.random.default_rng(0)
    n, h, v = 2048, 8, 6
    outputs, weight = rng.standard_normal((n, h)), rng.standard_normal((h, v))
    bias, targets = rng.standard_normal(v), rng.integers(v, size=n)
    given = [
        tf.constant(each, tf.float32)
        for each in (outputs, weight.T if transposed else weight, bias)
    ]
    with tf.GradientTape() as tape:
        tape.watch(given)
        nats = softmax_nats(*given, tf.constant(targets, tf.int32), transposed, "bfloat16")
        cost = tf.reduce_sum(nats) / 3
    d_outputs, d_weight, d_bias = tape.gradient(cost, given)

    logits = outputs @ weight + bias
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    error = (p - np.eye(v)[targets]) / 3
    once = 2**-8
    assert {each.dtype for each in (nats, d_outputs, d_weight, d_bias)} == {tf.float32}
    np.testing.assert_allclose(nats, -np.log(p[range(n), targets]), atol=6 * once * logits.max())
    assert np.mean(nats) == pytest.approx(-np.log(p[range(n), targets]).mean(), rel=once)
    d_weight = tf.transpose(d_weight) if transposed else d_weight
    for ours, exact in (
        (d_outputs, error @ weight.T),
        (d_weight, outputs.T @ error),
        (d_bias, error.sum(0)),
    ):
        assert np.linalg.norm(ours - exact) < 2 * once * np.linalg.norm(exact)


@pytest.mark.parametrize("onednn", ["1", "false"])
def test_probabilities_in_bfloat16_are_exact_but_for_their_rounding(onednn):
    """With oneDNN, and where TensorFlow has none: its own softmax would be 7% off.

    It reads "false" as it does "0".
    """
    script = """
        import numpy as np
        import tensorflow as tf
        from models.softmax import softmax_nats

        bias = np.random.default_rng(0).normal(size=10_000) * 2
        bias = tf.constant(bias, tf.bfloat16)
        one, none = tf.ones([1, 1]), tf.zeros([1, 10_000])
        with tf.GradientTape() as tape:
            tape.watch(given := tf.cast(bias, tf.float32))
            nats = softmax_nats(one, none, given, tf.constant([0]), product_dtype="bfloat16")
        p = np.exp(np.float64(bias))
        p /= p.sum()
        d_bias = np.float64(tape.gradient(nats, given))[1:]
        print(np.abs(d_bias / p[1:] - 1).max())
    """
    environment = os.environ | {"TF_ENABLE_ONEDNN_OPTS": onednn, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-c", textwrap.dedent(script)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert float(done.stdout) < 1.5 * 2**-8


def test_training_in_bfloat16_repeats_to_the_bit():
    first, second = (train(make_model("mixed_bfloat16", keep_prob=0.5)) for _ in range(2))
    for a, b in zip(tf.nest.flatten(first), tf.nest.flatten(second), strict=True):
        np.testing.assert_array_equal(a, b)


def test_training_in_bfloat16_goes_on_to_the_bit_from_float32_weights_and_state():
    """A checkpoint has both, so a run resumes exactly."""
    whole = make_model("mixed_bfloat16")
    costs, _, state = train(whole)
    stream, starts = tf.constant(TEXT), tf.constant(WINDOWS.starts[:10])
    first, second = make_model("mixed_bfloat16"), make_model("mixed_bfloat16")
    begun, _, between = TrainStep(first, T, 5.0)(stream, starts, first.initial_state(B), 1.0, 0, 4)
    second.import_weights(first.export_weights())
    rest, _, end = TrainStep(second, T, 5.0)(stream, starts, between, 1.0, 4, 6)
    np.testing.assert_array_equal(np.concatenate([begun, rest]), costs)
    tf.nest.map_structure(np.testing.assert_array_equal, end, state)
    for name, weight in whole.export_weights().items():
        np.testing.assert_array_equal(second.export_weights()[name], weight)


@pytest.mark.parametrize(
    "rnn_mode", ["static", *(pytest.param(m, marks=pytest.mark.slow) for m in ("fused", "keras"))]
)
def test_evaluation_is_in_float32_amid_training_in_low_precision(rnn_mode):
    """The figure is that of a float32 model with the same weights, bit for bit."""
    low, exact = make_model("mixed_float16", rnn_mode), make_model("float32", rnn_mode)
    evaluate, windows = Evaluator(low), reader.every_token(TEXT, 1, T)
    for _ in range(2):
        exact.import_weights(low.export_weights())
        assert evaluate(windows).nats == Evaluator(exact)(windows).nats
        train(low)
    logits, _ = low(WINDOWS[0][0], low.initial_state(B), training=True)
    assert np.abs(logits - low(WINDOWS[0][0], low.initial_state(B))[0]).max() > 0


@pytest.mark.parametrize("dropouts", [{}, {"weight_keep_prob": 0.5}, {"embedding_keep_prob": 0.5}])
@pytest.mark.parametrize("precision", LOW)
def test_training_in_low_precision_stays_near_that_in_float32(precision, dropouts):
    costs, norms, _ = train(make_model(precision, **dropouts))
    exact_costs, exact_norms, _ = train(make_model("float32", **dropouts))
    np.testing.assert_allclose(costs, exact_costs, rtol=0.01)
    np.testing.assert_allclose(norms, exact_norms, rtol=0.1)


def test_gradients_too_small_for_float16_survive_since_the_loss_is_scaled():
    """Softmax weights of 1e-6 give the layers gradients below float16's smallest number."""
    changes = []
    for precision in ("float32", "mixed_float16"):
        model = make_model(precision)
        weights = model.export_weights()
        weights["softmax_w"] *= 1e-6
        model.import_weights(weights)
        train(model, windows=1, learning_rate=100.0)
        name = "layers/0/kernel"
        changes.append(model.export_weights()[name] - weights[name])
    assert np.abs(changes[0]).max() > 0
    np.testing.assert_allclose(changes[1], changes[0], atol=0.1 * np.abs(changes[0]).max())


def test_a_loss_scale_that_overflows_is_halved_until_the_gradient_is_finite(monkeypatch):
    expected = train(make_model("mixed_float16"))
    monkeypatch.setattr(step_module, "FIRST_LOSS_SCALE", 2.0**30)
    costs, norms, _ = train(make_model("mixed_float16"))
    assert np.isfinite(norms).all()
    np.testing.assert_allclose(costs, expected[0], rtol=1e-3)
    np.testing.assert_allclose(norms, expected[1], rtol=1e-2)


def test_a_gradient_that_no_scale_makes_finite_is_reported_and_changes_no_weight():
    model = make_model("mixed_float16")
    weights = model.export_weights()
    weights["softmax_b"][0] = np.inf
    model.import_weights(weights)
    optimizer = make_optimizer("sgd", named_trainable_weights(model), ema_momentum=0.9)
    _, norms, _ = train(model, windows=1, optimizer=optimizer)
    assert not np.isfinite(norms[0])
    assert optimizer.counters["averaged"] == 0
    for name, weight in model.export_weights().items():
        np.testing.assert_array_equal(weight, weights[name])
