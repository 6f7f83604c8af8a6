import json
import shutil

import pytest

from ptb.data.text import split
from ptb.serving.client import Card, LoadedExport, find
from ptb.serving.refusal import Refused, refusals


def test_the_newest_version_is_found_and_a_version_is_itself(export_path, tmp_path):
    (tmp_path / ("9" * 255)).mkdir()  # more digits than a version has
    (tmp_path / "\u0661\u0661").mkdir()  # digits, and 11 to Python
    for version in ("9", "10", "x"):
        shutil.copytree(export_path / "1", tmp_path / version)
    assert find(tmp_path) == tmp_path / "10"
    assert find(tmp_path / "9") == tmp_path / "9"


def test_a_folder_that_is_no_export_is_refused(tmp_path):
    (tmp_path / "7").mkdir()
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(ValueError, match="no export"):
            find(path)


@pytest.mark.parametrize(
    "name",
    [
        "saved_model.pb",
        "model_card.json",
        "variables/variables.index",
        "variables/variables.data-00000-of-00001",
        "assets/vocabulary.txt",
    ],
)
def test_a_damaged_export_is_refused(export_path, tmp_path, name):
    shutil.copytree(export_path / "1", tmp_path / "1")
    file = tmp_path / "1" / name
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(ValueError, match="damaged"):
        LoadedExport(tmp_path)


@pytest.mark.parametrize(
    "content",
    ["[" * 100_000, "[]", "7", " " * 2_000_000],
)
def test_what_is_no_card_is_refused(export_path, tmp_path, content):
    shutil.copytree(export_path / "1", tmp_path / "1")
    (tmp_path / "1" / "model_card.json").write_text(content)
    with pytest.raises(ValueError, match="damaged"):
        LoadedExport(tmp_path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("name", 7),
        ("tokens", "syllable"),
        ("vocab_size", True),
        ("perplexities", [1]),
        ("perplexities", {"test": [1]}),
        ("perplexities", {"test": float("nan")}),
        ("config", None),
    ],
)
def test_a_card_that_no_export_has_is_refused(export_path, tmp_path, name, value):
    shutil.copytree(export_path / "1", tmp_path / "1")
    path = tmp_path / "1" / "model_card.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {name: value}))
    with pytest.raises(ValueError, match="damaged"):
        LoadedExport(tmp_path)


@pytest.mark.parametrize("name", Card.__annotations__)
def test_a_card_that_lacks_a_value_is_refused(export_path, tmp_path, name):
    shutil.copytree(export_path / "1", tmp_path / "1")
    path = tmp_path / "1" / "model_card.json"
    card = json.loads(path.read_text())
    del card[name]
    path.write_text(json.dumps(card))
    with pytest.raises(ValueError, match="damaged"):
        LoadedExport(tmp_path)


def test_a_text_is_read_and_nothing_predicts_its_first_word(loaded):
    reading = loaded.read("the zebra")
    assert [word.text for word in reading.words] == ["the", "zebra"]
    assert [word.is_unknown for word in reading.words] == [False, True]
    assert reading.words[0].bits is None
    assert reading.words[1].bits > 0
    probabilities = [word.probability for word in reading.next_words]
    assert sorted(probabilities, reverse=True) == probabilities
    assert 0 < sum(probabilities) < 1
    assert loaded.read("").words == []
    assert loaded.read("").next_words == loaded.read("\n").next_words
    assert loaded.read("\ud800").words[0].text == "\ufffd" * 3


def test_the_page_and_the_command_line_give_the_same_figures(loaded, served):
    for content in ("the cat  sat\n on", "\ufeffthe <eos>\r\nzebra", "\n\nthe"):
        here = served.words(content.encode())
        there = loaded.read(content).words
        assert [word.text for word in there] == split(content) == [word.text for word in here]
        assert [word.bits for word in there[1:]] == pytest.approx([w.bits for w in here[1:]])


def test_what_the_graph_refuses_is_one_line(loaded, without_unknown):
    with pytest.raises(Refused, match=r"^num_words=-2 .*10,000$"):
        loaded.generate("the", -2)
    with (
        pytest.raises(Refused, match=r"^the token `<b>` .*12"),
        refusals(),
    ):
        without_unknown.words(b"the <b>")
