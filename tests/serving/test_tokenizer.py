import os
import subprocess
import sys
import unicodedata

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from ptb.data import text
from ptb.data.vocabulary import Vocabulary
from ptb.serving.tokenizer import Tokenizer
from tests.data.test_text import ANY_TEXT
from tests.data.test_wordpunct import SCRIPTS
from tests.forked import ROOT

WORDS = ("<eos>", "the", "<unk>", "cat")


@pytest.fixture
def make(tmp_path):
    def tokenizer(words=WORDS, tokens="word", lowercase=False):
        vocabulary = Vocabulary(words)
        file = tmp_path / "vocabulary.txt"
        file.write_text(vocabulary.to_text())
        return Tokenizer(vocabulary, str(file), tokens, lowercase)

    return tokenizer


@pytest.fixture(scope="module")
def graphs(tmp_path_factory):
    """`split` of every kind of tokenizer, traced once, for one text."""
    file = tmp_path_factory.mktemp("words") / "vocabulary.txt"
    file.write_text(Vocabulary(WORDS).to_text())
    return {
        (tokens, lowercase): tf.function(
            Tokenizer(Vocabulary(WORDS), str(file), tokens, lowercase).split,
            input_signature=[tf.TensorSpec([None], tf.string)],
        )
        for tokens in ("word", "char", "wordpunct")
        for lowercase in (False, True)
    }


def check(graphs, content: bytes):
    """Holds the graph's tokens and Python's together."""
    for (tokens, lowercase), split in graphs.items():
        if b"\0" in content:
            with pytest.raises(tf.errors.InvalidArgumentError, match="NUL"):
                split(tf.constant([content]))
            continue
        expected = text.split(content.decode(errors="replace"), tokens, lowercase)
        found = split(tf.constant([content])).numpy()[0]
        assert [token.decode() for token in found] == expected


ANY_BYTES = ANY_TEXT.map(str.encode) | st.lists(
    st.binary(max_size=4) | st.sampled_from([b"\xed\xa0\x80", b"\xf0\x9f", b"\xc0\x80", b" \n"])
).map(b"".join)


@settings(max_examples=40)
@given(ANY_BYTES)
def test_the_graph_reads_a_text_as_python_does(graphs, content):
    check(graphs, content)


@pytest.mark.slow
@settings(max_examples=2000)
@given(ANY_BYTES)
def test_the_graph_reads_any_text_as_python_does(graphs, content):
    check(graphs, content)


EVERY = [chr(point) for point in (*range(1, 0xD800), *range(0xE000, sys.maxunicode + 1))]
TREATED = [c for c in EVERY if c.lower() != c or c.isspace() or unicodedata.category(c) == "Cf"]


@pytest.mark.parametrize(
    "characters", [TREATED, pytest.param(EVERY, marks=pytest.mark.slow)], ids=["treated", "every"]
)
def test_the_graph_reads_every_character_as_python_does(graphs, characters):
    check(graphs, "".join(f"a{character}b " for character in characters).encode())


@pytest.mark.slow
@pytest.mark.parametrize("locale", ["tr_TR.UTF-8", "lt_LT.UTF-8", "C"])
def test_no_locale_changes_the_tokens(tmp_path, locale):
    content = "I\u0130\u0131 \u00cc J\u0307 \u039f\u03a3 \u1e9e"
    (tmp_path / "vocabulary.txt").write_text(Vocabulary(WORDS).to_text())
    program = f"""
import tensorflow as tf
from ptb.data import text
from ptb.data.vocabulary import Vocabulary
from ptb.serving.tokenizer import Tokenizer
content = {content!a}
tokenizer = Tokenizer(Vocabulary({WORDS!r}), "{tmp_path}/vocabulary.txt", "word", True)
graph = [word.decode() for word in tokenizer.split(tf.constant([content])).numpy()[0]]
print(ascii([text.split(content, lowercase=True), graph]))
"""
    done = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", program],
        env={**os.environ, "LANG": locale, "LC_ALL": locale, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == ascii([text.split(content, lowercase=True)] * 2)


def test_rows_of_different_lengths_are_padded_at_the_end(make):
    split = make().split(tf.constant(["the cat", "", " \u2003", "cat\n"])).numpy()
    assert split.tolist() == [[b"the", b"cat"], [b"", b""], [b"", b""], [b"cat", b"<eos>"]]


def test_what_is_not_utf8_becomes_a_replacement_character(make):
    split = make().split(tf.constant([b"the \xff\xfe cat"])).numpy()[0]
    assert [token.decode() for token in split] == ["the", "\ufffd\ufffd", "cat"]
    normalized = make(lowercase=True).normalize(tf.constant([[b"the", b"\xff\xfe"]])).numpy()[0]
    assert [token.decode() for token in normalized] == ["the", "\ufffd\ufffd"]


def test_tokens_of_every_shape_are_normalized_in_a_graph_too(make):
    tokenizer = make(lowercase=True)
    normalize = tf.function(tokenizer.normalize)
    for shape in ([None], [None, None]):
        concrete = normalize.get_concrete_function(tf.TensorSpec(shape, tf.string))
        tokens = tf.reshape(tf.constant(["THE", "Ca\u0130"]), [2, 1][: len(shape)])
        normalized = [token.decode() for token in tf.reshape(concrete(tokens), [-1]).numpy()]
        assert normalized == ["the", "cai\u0307"]
        assert concrete.structured_outputs.shape.rank == len(shape)


def test_words_outside_the_vocabulary_become_unk_and_padding_does_not(make):
    ids, unknown = make().encode(tf.constant([["cat", "zebra", "<unk>", ""]]))
    assert ids.numpy().tolist() == [[3, 2, 2, -1]]
    assert unknown.numpy().tolist() == [[False, True, True, False]]


def test_without_unk_a_word_outside_the_vocabulary_is_refused_by_name(make):
    tokenizer = make(("<eos>", "the"))
    assert tokenizer.encode(tf.constant([["the", ""]]))[0].numpy().tolist() == [[1, -1]]
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"`zebra` .*2"):
        tokenizer.encode(tf.constant([["the", "zebra"]]))


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [("word", ["a b\nc\n\nd", "x\nd", "d"]), ("char", ["ab\nc\n\nd", "x\nd", "d"])],
)
def test_tokens_are_joined_to_lines_without_their_padding(make, tokens, expected):
    rows = [["a", "b", "<eos>", "c"], ["x", "", "", ""], ["", "", "", ""]]
    new = np.array([["<eos>", "<eos>", ""], ["<eos>", "d", "d"], ["d", "", ""]])
    joined = make(tokens=tokens).join(tf.constant(rows), tf.constant(new))
    assert [row.decode() for row in joined.numpy()] == expected


