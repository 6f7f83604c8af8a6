from pathlib import Path

import pytest

from ptb.data import subword, text
from ptb.data.vocabulary import Vocabulary
from ptb.experiments.benchmarks import serving
from ptb.serving.saved_model import export
from tests.serving.conftest import make_trained


def test_sentences_are_words_of_the_model_in_every_length():
    made = [sentence.split() for sentence in serving.sentences(["the", "cat", "sat"], "word")]
    assert {len(sentence) for sentence in made} == set(range(5, 36))
    words = [word for sentence in made for word in sentence]
    assert words.count("the") > words.count("cat") > words.count("sat") > 0
    assert serving.sentences(["the", "cat", "sat"], "word") == [
        " ".join(sentence) for sentence in made
    ]


def test_sentences_of_characters_have_no_token_that_the_model_would_not_read():
    made = "".join(serving.sentences(["a", "<eos>", " "], "char"))
    assert set(made) == {"a", "\n", " "}


def test_sentences_of_subwords_are_read_as_the_tokens_that_were_drawn():
    letters = [subword.NAMES[ord(letter)] for letter in "abc"]
    vocabulary = Vocabulary(["<eos>", *subword.NAMES])
    for sentence in serving.sentences(letters, "subword"):
        read = text.split(sentence, "subword", vocabulary=vocabulary)
        assert 5 <= len(read) <= 35
        assert set(read) <= set(letters)


@pytest.mark.slow
def test_an_export_is_measured_from_loading_to_latency(tmp_path):
    result = serving.run(export(make_trained(), Path(tmp_path), {}), seconds=0.2)
    assert result["flop_per_word"] == 2 * (2 * (12 * 24 + 24) + 6 * 13 + 13)
    assert list(result["score"]) == ["1", "64"]
    assert all(row["sentences_per_second"] > 0 for row in result["score"].values())
    assert 0 < result["next_word"]["p50_seconds"] <= result["next_word"]["p99_seconds"]
    assert "batch 64 over batch 1" in serving.table(result)
