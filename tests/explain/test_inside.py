"""Inside a trained model: against NumPy in float64, finite differences and closed forms."""

import dataclasses
import io
import json

import numpy as np
import pytest

from models.registry import CELLS
from ptb.data.documents import Borders
from ptb.data.grammar import default_grammar
from ptb.explain.inside import (
    Inside,
    Tracking,
    _AgreementSample,
    best_of_each_agreement,
    correlation,
    look_inside,
    units_that_vary_most,
)
from ptb.explain.inside_png import draw_inside
from ptb.explain.inside_text import as_json, inside_text, trackings_text
from ptb.machine import strict_json
from ptb.training.config import Config
from ptb.training.model import build_model

V, H, FORGET_BIAS = 7, 5, 0.5
IDS = np.array([3, 1, 4, 1, 5, 6], np.int32)
WORDS = list("dbebfg")


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def numpy_lstm(w, x, state):
    c, h = state
    z = np.concatenate([x, h]) @ w["kernel"] + w["bias"]
    i, j, f, o = np.split(z, 4)
    peepholes = [w.get(f"w_{gate}_diag", 0.0) for gate in "ifo"]
    i, f = sigmoid(i + peepholes[0] * c), sigmoid(f + FORGET_BIAS + peepholes[1] * c)
    c = f * c + i * np.tanh(j)
    o = sigmoid(o + peepholes[2] * c)
    return {"i": i, "j": np.tanh(j), "f": f, "o": o}, {"c": c, "h": o * np.tanh(c)}


def numpy_gru(w, x, state):
    (h,) = state
    r, u = np.split(sigmoid(np.concatenate([x, h]) @ w["gates_kernel"] + w["gates_bias"]), 2)
    n = np.tanh(np.concatenate([x, r * h]) @ w["candidate_kernel"] + w["candidate_bias"])
    return {"r": r, "u": u, "n": n}, {"h": u * h + (1 - u) * n}


def numpy_rnn(w, x, state):
    (h,) = state
    return {}, {"h": np.tanh(np.concatenate([x, h]) @ w["kernel"] + w["bias"])}


def numpy_min_gru(w, x, state):
    (h,) = state
    z, n = np.split(x @ w["kernel"] + w["bias"], 2)
    z = sigmoid(z)
    return {"z": z, "n": n}, {"h": (1 - z) * h + z * n}


STEPS = {
    "lstm": numpy_lstm,
    "peephole_lstm": numpy_lstm,
    "gru": numpy_gru,
    "rnn": numpy_rnn,
    "min_gru": numpy_min_gru,
}


def replay(cell, weights, embedded):
    """The activations of each layer, `[N, H]` by name, and log-probabilities `[N, V]`, float64."""
    steps, layers = embedded, []
    for layer in range(2):
        prefix = f"layers/{layer}/"
        own = {n.removeprefix(prefix): w for n, w in weights.items() if n.startswith(prefix)}
        state, collected = [np.zeros(H)] * (2 if "lstm" in cell else 1), []
        for x in steps:
            gates, parts = STEPS[cell](own, x, state)
            state = list(parts.values())
            collected.append(gates | parts)
        layers.append({name: np.stack([each[name] for each in collected]) for name in collected[0]})
        steps = layers[-1]["h"]
    logits = steps @ weights["softmax_w"] + weights["softmax_b"]
    return layers, logits - np.log(np.exp(logits).sum(1, keepdims=True))


@pytest.fixture(
    scope="module",
    params=["lstm", *(pytest.param(c, marks=pytest.mark.slow) for c in CELLS if c != "lstm")],
)
def case(request):
    cell = request.param
    options = {"forget_bias": FORGET_BIAS} if "lstm" in cell else {}
    config = Config(cell=cell, hidden_size=H, num_layers=2, rnn_mode="static", **options)
    model = build_model(config, V)
    model.initialize(1.0, seed=3)
    weights = {name: w.astype(np.float64) for name, w in model.export_weights().items()}
    return cell, model, weights


