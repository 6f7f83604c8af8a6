import numpy as np
import pytest
import tensorflow as tf

from ptb import text
from ptb.vocabulary import Vocabulary
from serving.tokenizer import Tokenizer

MESSY = (
    "\u201cThe  Cat\u201d\tsat\u00a0on\u2003the\x0bmat\r\n\n"
    "  \u00c9lan, \u03bf\u03b4\u03bf\u03c3 \u0399 \u0130\r a\x1cb\x85c \nend  here "
)
WORDS = ("<eos>", "the", "<unk>", "cat")


@pytest.fixture
def make(tmp_path):
    def tokenizer(words=WORDS, tokens="word", lowercase=False):
        vocabulary = Vocabulary(words)
        file = tmp_path / "vocabulary.txt"
        file.write_text(vocabulary.to_text())
        return Tokenizer(vocabulary, str(file), tokens, lowercase)

    return tokenizer


@pytest.mark.parametrize("lowercase", [False, True])
@pytest.mark.parametrize("tokens", ["word", "char"])
def test_a_text_is_split_as_the_reader_splits_a_file(make, tmp_path, tokens, lowercase):
    content = MESSY + "\n"
    (tmp_path / "text.txt").write_bytes(content.encode())
    lexicon = text.lexicon(tokens)
    numbers = text.read(tmp_path / "text.txt", lexicon, lowercase)
    expected = [lexicon.tokens[number] for number in numbers]
    split = make(tokens=tokens, lowercase=lowercase).split(tf.constant([content]))
    assert [token.decode() for token in split.numpy()[0]] == expected


def test_rows_of_different_lengths_are_padded_at_the_end(make):
    split = make().split(tf.constant(["the cat", "", " \u2003", "cat\n"])).numpy()
    assert split.tolist() == [[b"the", b"cat"], [b"", b""], [b"", b""], [b"cat", b"<eos>"]]


def test_what_is_not_utf8_becomes_a_replacement_character(make):
    split = make().split(tf.constant([b"the \xff\xfe cat"])).numpy()[0]
    assert [token.decode() for token in split] == ["the", "\ufffd\ufffd", "cat"]
    normalized = make(lowercase=True).normalize(tf.constant([[b"the", b"\xff\xfe"]])).numpy()[0]
    assert [token.decode() for token in normalized] == ["the", "\ufffd\ufffd"]


def test_words_outside_the_vocabulary_become_unk_and_padding_does_not(make):
    ids, unknown = make().encode(tf.constant([["cat", "zebra", "<unk>", ""]]))
    assert ids.numpy().tolist() == [[3, 2, 2, -1]]
    assert unknown.numpy().tolist() == [[False, True, True, False]]


def test_without_unk_a_word_outside_the_vocabulary_is_refused_by_name(make):
    tokenizer = make(("<eos>", "the"))
    assert tokenizer.encode(tf.constant([["the", ""]]))[0].numpy().tolist() == [[1, -1]]
    with pytest.raises(
        tf.errors.InvalidArgumentError, match="the token `zebra` is not among the 2"
    ):
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


def test_ids_are_decoded_to_their_words(make):
    assert make().decode(tf.constant([[3, 0]])).numpy().tolist() == [[b"cat", b"<eos>"]]
