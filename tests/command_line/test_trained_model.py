"""Which text is scored: the run's own, by its fingerprint, or all of another."""

import dataclasses
import shutil
import unicodedata
from types import SimpleNamespace

import pytest

from ptb.command_line.trained_model import (
    check_words_of_the_tutorial,
    load_corpus_of,
    load_text_to_score,
    load_train_of,
    load_trained_model,
)
from ptb.data.corpus import load_text
from ptb.data.options import TextOptions
from ptb.runs.trained_model import TrainedModel
from ptb.training.config import Config

WORDS = "the a b\nthe c a\n"


def trained_on(path, options=None):
    corpus = load_text(path, None, ("train", "valid"), ("test",), options=options)
    saved = {
        "name": corpus.name,
        "source": corpus.source,
        "fingerprint": corpus.fingerprint,
        "split_fingerprints": corpus.split_fingerprints,
        "tokens": {split: len(ids) for split, ids in corpus.splits.items()},
    }
    return TrainedModel("run", Config(), corpus.vocabulary, {}, saved)


@pytest.fixture
def folder(tmp_path):
    """Three files in `text/`, and one to be cut, `book.txt`."""
    (tmp_path / "text").mkdir()
    for split, times in (("train", 30), ("valid", 3), ("test", 5)):
        (tmp_path / "text" / f"{split}.txt").write_text(WORDS * times)
    (tmp_path / "book.txt").write_text(WORDS * 50)
    return tmp_path


def scored(trained, split="test", is_given=False):
    """The file that is scored, which part of it, and its tokens."""
    corpus, split = load_text_to_score(trained, split, is_given)
    return corpus.files[split].name, split, len(corpus.splits[split])


def test_without_flags_the_runs_own_split_is_scored(parse, folder):
    parse()
    assert scored(trained_on(folder / "text")) == ("test.txt", "test", 40)
    assert scored(trained_on(folder / "book.txt"), "valid", True) == ("book.txt", "valid", 20)


@pytest.mark.parametrize("of", ["text", "book.txt"])
def test_a_file_is_scored_whole(parse, folder, of):
    trained = trained_on(folder / of)
    for content, tokens in ((WORDS * 3, 24), ("the a b", 4), ("the <unk> b\n", None)):
        (folder / "other.txt").write_text(content)
        parse(f"--data_path={folder / 'other.txt'}")
        if tokens is None:
            with pytest.raises(ValueError, match="'<unk>'"):
                scored(trained)
            continue
        assert scored(trained) == ("other.txt", "whole", tokens)
        with pytest.raises(ValueError, match=r"--split=valid .*own text"):
            scored(trained, "valid", is_given=True)


def test_the_runs_own_file_is_known_by_its_contents_wherever_it_is(parse, folder):
    trained = trained_on(folder / "book.txt", TextOptions(shares=(50, 30, 20)))
    (folder / "book.txt").rename(folder / "moved.txt")
    parse(f"--data_path={folder / 'moved.txt'}")
    assert scored(trained) == ("moved.txt", "test", 80)
    assert scored(trained, "train", True) == ("moved.txt", "train", 200)
    assert scored(trained, "whole", True) == ("moved.txt", "whole", 400)
    assert len(load_corpus_of(trained, "test").test) == 80
    (folder / "moved.txt").write_text(WORDS * 49 + "the a b\nthe a a\n")
    assert scored(trained) == ("moved.txt", "whole", 400)
    with pytest.raises(ValueError, match=r"moved.txt is not the text"):
        load_corpus_of(trained, "test")


def test_a_file_that_changed_since_the_run_is_not_scored_unnoticed(parse, folder):
    trained = trained_on(folder / "book.txt")
    (folder / "book.txt").write_text(WORDS * 49 + "the a b\nthe a a\n")
    parse()
    then = trained.corpus["split_fingerprints"]["test"][:12]
    with pytest.raises(ValueError, match=rf"has changed .* the fingerprint .* and had {then}"):
        scored(trained)
    (folder / "book.txt").write_text(WORDS * 60)
    with pytest.raises(ValueError, match=r"has changed .*test split has 24 tokens and had 20"):
        scored(trained)


def test_a_split_of_a_folder_that_changed_since_the_run_is_not_scored_unnoticed(parse, folder):
    """With as many words as before; a run of version 1.0 has the fingerprint of all splits only."""
    trained = trained_on(folder / "text")
    of_1_0 = dataclasses.replace(
        trained,
        corpus={n: v for n, v in trained.corpus.items() if n != "split_fingerprints"},
    )
    parse()
    for each in (trained, of_1_0):
        assert scored(each) == ("test.txt", "test", 40)
    test = folder / "text" / "test.txt"
    test.write_text(test.read_text().replace("a", "b", 1))
    for each, what in ((trained, "the test split"), (of_1_0, "all of it")):
        with pytest.raises(ValueError, match=rf"has changed .*{what} has the fingerprint"):
            scored(each)
    assert scored(trained, "valid", True)[1:] == ("valid", 24)


def test_a_split_that_the_runs_text_lacks_is_named(parse, folder):
    trained = trained_on(folder / "book.txt", TextOptions(shares=(90, 10, 0)))
    for flags in ((), (f"--data_path={folder / 'book.txt'}",)):
        parse(*flags)
        assert scored(trained, "valid", True) == ("book.txt", "valid", 40)
        for load in (scored, lambda trained: load_corpus_of(trained, "test")):
            with pytest.raises(ValueError, match="no test split: choose from train, valid"):
                load(trained)


