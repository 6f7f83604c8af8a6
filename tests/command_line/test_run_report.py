import dataclasses

import pytest

from ptb.command_line.run_report import (
    meaning,
    note_memorized,
    note_nothing_learned,
    print_comparable,
    print_what_next,
)
from ptb.data import corpus
from ptb.data.summary import SplitSummary
from ptb.training.report import EpochReport

TEXT = corpus.built_in()
REPORT = EpochReport(2, 1.0, 90.0, TEXT.unigram_perplexity("valid"), 1.0, 1.0, 1.0)


def test_a_model_that_knows_no_more_than_frequencies_after_two_epochs_is_told_of(capsys):
    note_nothing_learned(REPORT, TEXT)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("note: after two epochs")
    assert f"alone ({REPORT.valid_perplexity:.1f})" in line


@pytest.mark.parametrize(
    "changes", [{"valid_perplexity": REPORT.valid_perplexity - 1}, {"epoch": 1}, {"epoch": 3}]
)
def test_one_that_knows_more_or_has_just_begun_is_not(changes, capsys):
    note_nothing_learned(dataclasses.replace(REPORT, **changes), TEXT)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("train", "valid", "warned"),
    [((900, 300, 100, 30), (500, 400, 420, 450), True),
     ((900, 300, 100), (500, 400, 420), False),
     ((900, 300, 100, 90), (500, 400, 401, 402), False),
     ((900, 300, 310, 320), (500, 400, 420, 450), False),
     ((900, 300, 100, 30, 9), (500, 400, 420, 450, 480), False)],
)  # fmt: skip
def test_a_model_that_memorizes_the_train_split_is_told_of_once(train, valid, warned, capsys):
    note_memorized(
        [
            EpochReport(epoch, 1.0, *perplexities, 1.0, 1.0, 1.0)
            for epoch, perplexities in enumerate(zip(train, valid, strict=True), start=1)
        ]
    )
    told = capsys.readouterr().err
    assert ("since epoch 2" in told) is warned
    assert bool(told) is warned


COUNTS = SplitSummary(tokens=5, types=5, unknown=0, longest_line=5, characters=16, words=4)


@pytest.mark.parametrize(
    ("changes", "caveat"),
    [
        ({}, ""),
        ({"unknown": 1}, " (not comparable: the text has <unk>)"),
        ({"lacks_spaces": True}, " (not comparable: the text has white space that is left out)"),
        ({"lacks_capitals": True}, " (not comparable: the text was read in lower case)"),
    ],
)
def test_scores_are_called_comparable_only_if_all_of_the_text_is_predicted(changes, caveat, capsys):
    counts = dataclasses.replace(COUNTS, **changes)
    print_comparable("test", 16.0, counts, "word")
    bits = f"test bits per character 1.0000{caveat}\n"
    assert capsys.readouterr().out == bits
    print_comparable("test", 16.0, counts, "subword")
    assert capsys.readouterr().out == f"test perplexity per word 16.000{caveat}\n{bits}"


def test_a_text_whose_words_are_lines_has_no_perplexity_per_word(capsys):
    print_comparable("test", 16.0, dataclasses.replace(COUNTS, tokens=40, words=4), "subword")
    assert "per word" not in capsys.readouterr().out


def test_the_perplexity_of_a_test_split_is_told_with_what_it_means():
    text = meaning(9.127, TEXT)
    assert "among 9.13 of the 317 words" in text
    assert text.endswith("68.77")
    assert "among all 317 words" in meaning(400, TEXT)
    assert "among 316.00 of" in meaning(316, TEXT)


def test_a_run_that_saved_nothing_says_how_to_save(capsys):
    print_what_next(None, 2, True)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "--save_path=" in printed.err


def test_a_saved_run_names_its_folder_and_the_next_commands_as_a_shell_takes_them(
    capsys, monkeypatch
):
    for found, program in (("/bin/ptb", "ptb"), (None, "python3 -m ptb")):
        monkeypatch.setattr("shutil.which", lambda name, found=found: found)
        print_what_next("my runs/a/", 2, True)
        printed = capsys.readouterr()
        assert printed.out == ""
        saved, _, *commands = printed.err.splitlines()
        assert "my runs/a/" in saved
        assert "best epoch (2)" in saved
        for name, command in zip(("evaluate", "generate", "export"), commands, strict=True):
            assert f" {program} {name} '--save_path=my runs/a/'" in command
        assert commands[-1].endswith("'--export_path=my runs/a-export'")


def test_a_run_without_a_test_split_is_told_to_score_valid(capsys):
    print_what_next("run", 2, False)
    (score,) = (line for line in capsys.readouterr().err.splitlines() if "score a text" in line)
    assert score.endswith("evaluate --save_path=run --split=valid")
