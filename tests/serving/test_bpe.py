import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from ptb.data import subword, text
from ptb.serving.tokenizer import Tokenizer
from tests.data.test_text import ANY_TEXT
from tests.data.test_wordpunct import SCRIPTS


@pytest.fixture(scope="module")
def vocabulary():
    pieces: dict[str, int] = {}
    for piece in subword.split("\n".join(SCRIPTS.values()) * 3):
        pieces[piece] = pieces.get(piece, 0) + 1
    return subword.learn(pieces, 500)


@pytest.fixture(scope="module")
def tokenizer(vocabulary, tmp_path_factory):
    file = tmp_path_factory.mktemp("words") / "vocabulary.txt"
    file.write_text(vocabulary.to_text())
    return Tokenizer(vocabulary, str(file), "subword", lowercase=False)


def test_a_subword_stands_for_its_bytes_whether_or_not_the_run_read_small_letters(
    vocabulary, tmp_path
):
    """The letter of a space is \u0120, and \u0121 that of another byte."""
    (tmp_path / "v.txt").write_text(vocabulary.to_text())
    lower = Tokenizer(vocabulary, str(tmp_path / "v.txt"), "subword", lowercase=True)
    tokens = lower.normalize(tf.constant(vocabulary.words))
    assert [token.decode() for token in tokens.numpy()] == list(vocabulary.words)


@pytest.fixture(scope="module")
def graph(tokenizer):
    return tf.function(tokenizer.split, input_signature=[tf.TensorSpec([None], tf.string)])


def check(vocabulary, graph, content):
    expected = text.split(content, "subword", vocabulary=vocabulary)
    found = graph(tf.constant([content])).numpy()[0]
    assert [token.decode() for token in found] == expected
    return expected


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_graph_makes_the_subwords_of_any_script_and_the_text_of_them(
    vocabulary, tokenizer, graph, script
):
    content = f"{SCRIPTS[script]}\n  {SCRIPTS[script]} {'é' * 99}"
    tokens = check(vocabulary, graph, content)
    assert "".join(text.join(tokens, "subword")) == content
    place = len(tokens) // 2
    rows, new = tf.constant([[*tokens[:place], ""]]), tf.constant([[t] for t in tokens[place:]])
    assert tokenizer.join(rows, new).numpy()[0].decode() == content


@settings(max_examples=40)
@given(ANY_TEXT | st.text("teshi ,", max_size=80))
def test_the_graph_makes_the_subwords_of_any_text(vocabulary, graph, content):
    check(vocabulary, graph, content.replace("\0", ""))


def test_rows_of_different_lengths_are_padded_at_the_end(vocabulary, graph):
    found = graph(tf.constant(["", "a\n", "\n"])).numpy().tolist()
    assert found == [[b"", b""], [b"a", b"<eos>"], [b"<eos>", b""]]
    assert graph(tf.constant([""])).shape == (1, 0)
