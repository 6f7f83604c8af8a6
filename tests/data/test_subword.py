import numpy as np
import pytest

from ptb.data import corpus, parts, subword, text
from ptb.data.options import TextOptions
from ptb.data.vocabulary import Vocabulary
from tests.data.test_corpus import write
from tests.data.test_wordpunct import SCRIPTS

TEXT = "\n".join(SCRIPTS.values()) + "\n"


def load(path, vocab_size=400, **options):
    return corpus.load_text(path, vocab_size, options=TextOptions("subword", **options))


def test_the_lowest_id_is_joined_first_and_the_leftmost_of_two():
    vocabulary = Vocabulary([*subword.NAMES, "bc", "ab", "aa"])
    assert subword.encode_piece("abc", vocabulary) == ["a", "bc"]
    assert subword.encode_piece("ab", vocabulary) == ["ab"]
    assert subword.encode_piece("aaa", vocabulary) == ["aa", "a"]


def test_the_library_reads_what_it_learned_in_the_same_subwords(tmp_path):
    tokenizers = pytest.importorskip("tokenizers")
    write(tmp_path, train=TEXT * 3, valid=TEXT, test=TEXT)
    vocabulary = load(tmp_path).vocabulary
    ids = {word: i for i, word in enumerate(vocabulary.words)}
    merges = [
        (word[:place], word[place:])
        for word in vocabulary.words[256:]
        for place in range(1, len(word))
        if word[:place] in ids and word[place:] in ids
    ]
    bpe = tokenizers.Tokenizer(tokenizers.models.BPE(ids, merges))
    bpe.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    for piece in subword.split(TEXT):
        if piece != "\n":
            assert bpe.encode(piece).tokens == subword.encode_piece(piece, vocabulary)


def test_any_text_comes_back_and_nothing_is_unknown(tmp_path):
    write(tmp_path, train=TEXT * 3, valid=TEXT, test="¿nuevo? 𝄞 \t x\n\nq")
    loaded = load(tmp_path)
    assert len(loaded.vocabulary) == 400
    tokens = loaded.vocabulary.decode(loaded.test)
    assert "".join(text.join(tokens, "subword")) == "¿nuevo? 𝄞 \t x\n\nq\n"
    assert loaded.summary["test"].unknown == 0
    assert tokens == text.split("¿nuevo? 𝄞 \t x\n\nq\n", "subword", False, loaded.vocabulary)


def test_subwords_are_learned_from_train_alone(tmp_path):
    write(tmp_path, train="the cat\n" * 9, valid="zebra\n" * 99, test="zebra\n")
    assert "Ġcat" in load(tmp_path).vocabulary
    assert "ze" not in load(tmp_path).vocabulary


def test_only_the_first_subword_of_a_text_is_not_predicted(tmp_path):
    write(tmp_path, train="the cat\n" * 9, valid="the cat\n", test="zebra \u00e9\n")
    found = load(tmp_path)
    whole, parts = found.summary["valid"], found.summary["test"]
    # The first piece of valid is one subword; the z of test is one of five.
    assert (whole.first_characters, whole.first_words) == (3, 1)
    assert (whole.characters, whole.words) == (len(" cat\n"), 2)
    assert (parts.first_characters, parts.first_words) == (1, 0)
    assert (parts.characters, parts.words) == (len("ebra \u00e9\n"), 3)
    # A word of one character, in two bytes of which the second is predicted.
    write(tmp_path, train="the cat\n" * 9, valid="\u00e9\n", test="the\n")
    bytewise = load(tmp_path).summary["valid"]
    assert (bytewise.first_characters, bytewise.first_words) == (1, 0)
    assert (bytewise.characters, bytewise.words) == (1, 2)


def test_pieces_become_subwords_part_by_part(tmp_path, monkeypatch):
    write(tmp_path, train=TEXT * 3, valid=TEXT, test="zebra \u00e9")
    whole = load(tmp_path)
    monkeypatch.setattr(parts, "PART_TOKENS", 7)
    again = load(tmp_path)
    assert again.fingerprint == whole.fingerprint
    assert again.train.dtype == np.int32
    expand = subword.Expansion(["<eos>", "zebra"], whole.vocabulary)
    assert expand(np.empty(0, np.int32)).tolist() == []


def test_a_run_reads_another_text_in_its_own_subwords(tmp_path):
    write(tmp_path, train="the cat\n" * 9, valid="the\n", test="a cat\n")
    first = load(tmp_path)
    again = corpus.load_text(tmp_path, vocabulary=first.vocabulary, options=TextOptions("subword"))
    assert again.fingerprint == first.fingerprint
    assert np.array_equal(again.test, first.test)


def test_what_subwords_cannot_be_is_refused(tmp_path):
    write(tmp_path, train="a b\n", valid="a\n", test="b\n")
    with pytest.raises(ValueError, match="vocab_size=256 is too small for subwords"):
        load(tmp_path, 256)
    with pytest.raises(ValueError, match="--min_count=2 has no effect"):
        load(tmp_path, min_count=2)
    with pytest.raises(ValueError, match="not one of subwords"):
        subword.check(Vocabulary([*subword.NAMES, "the cat"]))