def test_a_folder_needs_only_the_split_that_is_scored(parse, folder):
    trained = trained_on(folder / "text")
    (folder / "other").mkdir()
    (folder / "other" / "valid.txt").write_text("the a")
    parse(f"--data_path={folder / 'other'}")
    assert scored(trained, "valid", True) == ("valid.txt", "valid", 3)
    with pytest.raises(ValueError, match=r"test .*missing"):
        scored(trained)
    with pytest.raises(ValueError, match="--split=whole"):
        scored(trained, "whole", True)
    with pytest.raises(ValueError, match="other is not the text"):
        load_corpus_of(trained, "valid")
    shutil.move(folder / "text", folder / "moved")
    parse(f"--data_path={folder / 'moved'}")
    assert len(load_corpus_of(trained, "test").test) == 40


def test_train_stays_the_runs_own_when_another_text_is_scored(parse, folder):
    trained = trained_on(folder / "text")
    (folder / "other.txt").write_text("the a b\n")
    parse(f"--data_path={folder / 'other.txt'}")
    assert len(load_train_of(trained).train) == 240
    parse()
    assert len(load_train_of(trained).train) == 240


def test_a_run_of_characters_that_lost_spaces_is_refused_and_told_why(parse, folder):
    for split in ("train", "valid", "test"):
        (folder / "text" / f"{split}.txt").write_text("if a:\n    b  c\n" * 9)
    was_read = folder / "was_read"
    was_read.mkdir()
    for split in ("train", "valid", "test"):
        (was_read / f"{split}.txt").write_text("if a:\nb c\n" * 9)
    old = trained_on(was_read, TextOptions("char"))
    source = dict(old.source)
    del source["reading"]
    kept = dataclasses.replace(old, corpus=old.corpus | {"source": source})
    parse()
    assert scored(kept) == ("test.txt", "test", 90)  # no space was lost
    source["data_path"] = str(folder / "text")
    lost = dataclasses.replace(old, corpus=old.corpus | {"source": source})
    with pytest.raises(ValueError, match="spaces"):
        scored(lost)


@pytest.mark.parametrize("options", [TextOptions("wordpunct"), TextOptions(lowercase=True)])
def test_another_unicode_is_named_where_the_text_has_become_another(
    parse, folder, monkeypatch, options
):
    trained = trained_on(folder / "text", options)
    parse()
    monkeypatch.setattr(unicodedata, "unidata_version", "99.0.0")
    assert scored(trained) == ("test.txt", "test", 40)  # with the same tokens all is well
    test = folder / "text" / "test.txt"
    test.write_text(test.read_text().replace("a", "b", 1))
    then = trained.source["unicode"]
    with pytest.raises(ValueError, match=rf"read with Unicode {then}, .* has Unicode 99.0.0"):
        scored(trained)


def test_a_model_that_was_trained_with_another_unicode_is_used_with_a_note(
    folder, monkeypatch, capsys
):
    trained = trained_on(folder / "text", TextOptions(lowercase=True))
    monkeypatch.setattr("ptb.runs.trained_model.load_run", lambda *_: trained)
    given = SimpleNamespace(save_path="run", checkpoint="best", tutorial_checkpoint=None)
    monkeypatch.setattr("ptb.command_line.trained_model.FLAGS", given)
    assert load_trained_model() is trained
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(unicodedata, "unidata_version", "99.0.0")
    assert load_trained_model() is trained
    assert "this Python has Unicode 99.0.0" in capsys.readouterr().err


def test_tokens_that_no_version_of_unicode_changes_keep_none(folder):
    for options in (TextOptions(), TextOptions("char")):
        assert "unicode" not in trained_on(folder / "text", options).source


def test_what_was_left_out_of_a_text_is_said(parse, folder, capsys):
    trained = trained_on(folder / "text")
    (folder / "other.txt").write_text("the a <eos>\nthe\ufeff b <eos>\n")
    parse(f"--data_path={folder / 'other.txt'}")
    assert scored(trained) == ("other.txt", "whole", 6)
    told = capsys.readouterr().err.splitlines()
    assert ["1 byte order marks" in told[0], "2 lines end in" in told[1], len(told)] == [
        True,
        True,
        2,
    ]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (TextOptions("char"), "no tokens=char: "),
        (TextOptions(lowercase=True), "no lowercase=True: "),
        (
            TextOptions(min_count=40),
            "the 5 words of the train split other ids than this run gives its 4",
        ),
    ],
)
def test_a_run_whose_words_the_tutorial_numbers_otherwise_is_no_checkpoint_of_it(
    parse, folder, options, said
):
    parse()
    with pytest.raises(ValueError, match=said):
        check_words_of_the_tutorial(trained_on(folder / "text", options))


def test_a_new_word_of_another_split_adds_one_that_the_tutorial_lacks(parse, folder, capsys):
    parse()
    check_words_of_the_tutorial(trained_on(folder / "text"))
    with (folder / "text" / "test.txt").open("a") as file:
        file.write("new\n")
    with pytest.raises(ValueError, match=r"5 words .* 6: .*--min_count=1"):
        check_words_of_the_tutorial(trained_on(folder / "text"))
    assert capsys.readouterr().err == ""


def test_without_its_text_the_words_of_a_run_are_not_compared_with_the_tutorials(
    parse, folder, capsys
):
    trained = trained_on(folder / "text")
    shutil.move(folder / "text", folder / "moved")
    parse()
    check_words_of_the_tutorial(trained)
    assert "not checked" in capsys.readouterr().err
    parse(f"--data_path={folder / 'moved'}")
    check_words_of_the_tutorial(trained)
    assert capsys.readouterr().err == ""
