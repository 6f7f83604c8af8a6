"""Verdicts in Chinese say what the English ones say."""

import importlib
import re
from pathlib import Path

import pytest

from ptb.experiments.studies import NAMES
from ptb.experiments.studies.chinese import NAMES as PHRASES
from ptb.experiments.studies.chinese import SENTENCES, chinese, label
from ptb.experiments.studies.findings import findings

RESULTS = Path(__file__).parents[3] / "results/studies"
NUMBERS = re.compile(r"(?<![\w.])[-+]?\d[\d.,]*(?:e[+-]\d+)?%?(?<![.,])")


# Names of TensorFlow and of this project, and what Python writes for numbers that are none.
SAME = {"fused", "loop", "static", "softmax", "tanh", "inf", "nan"}


def left_in_english(text):
    """The English words that are not code, a file, a name, or what made the verdict."""
    text = re.sub(r"`[^`]*`|\([^)]*\)|（simple noise scale）", "", text.partition("\n| | |")[0])  # noqa: RUF001
    return [word for word in re.findall(r"(?<!\w)[a-z][a-z']+(?!\w)", text) if word not in SAME]


@pytest.mark.parametrize("name", NAMES)
def test_the_recorded_verdict_in_chinese_is_that_of_now_and_complete(name):
    english = (RESULTS / name / "verdict.md").read_text("utf-8")
    # What other seeds changed, and what another text says, is there in English alone.
    english = re.sub(r"\| finding \| with other seeds \|\n(\|.*\n)*\n", "", english)
    english = re.sub(r"## On another text: .*?(?=\| \| \|\n)", "", english, flags=re.S)
    recorded = (RESULTS / name / "verdict.zh.md").read_text("utf-8")
    assert chinese(english) == recorded, "run ptb study --redraw --language=zh"
    assert left_in_english(recorded) == []
    assert len(findings(recorded)) == len(findings(english))
    assert sorted(NUMBERS.findall(recorded)) == sorted(NUMBERS.findall(english))


def test_a_sentence_is_put_into_the_other_language_with_its_numbers_and_names():
    english = (
        "**With SGD, the LSTM with forget bias 1 remembers longer than the RNN after 1,000 "
        "updates**. They first differ at 20 words: 90% (60% to 98%) of the seeds remember with the "
        "LSTM with forget bias 1, 0% with the RNN."
    )
    assert chinese(english) == (
        "**用 SGD 更新 1,000 次之后，LSTM（遗忘偏置 1） 比 RNN 记得更久**。"  # noqa: RUF001
        "间隔 20 个词时开始分出高下："  # noqa: RUF001
        "LSTM（遗忘偏置 1） 有 90%（60% 到 98%）的种子记得住，RNN 有 0%。"  # noqa: RUF001
    ).replace("） ", "）")  # noqa: RUF001
    assert label("RNN, radius 0.5") == "RNN（谱半径 0.5）"  # noqa: RUF001
    assert label("1e-05") == "1e-05"


def test_few_words_of_english_that_are_left_are_seen():
    assert left_in_english("2.323 nats a word，200 or more") == ["nats", "word", "or", "more"]  # noqa: RUF001
    assert left_in_english("`ptb study` 的 init_scale，softmax 和 Adam") == []  # noqa: RUF001


def test_a_sentence_that_is_not_known_stays():
    assert chinese("Nobody wrote this before.") == "Nobody wrote this before."


def test_every_sentence_has_the_same_places_in_both_languages():
    for english, other in SENTENCES.items():
        found = [sorted(re.findall(r"{\w+}", each)) for each in (english, other)]
        assert found[0] == found[1], english
    assert all(PHRASES.values())


@pytest.mark.parametrize("name", NAMES)
def test_the_question_of_each_study_is_there(name):
    study = importlib.import_module(f"ptb.experiments.studies.{name}").STUDY
    assert study.question in SENTENCES


def test_an_interval_without_an_end_is_in_chinese_too():
    said = chinese(
        "- **After the same words, batch 4 has a higher loss than batch 1**: a difference of "
        "4.87 (4.13 to inf) nats a word, 2.00 times the perplexity;"
    )
    assert "（4.13 到 inf）" in said  # noqa: RUF001
