"""What an export says of its gates: as `ptb explain --inside` computes it, which NumPy checks."""

import math
import threading

import numpy as np
import pytest
import tensorflow as tf

from models.registry import CELLS
from ptb.explain import inside
from ptb.serving import demo
from ptb.serving.limits import MAX_INSIDE_OPERATIONS, MAX_UNITS, max_inside_tokens
from ptb.serving.refusal import Refused
from ptb.serving.saved_model import served_model
from tests.serving.conftest import make_trained

TEXT = "the cat zebra on the mat"


def expected_of(trained, layer=1):
    words = trained.split(TEXT)
    ids = trained.vocabulary.encode(words)
    return inside.look_inside(trained.build("static"), words, ids, layer, num_steps=2)


@pytest.mark.parametrize("layer", [pytest.param(0, marks=pytest.mark.slow), 1])
def test_gates_surprisal_and_gradients_are_those_of_explain(loaded, trained, layer):
    expected = expected_of(trained, layer)
    look = loaded.look_inside(TEXT, 100, layer, [4, 1])
    assert list(look.activations) == [4, 1]
    for unit, values in look.activations.items():
        assert list(values) == list(expected.activations) == ["i", "j", "f", "o", "c", "h"]
        for name, found in values.items():
            np.testing.assert_allclose(found, expected.activations[name][:, unit], atol=1e-5)
    np.testing.assert_allclose(look.importance[1:], expected.importance, atol=1e-5)
    assert [word.text for word in look.words] == TEXT.split()
    assert [word.is_unknown for word in look.words] == [False, False, True, False, False, False]
    nats = [math.nan if word.bits is None else word.bits * math.log(2) for word in look.words]
    np.testing.assert_allclose(nats, expected.nats, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("cell", CELLS)
def test_every_cell_tells_its_gates(cell):
    trained = make_trained(cell=cell)
    expected = expected_of(trained)
    with served_model(trained) as module:
        answer = module.signatures()["inside"](
            text=tf.constant([TEXT]),
            num_tokens=tf.constant(100),
            layer=tf.constant(1),
            units=tf.constant([2]),
        )
    assert [name.decode() for name in answer["names"].numpy()] == list(expected.activations)
    values = np.stack([each[:, 2] for each in expected.activations.values()], 1)
    np.testing.assert_allclose(answer["activations"][:, :, 0], values, atol=1e-5)
    np.testing.assert_allclose(answer["importance"][1:], expected.importance, atol=1e-5)


def test_the_last_words_are_read_after_all_others(loaded):
    whole, tail = loaded.look_inside(TEXT, 6, 1, [0]), loaded.look_inside(TEXT, 4, 1, [0])
    assert (whole.start, tail.start) == (0, 2)
    assert [word.text for word in tail.words] == ["zebra", "on", "the", "mat"]
    for word, again in zip(whole.words[2:], tail.words, strict=True):
        assert word.bits == pytest.approx(again.bits, abs=1e-5)
    for name, values in tail.activations[0].items():
        np.testing.assert_allclose(values, whole.activations[0][name][2:], atol=1e-6)
    np.testing.assert_allclose(tail.importance, whole.importance[2:, 2:], atol=1e-6)


def test_without_units_those_are_shown_whose_output_varies_most(loaded, trained):
    spread = expected_of(trained).activations["h"].std(0)
    found = loaded.look_inside(TEXT, 100, 1, []).activations
    assert list(found) == sorted(range(6), key=lambda unit: -spread[unit])[:3]


@pytest.mark.parametrize("text", ["", "the"])
def test_a_text_of_nothing_and_of_one_word_have_no_gradients(loaded, text):
    look = loaded.look_inside(text, 100, 0, [0])
    assert [word.bits for word in look.words] == [None] * len(text.split())
    assert look.importance.shape == (len(text.split()),) * 2
    assert not look.importance.any()


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ((100, 2, [0]), "layer=2: give a number from 0 to 1"),
        ((100, -1, [0]), "layer=-1: give a number from 0 to 1"),
        ((100, 0, [0, 6]), "units=.*0.*6.*: give a number from 0 to 5"),
        ((100, 0, [0] * (MAX_UNITS + 1)), f"21 units are more than the {MAX_UNITS} of one call"),
        ((-1, 0, [0]), "num_tokens=-1 is below 0"),
    ],
)
def test_a_layer_or_unit_that_is_not_there_is_refused_by_name(loaded, inputs, message):
    with pytest.raises(Refused, match=message):
        loaded.look_inside(TEXT, *inputs)


