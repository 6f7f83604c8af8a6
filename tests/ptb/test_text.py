import gzip
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptb import text
from ptb.vocabulary import EOS


def read(path, tokens="word", lowercase=False):
    numbers = text.lexicon(tokens)
    ids = text.read(path, numbers, lowercase)
    assert ids.dtype == np.int32
    return [numbers.tokens[i] for i in ids]


@given(
    lines=st.lists(st.text("abÀé“—\u2028𝄞 \t"), min_size=1),
    line_break=st.sampled_from(["\n", "\r\n", "\r"]),
    last=st.booleans(),
    block_bytes=st.integers(1, 9),
)
def test_tokens_are_the_same_in_blocks_of_any_size(
    tmp_path_factory, lines, line_break, last, block_bytes
):
    lines = ["first line", *lines, "end"]
    path = tmp_path_factory.mktemp("text") / "train.txt"
    path.write_bytes((line_break.join(lines) + line_break * last).encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "BLOCK_BYTES", block_bytes)
        assert read(path) == [word for line in lines for word in (*line.split(), EOS)]
        characters = [[*" ".join(line.split()), EOS] for line in lines]
        assert read(path, "char") == [char for line in characters for char in line]


def test_capitals_are_read_as_small_letters_on_request(tmp_path):
    (tmp_path / "a.txt").write_text("The CAT\nÉlan\n")
    assert read(tmp_path / "a.txt") == ["The", "CAT", EOS, "Élan", EOS]
    assert read(tmp_path / "a.txt", lowercase=True) == ["the", "cat", EOS, "élan", EOS]


def test_a_compressed_text_is_read_like_a_plain_one_and_a_byte_order_mark_goes(tmp_path):
    contents = b"\xef\xbb\xbfnaive text\nof two lines\n"
    (tmp_path / "plain.txt").write_bytes(contents)
    (tmp_path / "packed.txt.gz").write_bytes(gzip.compress(contents))
    expected = ["naive", "text", EOS, "of", "two", "lines", EOS]
    assert read(tmp_path / "plain.txt") == read(tmp_path / "packed.txt.gz") == expected


@pytest.mark.parametrize("block_bytes", [1, 4, 1 << 16])
def test_the_byte_that_is_not_utf_8_is_named_in_whichever_block(tmp_path, monkeypatch, block_bytes):
    monkeypatch.setattr(text, "BLOCK_BYTES", block_bytes)
    (tmp_path / "a.txt").write_bytes("one é\ntwo ".encode() + b"\xe9\nthree\n")
    with pytest.raises(ValueError, match=re.escape("a.txt is not UTF-8 (byte 11)")):
        read(tmp_path / "a.txt")


@pytest.mark.parametrize("spoil", [lambda packed: packed[:-9], lambda packed: b"no" + packed])
def test_a_damaged_compressed_text_is_refused(tmp_path, spoil):
    (tmp_path / "a.txt.gz").write_bytes(spoil(gzip.compress(b"one\ntwo\n" * 50)))
    with pytest.raises(ValueError, match=r"a\.txt\.gz is a damaged \.gz"):
        read(tmp_path / "a.txt.gz")


def test_unknown_tokens_are_refused():
    with pytest.raises(ValueError, match="tokens=syllable is unknown: choose from word, char"):
        text.lexicon("syllable")


@given(st.lists(st.integers(0, 9)), st.integers(1, 7))
def test_counting_and_renumbering_go_part_by_part(numbers, part_tokens):
    ids, table = np.array(numbers, np.int32), np.arange(10, 0, -1, dtype=np.int32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "PART_TOKENS", part_tokens)
        assert text.count(ids, 10).tolist() == [numbers.count(i) for i in range(10)]
        text.renumber(ids, table)
    assert ids.tolist() == [10 - i for i in numbers]
