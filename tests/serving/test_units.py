"""What a client and the page show of a model that reads no words: the reader's text."""

import json

import pytest
import tensorflow as tf

from ptb.data import subword, text
from ptb.data.vocabulary import Vocabulary
from ptb.serving import demo, model_card
from ptb.serving.client import LoadedExport
from ptb.serving.saved_model import export
from tests.serving.conftest import make_trained


@pytest.fixture(scope="module")
def of_subwords(tmp_path_factory):
    """The export of a tiny model of subwords."""
    path = tmp_path_factory.mktemp("subwords")
    pieces = {piece: 9 for piece in subword.split("the cat sat\n猫")}
    words = tuple(subword.learn(pieces, 275).words)
    export(make_trained(words, tokens="subword"), path, {})
    return LoadedExport(path)


@pytest.mark.slow
def test_subwords_are_shown_as_text(of_subwords):
    content = "the cat\n猫鸟"
    words = of_subwords.read(content).words
    assert [word.text for word in words[:3]] == ["the", " cat", "<eos>"]
    assert [word.text for word in words[3:]] == ["猫", r"\xe9", r"\xb8", r"\x9f"]  # 鸟 is unknown


@pytest.mark.parametrize(
    ("kind", "token", "last", "shown", "adds"),
    [
        ("word", "sat", "cat", "sat", " sat"),
        ("word", "sat", "<eos>", "sat", "sat"),
        ("word", "sat", None, "sat", "sat"),
        ("word", "<eos>", "cat", "<eos>", "\n"),
        ("char", " ", "a", " ", " "),
        ("wordpunct", "sat", "cat", "sat", " sat"),
        ("wordpunct", "sat", ", ", "sat", "sat"),
        ("wordpunct", ", ", "cat", ", ", ", "),
        ("subword", "Ġcat", "the", " cat", " cat"),
        ("subword", "ä", "the", r"\xe4", None),
        ("subword", "<eos>", "the", "<eos>", "\n"),
    ],
)
def test_a_token_has_a_text_and_adds_it_with_the_space_that_is_due(kind, token, last, shown, adds):
    assert text.shown(token, kind) == shown
    assert text.addition(token, kind, last) == adds


@pytest.mark.parametrize("last", ["cat", ", ", " (", "<eos>"])
@pytest.mark.parametrize("token", ["sat", ", ", " (", "<eos>"])
def test_what_is_added_gives_the_text_of_the_tokens(last, token):
    before = "".join(text.join([last], "wordpunct"))
    whole = "".join(text.join([last, token], "wordpunct"))
    assert before + text.addition(token, "wordpunct", last) == whole


def test_a_space_that_was_typed_is_not_added_again(loaded):
    added = {word.text: word.adds for word in loaded.read("the ").next_words}
    assert all(adds in (word, "\n") for word, adds in added.items())


@pytest.fixture(scope="module")
def of_wordpunct(tmp_path_factory):
    path = tmp_path_factory.mktemp("wordpunct")
    words = ("<eos>", "the", "<unk>", "cat", ", ", " (", " ", "sat")
    export(make_trained(words, tokens="wordpunct"), path, {})
    return LoadedExport(path)


def test_a_next_token_comes_in_the_place_of_a_space_that_was_left_out(of_wordpunct):
    """With the space, a comma or the end of the line would be read as another token."""
    reading = of_wordpunct.read("the cat ")
    added = {word.text: word.adds for word in reading.next_words}
    assert added.pop(" ") is None
    assert added.pop("<unk>") == " <unk>"  # which is read as three tokens
    assert {", ", " (", "<eos>", "sat"} < added.keys()
    for word, adds in added.items():
        assert of_wordpunct.read(f"the cat{adds}").words[-1].text == word


@pytest.mark.parametrize("kind", ["wordpunct", "subword"])
def test_a_text_with_a_space_at_its_end_is_continued_as_without_it(kind, request):
    """No text has the space as a token of its own, so the model says nothing of use after it."""
    of_kind = request.getfixturevalue({"wordpunct": "of_wordpunct", "subword": "of_subwords"}[kind])
    without, with_space = of_kind.read("the cat"), of_kind.read("the cat ")
    assert with_space.words == without.words
    for word, again in zip(without.next_words, with_space.next_words, strict=True):
        assert (again.text, again.probability) == (word.text, word.probability)
        assert again.adds == (None if word.adds == " " else word.adds)
    assert (without.left_out, with_space.left_out) == ("", " ")
    assert of_kind.generate("the cat ", 5) == of_kind.generate("the cat", 5)
    look = of_kind.look_inside("the cat ", 9, 0, [0])
    assert [word.text for word in look.words] == [word.text for word in without.words]
    arguments = {name: tf.constant(n) for name, n in (("num_words", 5), ("top_k", 0), ("seed", 1))}
    texts = tf.constant(["the cat", "the cat"]), tf.constant(["the cat ", "the cat "])
    first, second = (
        of_kind.call["generate"](prefix=prefix, temperature=tf.constant(1.0), **arguments)["text"]
        for prefix in texts
    )
    assert first.numpy().tolist() == second.numpy().tolist()


def test_the_server_names_the_unit(of_subwords):
    answer = demo.create_app(of_subwords).test_client().get("/model").get_json()
    assert (answer["unit"], answer["units"]) == ("subword", "subwords")


def test_the_card_says_how_text_is_read_and_its_examples_can_be(of_subwords):
    card = json.loads((of_subwords.path / "model_card.json").read_text())
    readme = (of_subwords.path / "README.md").read_text()
    assert " 265 subwords. Any text can be read." in readme
    assert "byte-level BPE" in card["reading"]
    assert card["reading"] in readme
    words = of_subwords.read(card["example"]["text"]).words
    assert [word.text for word in words] == card["example"]["tokens"]


@pytest.mark.parametrize(
    ("kind", "words", "tokens", "written"),
    [
        ("word", ["<eos>", "<unk>", "the", "of"], ["the", "of"], "the of"),
        ("char", ["<eos>", " ", "é", "a", "b"], ["é", "a"], "éa"),
        ("wordpunct", ["<eos>", ", ", "the", "of"], ["the", "of"], "the of"),
        ("word", ["<eos>", "`"], ["<eos>", "<eos>"], "\n\n"),
    ],
)
def test_the_examples_of_a_card_are_tokens_of_the_model(kind, words, tokens, written):
    example = model_card.example(Vocabulary(words), kind)
    assert example == {"tokens": tokens, "text": written}
