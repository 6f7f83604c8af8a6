import math

import numpy as np
import pytest

from models.language_model import LanguageModel, recurrent_layers
from ptb.data import reader
from ptb.training.neural_cache import CacheEvaluator
from ptb.training.perplexity import Evaluator

V, H = 7, 5
FLATNESS, SHARE, SIZE = 2.0, 0.3, 6


def make_model():
    model = LanguageModel(V, H, recurrent_layers("static", "lstm", H, 1))
    model.initialize(1.0, seed=2)
    return model


def text(length=30):
    return np.random.default_rng(4).integers(V, size=length).astype(np.int32)


def expected_nats(model, ids, size):
    """Word by word, in Python, over one row."""
    outputs, _ = model.outputs(ids[None, :-1], model.initial_state(1))
    hidden = [output.numpy()[0].astype(np.float64) for output in outputs]
    logits, _ = model(ids[None, :-1], model.initial_state(1))
    p_model = np.exp(np.float64(logits[0]))
    p_model /= p_model.sum(axis=1, keepdims=True)
    nats = 0.0
    for t in range(len(ids) - 1):
        cache = np.zeros(V)
        for i in range(max(0, t - size), t):
            cache[ids[i + 1]] += math.exp(FLATNESS * hidden[t] @ hidden[i])
        p = p_model[t]
        if cache.sum():
            p = (1 - SHARE) * p + SHARE * cache / cache.sum()
        assert p.sum() == pytest.approx(1)
        nats -= math.log(p[ids[t + 1]])
    return nats


@pytest.mark.parametrize("num_steps", [1, 4, 29, 40])
def test_each_word_is_mixed_with_those_before_it_whatever_the_window(num_steps):
    model, ids = make_model(), text()
    evaluate = CacheEvaluator(model, SIZE, FLATNESS, SHARE)
    score = evaluate(reader.every_token(ids, 1, num_steps))
    assert score.nats == pytest.approx(expected_nats(model, ids, SIZE), rel=1e-5)
    assert score.tokens == len(ids) - 1


def test_rows_have_caches_of_their_own():
    model, ids = make_model(), text(41)
    score = CacheEvaluator(model, SIZE, FLATNESS, SHARE)(reader.every_token(ids, 2, 4))
    rows = expected_nats(model, ids[:21], SIZE) + expected_nats(model, ids[20:], SIZE)
    assert score.nats == pytest.approx(rows, rel=1e-5)


def test_a_cache_without_a_share_changes_nothing():
    model, windows = make_model(), reader.every_token(text(), 1, 4)
    score = CacheEvaluator(model, SIZE, FLATNESS, share=0.0)(windows)
    assert score.nats == pytest.approx(Evaluator(model)(windows).nats, rel=1e-5)


def test_a_word_that_the_model_thinks_next_to_impossible_costs_what_it_says():
    model, ids = make_model(), np.array([1, 2, 3, 0, 2, 0], np.int32)
    bias = np.zeros(V, np.float32)
    bias[0] = -300  # exp(-300) is 0 in float32
    weights = model.export_weights()
    model.import_weights(weights | {"softmax_b": bias})
    score = CacheEvaluator(model, SIZE, FLATNESS, SHARE)(reader.every_token(ids, 1, 4))
    assert score.nats == pytest.approx(expected_nats(model, ids, SIZE), rel=1e-5)
    assert score.nats > 300


def test_the_score_of_lines_does_not_depend_on_the_rows():
    """A line begins with an empty cache, in every row."""
    model, ids = make_model(), np.random.default_rng(0).integers(5, size=40).astype(np.int32)
    evaluate = CacheEvaluator(model, SIZE, FLATNESS, SHARE)
    windows = [reader.every_line(ids, 0, rows, 3) for rows in (1, 2, 40)]
    nats = [evaluate.each(each).sum() for each in windows]
    alone = 0.0
    for line in np.split(ids, np.flatnonzero(ids == 0) + 1):
        if len(line):
            alone += expected_nats(model, np.concatenate([[0], line]), SIZE)
    np.testing.assert_allclose(nats, alone, rtol=1e-5)
    assert evaluate(windows[1]).nats == pytest.approx(alone, rel=1e-5)
