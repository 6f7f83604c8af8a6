from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ptb.data.vocabulary import Vocabulary


def of_tokens(tokens, max_size=None, min_count=1):
    return Vocabulary.from_counts(Counter(tokens), max_size, min_count)


def test_words_are_ordered_by_count_then_alphabet():
    assert of_tokens(["b", "a", "c", "b", "d", "a", "b"]).words == ("b", "a", "c", "d")


def test_rare_words_become_unk_where_the_size_is_capped():
    vocabulary = of_tokens(["b", "a", "c", "b", "d", "a", "b"], max_size=3)
    assert vocabulary.words == ("b", "<unk>", "a")
    assert vocabulary.encode(["a", "c", "d", "never seen"]).tolist() == [2, 1, 1, 1]


def test_an_unk_in_the_text_counts_together_with_the_capped_words():
    vocabulary = of_tokens(["a", "a", "a", "b", "b", "<unk>", "c", "d"], max_size=3)
    assert vocabulary.words == ("<unk>", "a", "b")


def test_words_below_min_count_become_unk_and_count_together():
    vocabulary = of_tokens(["a", "a", "a", "b", "b", "c", "d", "e"], min_count=2)
    assert vocabulary.words == ("<unk>", "a", "b")
    assert of_tokens(["a", "a", "b"], min_count=1).words == ("a", "b")


@given(
    st.lists(st.sampled_from(["a", "b", "c", "d", "<unk>"]), min_size=1),
    st.integers(1, 4),
    st.integers(2, 5),
)
def test_what_is_left_out_is_what_comes_back_as_unk(tokens, min_count, max_size):
    vocabulary = of_tokens(tokens, max_size, min_count)
    assert len(vocabulary) <= max_size
    back = vocabulary.decode(vocabulary.encode(tokens))
    for token, decoded in zip(tokens, back, strict=True):
        assert decoded == (token if token in vocabulary else "<unk>")
        assert token == "<unk>" or token not in vocabulary or tokens.count(token) >= min_count


def test_a_cap_that_is_not_reached_changes_nothing():
    assert of_tokens(["a", "b"], max_size=2).words == ("a", "b")


def test_an_unknown_word_is_named_where_there_is_no_unk():
    with pytest.raises(ValueError, match=r"'c'.*--vocab_size .*2"):
        Vocabulary(["a", "b"]).encode(["a", "c"])


def test_words_listed_twice_and_no_words_are_refused():
    with pytest.raises(ValueError, match="'a' 2 times"):
        Vocabulary(["a", "b", "a"])
    with pytest.raises(ValueError, match="no words"):
        Vocabulary([])


words = st.text(st.characters(blacklist_categories=("Cs", "Zs", "Zl", "Zp", "Cc")), min_size=1)


@given(st.lists(words, min_size=1))
def test_decode_is_the_inverse_of_encode(tokens):
    vocabulary = of_tokens(tokens)
    assert vocabulary.decode(vocabulary.encode(tokens)) == tokens


@given(st.lists(words, min_size=1, unique=True))
def test_a_saved_vocabulary_is_read_back(tokens):
    text = Vocabulary(tokens).to_text()
    assert Vocabulary.from_text(text).words == tuple(tokens)


def test_the_end_of_a_line_has_an_id_only_if_it_is_among_the_words():
    assert Vocabulary(["a", "<eos>"]).eos_id == 1
    assert Vocabulary(["a", "<unk>"]).eos_id is None


@pytest.mark.parametrize("max_size", [0, -5])
def test_a_size_below_one_is_refused(max_size):
    with pytest.raises(ValueError, match=f"vocab_size={max_size} is out of bounds"):
        Vocabulary.from_counts({"a": 2, "b": 1}, max_size)