@pytest.mark.parametrize("layer", [0, 1])
def test_gates_states_and_surprisal_are_those_of_a_replay_in_numpy(case, layer):
    cell, model, weights = case
    found = look_inside(model, WORDS, IDS, layer, num_steps=2)
    layers, log_probs = replay(cell, weights, weights["embedding"][IDS])
    assert list(found.activations) == list(layers[layer])
    for name, expected in layers[layer].items():
        np.testing.assert_allclose(found.activations[name], expected, atol=1e-5, err_msg=name)
    assert np.isnan(found.nats[0])
    expected = [-log_probs[t, word] for t, word in enumerate(IDS[1:])]
    np.testing.assert_allclose(found.nats[1:], expected, atol=1e-5)


def test_importance_is_the_norm_of_finite_differences(case):
    cell, model, weights = case
    found = look_inside(model, WORDS, IDS, 1, num_steps=2)
    step, embedded = 1e-6, weights["embedding"][IDS]
    gradients = np.zeros((len(IDS) - 1, *embedded.shape))
    for place in np.ndindex(embedded.shape):
        sides = []
        for sign in (1, -1):
            moved = embedded.copy()
            moved[place] += sign * step
            log_probs = replay(cell, weights, moved)[1]
            sides.append(np.array([log_probs[t, word] for t, word in enumerate(IDS[1:])]))
        gradients[(slice(None), *place)] = (sides[0] - sides[1]) / (2 * step)
    expected = np.linalg.norm(gradients, axis=-1)
    assert expected[4, 0] > 1e-6  # a word four steps back still matters
    np.testing.assert_allclose(found.importance, expected, rtol=1e-4, atol=1e-6)


def test_a_document_is_read_as_if_it_stood_alone(case):
    """Its words are as in a text of their own, and none of another document matters to them."""
    _, model, _ = case
    borders = Borders("line", eos=0)
    ids = np.array([0, 3, 1, 0, 4, 2], np.int32)
    found = look_inside(model, list("^ab^cd"), ids, 1, num_steps=2, borders=borders)
    alone = look_inside(model, list("^cd"), ids[3:], 1, num_steps=2)
    np.testing.assert_allclose(found.nats[4:], alone.nats[1:], atol=1e-6)
    for name, expected in alone.activations.items():
        np.testing.assert_allclose(found.activations[name][3:], expected, atol=1e-6, err_msg=name)
    np.testing.assert_allclose(found.importance[3:, 3:], alone.importance, atol=1e-6)
    assert not found.importance[3:, :3].any()
    assert found.importance[2, :3].all()  # the border itself is predicted from its own document


def made_up(num_steps=2):
    activations = {"c": np.array([[0, 1, 3], [0, -1, 3], [0, 1, 2]], np.float32)}
    activations["h"] = activations["c"] / 4
    importance = np.array([[2, 0, 0], [1, 3, 0]], np.float32)
    nats = np.array([np.nan, 0.5, 1.25], np.float32)
    return Inside(["a", "b", "$c"], nats, 1, activations, importance, num_steps)


@pytest.mark.parametrize(("num_steps", "expected"), [(1, [0, 0.25]), (2, [0, 0])])
def test_words_beyond_the_window_have_their_share_of_the_gradient(num_steps, expected):
    np.testing.assert_allclose(made_up(num_steps).beyond_window(), expected)


def test_the_units_that_vary_most_come_first(case):
    _, model, _ = case
    found = look_inside(model, WORDS, IDS, 0, num_steps=2)
    spread = found.activations["h"].std(0)
    units = units_that_vary_most(model, found, 2)
    assert units == sorted(range(H), key=lambda unit: -spread[unit])[:2]


