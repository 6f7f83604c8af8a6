"""All runs below a folder: what differs, the best valid perplexity, and the curves."""

import dataclasses
import io

import pytest

from ptb.experiments.records import runs
from ptb.runs.run_folder import RunFolder
from ptb.training.config import Config
from ptb.training.report import EpochReport

CONFIG = Config(num_epochs=3)


def make_run(path, valid, fingerprint="f00df00df00d", **changes):
    """A run folder with those valid perplexities, of 30 s an epoch."""
    folder = RunFolder(path)
    folder.acquire()
    config = dataclasses.asdict(dataclasses.replace(CONFIG, **changes))
    corpus = {"name": "text", "fingerprint": fingerprint}
    folder.start({"config": config, "corpus": corpus}, "<eos>\n")
    reports = [EpochReport(i, 1.0, 9.0, value, 1.0, 30.0, 5.0) for i, value in enumerate(valid, 1)]
    folder.save_reports(reports)
    folder.release()


@pytest.fixture
def folder(tmp_path):
    make_run(tmp_path / "a", [9, 7, 8])
    make_run(tmp_path / "more" / "b", [6.5], learning_rate=0.1)
    make_run(tmp_path / "c", [])
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "config.json").write_text("{}")
    return tmp_path


def test_a_row_for_each_run_and_a_column_for_each_field_that_differs(folder, capsys):
    found = runs.find_runs(folder)
    assert runs.rows(found) == [
        ["run", "best valid", "at epoch", "epochs", "minutes", "learning_rate"],
        ["more/b", "6.500", "1", "1/3", "0.5", "0.1"],
        ["a", "7.000", "2", "3/3", "1.5", "1"],
        ["c", "-", "-", "0/3", "0.0", "1"],
    ]
    assert "damaged" in capsys.readouterr().err
    assert [len(line) for line in runs.lines(runs.rows(found))] == [60] * 4


def test_a_run_has_no_fewer_epochs_than_have_ended(tmp_path):
    """Its number was lowered afterwards."""
    make_run(tmp_path / "lowered", [9, 7, 8], num_epochs=1)
    assert runs.rows(runs.find_runs(tmp_path))[1][3] == "3/3"


def test_runs_of_another_text_stand_apart(folder):
    make_run(folder / "d", [1.5], fingerprint="beef" * 3)
    table = runs.rows(runs.find_runs(folder))
    assert table[0][5] == "text"
    assert [row[5] for row in table[1:]] == ["text beefbeef", *["text f00df00d"] * 3]


def test_the_curves_are_a_png(folder):
    file = io.BytesIO()
    runs.draw(runs.find_runs(folder), file)
    assert file.getvalue().startswith(b"\x89PNG")


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(ValueError, match="has no run"):
        runs.find_runs(tmp_path)
