import dataclasses

import pytest

from ptb.command_line.run_report import meaning, note_nothing_learned
from ptb.data import corpus
from ptb.training.report import EpochReport

TEXT = corpus.built_in()
REPORT = EpochReport(2, 1.0, 90.0, TEXT.unigram_perplexity("valid"), 1.0, 1.0, 1.0)


def test_a_model_that_knows_no_more_than_frequencies_after_two_epochs_is_told_of(capsys):
    note_nothing_learned(REPORT, TEXT)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("note: after two epochs")
    assert f"alone, {REPORT.valid_perplexity:.1f}, " in line


@pytest.mark.parametrize(
    "changes", [{"valid_perplexity": REPORT.valid_perplexity - 1}, {"epoch": 1}, {"epoch": 3}]
)
def test_one_that_knows_more_or_has_just_begun_is_not(changes, capsys):
    note_nothing_learned(dataclasses.replace(REPORT, **changes), TEXT)
    assert capsys.readouterr().err == ""


def test_the_perplexity_of_a_test_split_is_told_with_what_it_means():
    assert meaning(9.127, TEXT) == (
        "as uncertain as a fair choice among 9.13 words; their frequencies alone give 68.77"
    )
