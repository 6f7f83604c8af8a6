"""Models side by side are trained as each would be alone."""

import dataclasses
import math

import numpy as np
import pytest
import tensorflow as tf

from ptb.data import corpus, reader
from ptb.experiments.studies.stack import (
    Network,
    Stack,
    _score,
    _train_windows,
    finite,
    spectral_radius,
)
from ptb.training.config import Config
from ptb.training.model import build_model
from ptb.training.perplexity import Evaluator
from ptb.training.step import TrainStep

RATES, SEEDS = [0.5, 0.25], [1, 2]


@pytest.fixture(scope="module")
def short_corpus():
    whole = corpus.built_in()
    return dataclasses.replace(
        whole, splits={"train": whole.train[:600], "valid": whole.valid[:300]}
    )


def config(**values):
    small = {"hidden_size": 6, "num_layers": 1, "batch_size": 4, "num_steps": 3, "num_epochs": 1}
    return Config(**small | {"rnn_mode": "static", "max_grad_norm": 1.5} | values)


@pytest.mark.parametrize(
    ("cell", "forget_bias", "reset"),
    [
        pytest.param("rnn", 0.0, False, marks=pytest.mark.slow),
        pytest.param("gru", 0.0, False, marks=pytest.mark.slow),
        ("lstm", 1.0, True),
    ],
)
def test_models_side_by_side_train_as_each_alone(short_corpus, cell, forget_bias, reset):
    recipe = config(cell=cell, forget_bias=forget_bias)
    stack = Stack(short_corpus, recipe, RATES, SEEDS, reset_state=reset)
    rows = stack.train(updates=12)
    for g, (rate, seed) in enumerate(zip(RATES, SEEDS, strict=True)):
        model = build_model(recipe, len(short_corpus.vocabulary))
        model.initialize(recipe.init_scale, seed)
        step = TrainStep(model, 3, recipe.max_grad_norm, carries_state=not reset)
        windows = reader.sequential(short_corpus.train, 4, 3)
        starts = tf.constant(windows.starts)
        costs, norms, _ = step(
            tf.constant(short_corpus.train), starts, model.initial_state(4), rate, 0, 12
        )
        assert (rows[g]["learning_rate"], rows[g]["seed"]) == (rate, seed)
        assert (rows[g]["updates"], rows[g]["words"]) == (12, 144)
        assert rows[g]["train_nats"] == pytest.approx(costs.numpy().mean() / 3, rel=1e-5)
        assert rows[g]["grad_norm"] == pytest.approx(norms.numpy().mean(), rel=1e-4)
        assert rows[g]["clipped"] == pytest.approx((norms.numpy() > 1.5).mean())
        weights = model.export_weights()
        for name in ("embedding", "softmax_w", "softmax_b"):
            np.testing.assert_allclose(np.squeeze(stack.weights[name][g]), weights[name], atol=1e-5)
        scored = reader.every_token(short_corpus.valid, 10, 3)
        score = Evaluator(model)(dataclasses.replace(scored, carries_state=not reset))
        assert rows[g]["valid_nats"] == pytest.approx(score.nats / score.tokens, rel=1e-5)


def test_another_number_of_models_takes_the_same_trace(short_corpus):
    recipe = config(hidden_size=5)
    Stack(short_corpus, recipe, [0.5, 0.25], [1, 2]).train(updates=2)
    traces = [each.experimental_get_tracing_count() for each in (_train_windows, _score)]
    Stack(short_corpus, recipe, [0.5], [1]).train(updates=4)
    assert traces == [each.experimental_get_tracing_count() for each in (_train_windows, _score)]


def test_a_model_that_diverges_leaves_its_neighbours_alone(short_corpus):
    alone = Stack(short_corpus, config(), [0.5], [1]).train(updates=6)
    rows = Stack(short_corpus, config(max_grad_norm=1e9), [1e30, 0.5], [1, 1]).train(updates=6)
    assert rows[0]["valid_nats"] == math.inf
    assert rows[1]["valid_nats"] == pytest.approx(alone[0]["valid_nats"], rel=0.05)


def test_updates_go_on_into_another_epoch_and_points_are_evenly_spaced(short_corpus):
    stack = Stack(short_corpus, config(), [0.1], [1])
    rows = stack.train(updates=60, points=4)  # 49 windows an epoch
    assert [row["updates"] for row in rows] == [15, 30, 45, 60]
    assert rows[-1]["train_nats"] < rows[0]["train_nats"]


def test_random_windows_come_in_another_order_for_each_seed(short_corpus):
    stack = Stack(short_corpus, config(sampling="random"), RATES, SEEDS)
    starts = stack._windows(0)
    assert starts.shape[0] == 2
    assert not np.array_equal(starts[0], starts[1])
    assert not stack.carries_state


def test_the_spectral_radius_is_the_largest_absolute_eigenvalue():
    rotation = 1.5 * np.array([[0.0, -1.0], [1.0, 0.0]])
    matrices = np.stack([rotation, np.diag([0.2, -0.7]), np.full((2, 2), np.nan)])
    np.testing.assert_allclose(spectral_radius(matrices), [1.5, 0.7, math.inf])


def test_a_value_that_is_no_number_counts_as_infinite():
    assert [finite(value) for value in (1.5, math.nan, math.inf, 1e31)] == [
        1.5,
        math.inf,
        math.inf,
        math.inf,
    ]


def test_a_state_has_the_parts_of_its_cell():
    assert [len(Network(cell, 5, 3, 5).initial_state(2, 4)) for cell in ("rnn", "gru", "lstm")] == [
        1,
        1,
        2,
    ]
