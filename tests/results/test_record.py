import json

import numpy as np
import pytest

from results import curves, record, table, verify

FLAGS = ["--model=test", "--num_epochs=1", "--seed=3"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A record of the built-in corpus, and the run that it was made from."""
    folder = tmp_path_factory.mktemp("results")
    made, run = folder / "test" / "seed-3", folder / "run"
    record.record(made, [*FLAGS, f"--save_path={run}"])
    return made, run


@pytest.mark.slow
def test_a_record_says_what_was_run_and_what_came_of_it(made):
    folder, run = made
    result = json.loads((folder / "result.json").read_text())
    assert result["command"].startswith(f"python3 -m results.record {folder} --model=test")
    # The run's own test figure, which it printed with three digits.
    printed = f"test perplexity {result['test']['perplexity']:.3f} "
    assert printed in (folder / "train.log").read_text()
    assert result["valid"]["batch_size"] == result["test"]["batch_size"] == 1
    assert (folder / "metrics.csv").read_text() == (run / "metrics.csv").read_text()


@pytest.mark.slow
def test_the_run_of_a_record_evaluates_to_the_same_and_another_does_not(made, capsys):
    folder, run = made
    assert verify.verify(folder, [], str(run))
    assert "the same" in capsys.readouterr().out
    result = json.loads((folder / "result.json").read_text())
    result["test"]["perplexity"] *= 1.001
    copy = folder.parent / "bent"
    copy.mkdir()
    (copy / "result.json").write_text(json.dumps(result))
    (copy / "config.json").write_text((folder / "config.json").read_text())
    assert not verify.verify(copy, [], str(run))
    assert "DIFFERS" in capsys.readouterr().out


@pytest.mark.slow
def test_a_record_is_never_overwritten(made):
    folder, _ = made
    with pytest.raises(ValueError, match="is there already"):
        record.record(folder, FLAGS)


def _write_record(folder, test, epochs=2):
    folder.mkdir(parents=True)
    values = {"valid": {"perplexity": 2 * test}, "test": {"perplexity": test}, "seconds": 60.0}
    (folder / "result.json").write_text(json.dumps(values))
    speeds = [f"{epoch},30,{1000 if epoch == 1 else 3000}\n" for epoch in range(1, epochs + 1)]
    (folder / "timing.csv").write_text("epoch,seconds,words_per_second\n" + "".join(speeds))
    valid = [f"{epoch},{1000 / epoch}\n" for epoch in range(1, epochs + 1)]
    (folder / "metrics.csv").write_text("epoch,valid_perplexity\n" + "".join(valid))


def _row(folder):
    return [cell.strip() for cell in table.table(folder).splitlines()[-1].split("|")[1:-1]]


def test_a_row_has_the_mean_and_the_spread_of_the_seeds(tmp_path):
    for seed, test in ((1, 100.0), (2, 104.0)):
        _write_record(tmp_path / "fast" / f"seed-{seed}", test)
    valid, test = "204.00 (200.00 to 208.00)", "102.00 (100.00 to 104.00)"
    assert _row(tmp_path) == ["fast", "2", "2", valid, test, "60 (60 to 60)", "2,000"]


def test_a_run_that_ended_early_is_marked_in_table_and_picture(tmp_path):
    _write_record(tmp_path / "medium" / "seed-1", 100.0, epochs=5)
    assert _row(tmp_path)[2] == "5 of 39"
    (axes,) = curves.draw(tmp_path).axes
    trained, published = axes.lines
    np.testing.assert_allclose(trained.get_xydata(), [(n, 1000 / n) for n in range(1, 6)])
    np.testing.assert_allclose(published.get_xydata(), [(39, 86.16)])
    (text,) = axes.get_legend().get_texts()
    assert text.get_text() == "medium, 5 of 39 epochs; published: 86.16"


def test_a_picture_of_no_record_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no record of small, medium, large"):
        curves.draw(tmp_path)