def test_the_table_names_each_word_with_its_figures():
    lines = inside_text(made_up(1), [1]).splitlines()
    assert "b    0.500          0.0%  t-0: a 2.000" in lines
    assert "$c   1.250         25.0%  t-0: b 3.000  t-1: a 1.000" in lines
    assert lines[-4:] == [
        "         c       h",
        "a    1.000   0.250",
        "b   -1.000  -0.250",
        "$c   1.000   0.250",
    ]


def test_the_table_names_no_word_without_a_gradient():
    found = made_up()
    found.importance[1, 0] = 0  # as of a word of another document
    last = inside_text(found, []).splitlines()[-1]
    assert last == "$c   1.250          0.0%  t-0: b 3.000"


def test_the_columns_of_the_table_are_below_each_other_whatever_the_letters():
    found = dataclasses.replace(made_up(), words=["经济", "的", "e\u0301"])
    lines = inside_text(found, [0]).splitlines()
    assert lines[-9:-6] == [
        "经济       -",
        "的     0.500          0.0%  t-0: 经济 2.000",
        "e\u0301      1.250          0.0%  t-0: 的 3.000  t-1: 经济 1.000",
    ]
    assert lines[-4:] == [
        "           c       h",
        "经济   0.000   0.000",
        "的     0.000   0.000",
        "e\u0301      0.000   0.000",
    ]


def test_json_has_every_number():
    tracking = Tracking("gender", "a", 2, "c", 0.9, 0.8)
    values = json.loads(strict_json.dumps(as_json(made_up(1), [2], [tracking])))
    assert values["nats"] == [None, 0.5, 1.25]
    assert values["units"] == {"2": {"c": [3, 3, 2], "h": [0.75, 0.75, 0.5]}}
    assert values["gradient_norms"] == [[2], [1, 3]]
    assert values["share_beyond_num_steps"] == [0, 0.25]
    assert values["agreement"][0]["held_out"] == 0.8


@pytest.mark.parametrize("units", [[], [0, 2]])
def test_the_picture_is_a_png_whatever_the_words(units):
    file = io.BytesIO()
    assert draw_inside(made_up(), units, file)
    assert file.getvalue().startswith(b"\x89PNG")


def test_the_grammar_knows_what_each_word_leaves_to_be_agreed_with():
    words = ["benek", "dirim", "basan", "bu", "<eos>", "belet", "birim", "basan", "nay", "<eos>"]
    assert default_grammar().states(words) == [
        "paragraph e", "paragraph ei", "time eia", "aside eia", "sentence eia",
        "verb eia", "place eia", "time eia", "closed", "paragraph",
    ]  # fmt: skip


def test_a_unit_that_holds_the_gender_has_correlation_one_at_other_words():
    kinds = np.array(["verb", "place", "time", "aside", "place", "aside"])
    vowels = np.array(["aei", "aei", "aei", "oei", "oei", "aeo"])
    holds = np.array([0, 1, 1, -1, -1, 1], np.float32)  # wrong at the verb, which does not count
    values = {"c": np.stack([holds, np.ones(6, np.float32)], 1)}
    r = _AgreementSample(kinds, vowels, values).correlations(0, "a")["c"]
    np.testing.assert_allclose(r, [1, 0], atol=1e-12)


def test_correlation_is_pearsons():
    rng = np.random.default_rng(0)
    values, wanted = rng.normal(size=(50, 3)), rng.normal(size=50)
    expected = [np.corrcoef(values[:, i], wanted)[0, 1] for i in range(3)]
    np.testing.assert_allclose(correlation(values, wanted), expected)


def test_the_best_unit_of_each_agreement_is_named_once():
    trackings = [
        Tracking("gender", "a", 4, "c", 0.5, 0.5),
        Tracking("gender", "e", 2, "h", -0.9, -0.8),
        Tracking("place", "a", 2, "c", 0.6, 0.6),
        Tracking("time", "a", 1, "c", 0.7, 0.7),
    ]
    assert best_of_each_agreement(trackings) == [2, 1]
    assert "gender = e      2 h       -0.900    -0.800" in trackings_text(trackings)
