import json

import pytest

from results import record, table, verify

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


def test_a_row_has_the_mean_and_the_spread_of_the_seeds(tmp_path):
    for seed, test in ((1, 100.0), (2, 104.0)):
        folder = tmp_path / "fast" / f"seed-{seed}"
        folder.mkdir(parents=True)
        values = {"valid": {"perplexity": 2 * test}, "test": {"perplexity": test}, "seconds": 60.0}
        (folder / "result.json").write_text(json.dumps(values))
        (folder / "timing.csv").write_text("epoch,seconds,words_per_second\n1,30,1000\n2,30,3000\n")
    row = [cell.strip() for cell in table.table(tmp_path).splitlines()[-1].split("|")[1:-1]]
    valid, test = "204.00 (200.00 to 208.00)", "102.00 (100.00 to 104.00)"
    assert row == ["fast", "2", valid, test, "60 (60 to 60)", "2,000"]
