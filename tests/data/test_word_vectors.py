"""Word vectors as text: what is written is read again, with and without a first line of sizes."""

import numpy as np
import pytest

from ptb.data import word_vectors

WORDS = ("<eos>", "the", " ", "é", "7")
VECTORS = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32) * 1e-6


@pytest.mark.parametrize("first_line", [True, False])
def test_every_vector_reads_back_as_the_same_float32(tmp_path, first_line):
    lines = list(word_vectors.lines(WORDS, VECTORS))
    assert lines[0] == "5 3\n"
    (tmp_path / "v.txt").write_text("".join(lines[0 if first_line else 1 :]))
    words, rows = word_vectors.read(tmp_path / "v.txt", WORDS)
    assert words == WORDS
    np.testing.assert_array_equal(rows, VECTORS)


def test_only_the_words_that_are_wanted_are_kept(tmp_path):
    (tmp_path / "v.txt").write_text("a 1 2 \nb 3 4\nc 5 6\nb 7 8\n")
    words, rows = word_vectors.read(tmp_path / "v.txt", {"b", "z"})
    assert words == ("b",)
    assert rows.tolist() == [[3, 4]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a 1 2\nb 3\n", "line 2 is not a word followed by 2 finite numbers"),
        ("a 1 nan\n", "line 1 is not a word"),
        ("a 1 1e39\n", "line 1 is not a word followed by 2 finite numbers of float32"),
        ("3 2\na 1 2\nq 1 2\n", "has 2 vectors and its first line promises 3"),
        ("a 1 2\nb x 3\n", "line 2 is not a word"),
        ("q 1 2\n", "no word of the vocabulary"),
        ("", "no word of the vocabulary"),
        ("a\n", "line 1 has 0 numbers"),
    ],
)
def test_what_are_no_vectors_is_refused(tmp_path, text, message):
    (tmp_path / "v.txt").write_text(text)
    with pytest.raises(ValueError, match=message):
        word_vectors.read(tmp_path / "v.txt", {"a", "b"})