def test_the_work_of_a_call_is_bounded():
    for num_weights in (1, 640_000, 36_000_000):  # `small` has 640,000, `large` 36 million
        most = max_inside_tokens(num_weights)
        assert (
            2 * num_weights * most**2 <= MAX_INSIDE_OPERATIONS < 2 * num_weights * (most + 1) ** 2
        )
    assert max_inside_tokens(10**12) == 2


@pytest.fixture
def client(loaded):
    return demo.create_app(loaded, demo.LOCAL_HOSTS).test_client()


def test_the_page_gets_the_numbers_of_the_last_words(client, loaded):
    text = "the cat " * 40
    look = loaded.look_inside(text, demo.INSIDE_WORDS, 1, [3])
    answer = client.post("/inside", json={"text": text, "layer": 1, "units": [3]}).get_json()
    assert answer["start"] == look.start == 80 - demo.INSIDE_WORDS
    assert [word["bits"] for word in answer["words"]] == [word.bits for word in look.words]
    (unit,) = answer["units"]
    assert unit["unit"] == 3
    for name, values in look.activations[3].items():
        np.testing.assert_allclose(unit["values"][name], values, rtol=1e-5)
    assert [len(row) for row in answer["gradient_norms"]] == list(range(demo.INSIDE_WORDS))
    np.testing.assert_allclose(answer["gradient_norms"][-1], look.importance[-1, :-1], rtol=1e-5)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"layer": 7}, "layer=7: give a number from 0 to 1"),
        ({"layer": 2**31}, "layer must be a number from"),
        ({"layer": "1"}, "layer must be a number from"),
        ({"units": 3}, "units must be a list"),
        ({"units": [True]}, "units must be a list"),
        ({"units": [-1]}, "units must be a list"),
        ({"units": [6]}, "give a number from 0 to 5"),
        ({"units": [0] * 21}, "21 units are more than the 20"),
        ({"text": "a" * 2001}, "please shorten it"),
    ],
)
def test_the_page_is_told_what_cannot_be_shown(client, wrong, message):
    answer = client.post("/inside", json={"text": "the", "layer": 0, "units": []} | wrong)
    assert answer.status_code == 400
    assert message in answer.get_json()["error"]


def test_one_look_inside_runs_at_a_time(client, loaded, monkeypatch):
    monkeypatch.setattr(demo, "MAX_INSIDE_WAIT_SECONDS", 0.05)
    entered, leave = threading.Event(), threading.Event()

    def slow(*_):
        entered.set()
        leave.wait(60)
        raise Refused("done")

    monkeypatch.setattr(loaded, "look_inside", slow)
    body = {"text": "the", "layer": 0, "units": []}
    other = client.application.test_client()
    first = threading.Thread(target=lambda: other.post("/inside", json=body))
    first.start()
    entered.wait(60)
    try:
        assert client.post("/inside", json=body).status_code == 503
    finally:
        leave.set()
        first.join()
    assert client.post("/inside", json=body).status_code == 400  # the lock is free again


def test_an_earlier_export_says_that_it_has_no_gates(client, loaded, monkeypatch):
    assert client.get("/model").get_json()["has_inside"]
    monkeypatch.setattr(loaded, "can_look_inside", False)
    assert not client.get("/model").get_json()["has_inside"]
    answer = client.post("/inside", json={"text": "the", "layer": 0, "units": []})
    assert answer.status_code == 404
    assert "export the model anew" in answer.get_json()["error"]