def join_characters(tokens, new_tokens):
    of_characters = Tokenizer.__new__(Tokenizer)
    of_characters.kind = "char"
    return of_characters.join(tokens, new_tokens)


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_graph_reads_and_writes_words_and_punctuation_as_python_does(make, graphs, script):
    content = f"{SCRIPTS[script]}\n  {SCRIPTS[script]} "
    check(graphs, content.encode())
    tokens = text.split(content, "wordpunct")
    place = len(tokens) // 2
    rows, new = tf.constant([[*tokens[:place], ""]]), tf.constant([[t] for t in tokens[place:]])
    assert make(tokens="wordpunct").join(rows, new).numpy()[0].decode() == content


def test_unk_is_written_as_a_word(make):
    tokens = ["<unk>", "<unk>", ", ", "<unk>", "a", "b", "<eos>", "<unk>"]
    new = tf.constant([[token] for token in tokens])
    joined = make(tokens="wordpunct").join(tf.constant([["a", ""]]), new).numpy()[0].decode()
    assert joined == "a <unk> <unk>, <unk> a b\n<unk>"
    assert joined == "".join(text.join(["a", *tokens], "wordpunct"))


@given(st.text("ab \t\n\x0c\u3000"), st.text("ab \t\n"))
@settings(max_examples=20)
def test_the_characters_of_a_text_make_that_text_again(graphs, written, added):
    tokens = graphs["char", False](tf.constant([written]))
    new = [["<eos>" if character == "\n" else character] for character in added]
    joined = join_characters(tokens, tf.constant(new, tf.string, shape=[len(new), 1]))
    assert joined.numpy()[0].decode() == written + added


def test_spaces_are_tokens_of_a_vocabulary_of_characters(make):
    words = ("<eos>", " ", "\t", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "a")
    tokenizer = make(words, tokens="char")
    ids, _ = tokenizer.encode(tokenizer.split(tf.constant(["\r\n \t\x0b\x0c\x1c\x85\u2028a"])))
    assert ids.numpy().tolist() == [list(range(9))]
    assert [word.decode() for word in tokenizer.decode(ids).numpy()[0]] == list(words)


def test_a_nul_is_refused_in_a_word(make):
    with pytest.raises(tf.errors.InvalidArgumentError, match="NUL"):
        make().normalize(tf.constant([["the", "c\0t"]]))


def test_ids_are_decoded_to_their_words(make):
    assert make().decode(tf.constant([[3, 0]])).numpy().tolist() == [[b"cat", b"<eos>"]]


@pytest.mark.parametrize("kind", text.TOKENS)
def test_the_graph_leaves_out_a_last_space_as_python_does(make, kind):
    tokenizer = make(tokens=kind)
    befores = ("", "the", "猫", "the,", "1)", "the ", "the\t", "the\u3000", "the\n", "the\r", "\n ")
    for content in (*(f"{before} " for before in befores), "the", "the \n", "\xff"):
        found = tokenizer.without_last_space(tf.constant([content])).numpy()[0].decode()
        assert found == text.without_last_space(content, kind)
