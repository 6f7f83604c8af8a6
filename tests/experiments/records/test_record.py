import json
import shutil
import time
from dataclasses import asdict, replace

import numpy as np
import pytest

from ptb.data.corpus import built_in
from ptb.experiments.records import curves, table, verify
from ptb.experiments.records.record import COPIED, _check_run
from ptb.runs.identity import describe
from ptb.runs.run_folder import RunFolder
from ptb.training.config import PRESETS, Config
from tests.faults import harness
from tests.forked import Script, one_line_error, run

FLAGS = ["--model=test", "--num_epochs=2", "--seed=3"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a record of a text of its own, the run that it was made from, and the text."""
    folder = tmp_path_factory.mktemp("results")
    harness.write_text(folder)
    flags = [*FLAGS, "--data_path", "text", "--lowercase", "--min_count=2", "--save_path", "run"]
    result = run("ptb record", "test/seed-3", *flags, folder=folder)
    assert result.returncode == 0, result.stderr
    return folder


def figures(made):
    """How many a record has: valid and test, and those of the last epoch where it is another.

    Each has a perplexity, bits per character and a share of unknown words.
    """
    result = json.loads((made / "test" / "seed-3" / "result.json").read_text())
    return 3 * (4 if result["last_epoch"] else 2)


@pytest.mark.slow
def test_a_record_says_what_was_run_and_what_came_of_it(made):
    record = made / "test" / "seed-3"
    result = json.loads((record / "result.json").read_text())
    assert result["command"].startswith("ptb record test/seed-3 --model=test")
    # The run's own test figure, which it printed with three digits.
    printed = f"test perplexity {result['test']['perplexity']:.3f} "
    assert printed in (record / "train.log").read_text()
    assert result["valid"]["batch_size"] == result["test"]["batch_size"] == 1
    assert (record / "metrics.csv").read_text() == (made / "run" / "metrics.csv").read_text()
    files = {path.name for path in record.iterdir()}
    assert files == {*COPIED, "result.json", "train.log"}


@pytest.mark.slow
def test_the_run_of_a_record_evaluates_to_the_same_and_another_does_not(made):
    result = run("ptb verify", "test/seed-3", "--save_path=run", folder=made)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("the same") == figures(made)
    for name in ("perplexity", "bits_per_character", "unknown_share"):
        values = json.loads((made / "test" / "seed-3" / "result.json").read_text())
        values["test"][name] = 1.001 * values["test"][name] + 1e-3
        bent = shutil.copytree(made / "test" / "seed-3", made / f"bent_{name}")
        (bent / "result.json").write_text(json.dumps(values))
        result = run("ptb verify", bent.name, "--save_path", "run", folder=made)
        assert result.returncode == 1
        assert result.stdout.count("DIFFERS") == 1
        assert result.stdout.endswith("the record does not hold\n")
    other = shutil.copytree(made / "test" / "seed-3", made / "other_seed")
    description = json.loads((other / "config.json").read_text())
    description["config"]["seed"] = 4
    (other / "config.json").write_text(json.dumps(description))
    result = run("ptb verify", "other_seed", "--save_path=run", folder=made)
    assert result.returncode == 1
    assert "seed was 4 and is now 3" in result.stderr


@pytest.mark.slow
def test_a_record_is_trained_anew_from_what_it_says(made):
    before = (made / "run" / "metrics.csv").read_bytes()
    result = run("ptb verify", "test/seed-3", folder=made)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("the same") == figures(made)
    assert (made / "run" / "metrics.csv").read_bytes() == before


@pytest.mark.slow
def test_a_record_that_began_with_other_weights_is_not_verified(made):
    """The run of the record, whose weights have changed since: `init_from` names another sha256."""
    other = shutil.copytree(made / "test" / "seed-3", made / "begun")
    description = json.loads((other / "config.json").read_text())
    begun = {"init_from": str(made / "run"), "init_from_sha256": "0" * 64}
    (other / "config.json").write_text(json.dumps(description | begun))
    said = "the sha256 of init_from was 000000000000 and is now "
    of_run = one_line_error(
        run("ptb verify", "begun", "--save_path=run", folder=made), "ptb verify"
    )
    assert f"the run run is another than the record's: {said}none" in of_run
    of_training = one_line_error(run("ptb verify", "begun", folder=made), "ptb verify")
    assert f"the record began with other weights ({said}" in of_training
    assert "is now none" not in of_training
    assert "give its run as --save_path" in of_training
    begun["init_from"] = str(made / "gone")
    (other / "config.json").write_text(json.dumps(description | begun))
    of_training = one_line_error(run("ptb verify", "begun", folder=made), "ptb verify")
    assert "the record began with weights that cannot be read (" in of_training
    assert "gone' holds no run" in of_training
    assert "give its run as --save_path" in of_training


@pytest.mark.slow
def test_a_record_that_no_training_repeats_is_verified_from_its_run_only(made):
    """One whose hyperparameters changed on the way, and one that was rolled back."""
    epochs = {"was": {"num_epochs": 1}, "now": {"num_epochs": 2}}
    change = {"was": {"learning_rate": 1.0}, "now": {"learning_rate": 0.5}}
    for name, values, reason in (
        ("config.json", {"changes": [epochs, change]}, "whose learning_rate changed"),
        ("result.json", {"rollbacks": 1}, "rolled back"),
    ):
        other = shutil.copytree(made / "test" / "seed-3", made / reason)
        content = json.loads((other / name).read_text()) | values
        (other / name).write_text(json.dumps(content))
        result = run("ptb verify", reason, folder=made)
        assert result.returncode == 1
        assert reason in result.stderr
        assert "give its run as --save_path" in result.stderr
        result = run("ptb verify", reason, "--save_path=run", folder=made)
        assert result.returncode == 0, result.stderr


@pytest.mark.slow
def test_a_record_whose_learning_rate_falls_earlier_than_planned_is_trained_anew(made):
    """With the rates that the epochs had: if they are those of its config."""
    change = {"was": {"constant_epochs": 7}, "now": {"constant_epochs": 1}}
    for name, config, returncode in (
        ("earlier", {}, 0),
        ("other_rates", {"constant_epochs": 2}, 1),
    ):
        other = shutil.copytree(made / "test" / "seed-3", made / name)
        content = json.loads((other / "config.json").read_text()) | {"changes": [change]}
        assert content["config"]["constant_epochs"] == 1
        content["config"] |= config
        (other / "config.json").write_text(json.dumps(content))
        result = run("ptb verify", name, folder=made)
        assert result.returncode == returncode, result.stderr
        assert result.stdout.count("the same") == (0 if returncode else figures(made))
        assert ("other learning rates" in result.stderr) == bool(returncode)


@pytest.mark.slow
def test_the_first_epochs_are_compared_with_those_of_the_record(made):
    flags = [*FLAGS[:1], "--num_epochs=6", "--seed=3", "--data_path", "text"]
    assert run("ptb record", "six", *flags, folder=made).returncode == 0
    metrics = (made / "six" / "metrics.csv").read_text()
    result = run("ptb verify", "six", "--max_epochs=2", "--train_path=two", folder=made)
    assert result.returncode == 0, result.stderr
    expected = []
    for epoch, row in enumerate(metrics.splitlines()[1:3], 1):
        for name, value in zip(("train", "valid"), map(float, row.split(",")[2:4]), strict=True):
            expected.append(f"{name} perplexity of epoch {epoch} {value:.4f}, recorded {value:.4f}")
    assert result.stdout.splitlines()[-5:] == [
        *(f"{line}: the same" for line in expected),
        "the record, compared up to epoch 2, holds",
    ]
    trained = (made / "two" / "metrics.csv").read_text()
    assert len(trained.splitlines()) <= 5  # the header, and not many epochs more
    assert metrics.startswith(trained)
    second = metrics.splitlines()[2].split(",")
    for figure in second[2:4]:
        for factor, verdict in ((1.04, "holds"), (1.06, "DIFFERS"), (0.94, "DIFFERS")):
            bent = shutil.copytree(made / "six", made / f"bent_{figure}_by_{factor}")
            table = metrics.replace(figure, str(factor * float(figure)))
            (bent / "metrics.csv").write_text(table)
            result = run("ptb verify", bent.name, "--max_epochs=2", "--train_path=two", folder=made)
            lines = result.stdout.splitlines()
            assert [line.rpartition(": ")[2] for line in lines[:-1]].count(verdict) == 1
            assert lines[-1].endswith("does not hold") == (verdict == "DIFFERS")
            assert result.returncode == (verdict == "DIFFERS")


@pytest.mark.slow
def test_a_verification_in_a_folder_of_its_own_is_resumed_there(made):
    path = "--train_path=again"
    metrics = (made / "test" / "seed-3" / "metrics.csv").read_text()
    script = Script("ptb verify", "test/seed-3", path, "--max_epochs=1", folder=made)
    while not (made / "again" / "config.json").exists() and script.process.is_alive():
        time.sleep(0.01)
    script.process.terminate()
    result = script.wait()
    assert result.returncode == 143, result.stderr
    assert "resumes the run in again" in result.stderr
    result = run("ptb verify", "test/seed-3", path, "--max_epochs=1", folder=made)
    assert result.returncode == 0, result.stderr
    checkpoints = {file.name for file in (made / "again" / "checkpoints").iterdir()}
    result = run("ptb verify", "test/seed-3", path, "--max_epochs=1", folder=made)
    assert result.stdout.count("the same") == 2
    assert {file.name for file in (made / "again" / "checkpoints").iterdir()} == checkpoints
    shutil.rmtree(made / "again" / "checkpoints")  # what its table says is not trained any more
    result = run("ptb verify", "test/seed-3", path, "--max_epochs=2", folder=made)
    assert result.returncode == 0, result.stderr
    assert (made / "again" / "checkpoints").exists()
    assert result.stdout.count("the same") == 4
    result = run("ptb verify", "test/seed-3", path, folder=made)
    assert "epochs that were trained before in again: 2" in result.stderr
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("the same") == figures(made)
    assert (made / "again" / "metrics.csv").read_text() == metrics
    newest = max((made / "again" / "checkpoints").glob("0*.safetensors"))
    newest.write_bytes(newest.read_bytes()[:100])
    result = run("ptb verify", "test/seed-3", path, "--max_epochs=1", folder=made)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("the same") == 2
    (made / "text_file").write_text("no folder")
    result = run("ptb verify", "test/seed-3", "--train_path=text_file", folder=made)
    assert result.returncode == 1
    assert "save_path is the folder of --train_path=text_file" in result.stderr


@pytest.mark.slow
def test_epochs_that_a_record_does_not_have_and_folders_that_are_no_new_run_are_refused(made):
    text = ("--data_path=text", "--lowercase", "--min_count=2", "--num_epochs=3")
    for flags in (("--save_path=built_in",), (*text, "--save_path=longer")):
        assert run("train.py", *FLAGS, *flags, folder=made).returncode == 0
    for flags, said in (
        (("--max_epochs=3",), "max_epochs=3: the record has 2 epochs"),
        (("--save_path=run", "--max_epochs=1"), "--max_epochs=1 has no effect"),
        (("--save_path=run", "--train_path=new"), "--train_path=new has no effect"),
        (("--train_path=test/seed-3",), "is the folder of the record"),
        (("--train_path=built_in",), "is another than the record's"),
        (("--train_path=longer",), "has 3 epochs and the record 2"),
    ):
        result = run("ptb verify", "test/seed-3", *flags, folder=made)
        assert said in one_line_error(result, "ptb verify")
    ended = shutil.copytree(made / "test" / "seed-3", made / "ended_early")
    table = (ended / "metrics.csv").read_text().splitlines(keepends=True)
    (ended / "metrics.csv").write_text("".join(table[:2]))
    result = run("ptb verify", "ended_early", folder=made)
    assert "as --save_path, or --max_epochs=1" in one_line_error(result, "ptb verify")
    (ended / "metrics.csv").write_text("".join(table).replace("valid_perplexity", "other"))
    result = run("ptb verify", "ended_early", folder=made)
    assert "no column valid_perplexity" in one_line_error(result, "ptb verify")


def _stop_training():
    def stopped(*arguments):
        raise SystemExit(143)

    verify.run_script = stopped


@pytest.mark.slow
def test_a_verification_that_is_stopped_says_that_it_keeps_no_run(made):
    result = run("ptb verify", "test/seed-3", folder=made, prepare=[_stop_training])
    assert result.returncode == 143
    assert "no run was kept" in result.stderr


@pytest.mark.slow
def test_a_record_whose_number_of_epochs_changed_on_the_way_is_trained_anew(made):
    other = shutil.copytree(made / "test" / "seed-3", made / "more_epochs")
    content = json.loads((other / "config.json").read_text())
    content["changes"] = [{"was": {"num_epochs": 1}, "now": {"num_epochs": 2}}]
    (other / "config.json").write_text(json.dumps(content))
    result = run("ptb verify", "more_epochs", folder=made)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("the same") == figures(made)


def test_a_record_is_of_all_epochs_of_its_run_or_of_fewer_if_that_is_meant(tmp_path):
    config, corpus = Config(num_epochs=5), built_in()
    run = RunFolder(tmp_path)
    run.start(describe(config, corpus), corpus.vocabulary.to_text())
    (tmp_path / "metrics.csv").write_text("epoch\n1\n2\n3\n")
    check = lambda n, change: _check_run(run, replace(config, num_epochs=n), corpus, change)  # noqa: E731
    check(5, [])
    check(3, ["num_epochs"])
    for epochs, of_run, change in (4, 5, []), (2, 3, ["num_epochs"]):
        with pytest.raises(ValueError, match=f"holds a run of {of_run} epochs"):
            check(epochs, change)


@pytest.mark.slow
def test_the_run_of_a_record_without_save_path_is_gone_and_one_that_failed_leaves_nothing(made):
    result = run("ptb record", "short", *FLAGS, "--data_path=text", folder=made)
    assert result.returncode == 0, result.stderr
    assert {path.name for path in (made / "short").iterdir()} >= {"result.json", "train.log"}
    assert not (made / "short" / "run").exists()
    flags = [*FLAGS, "--data_path=text", "--batch_size=5000"]
    result = run("ptb record", "failed", *flags, folder=made)
    assert result.returncode == 1
    assert result.stderr.startswith("ptb train: error: ")
    assert not (made / "failed").exists()


@pytest.mark.slow
def test_the_same_command_resumes_a_record_that_was_ended(made):
    flags = [*FLAGS, "--data_path=text", "--lowercase", "--min_count=2"]
    script = Script("ptb record", "ended", *flags, folder=made)
    while not (made / "ended" / "run" / "metrics.csv").exists() and script.process.is_alive():
        time.sleep(0.01)
    script.process.terminate()
    result = script.wait()
    assert result.returncode == 143, result.stderr
    assert "note: no record was made" in result.stderr
    # The training has ended too, and lets others go on.
    result = run("ptb record", "ended", *flags, folder=made)
    assert result.returncode == 0, result.stderr
    whole, ended = made / "test" / "seed-3", made / "ended"
    assert (ended / "metrics.csv").read_text() == (whole / "metrics.csv").read_text()
    results = [json.loads((path / "result.json").read_text()) for path in (whole, ended)]
    assert results[0]["test"]["nats"] == results[1]["test"]["nats"]
    assert results[0]["seconds"] > 0
    assert results[1]["seconds"] is None
    assert {path.name for path in ended.iterdir()} == {path.name for path in whole.iterdir()}


def _write_record(folder, test, epochs=2, seconds=60.0, fingerprint="f" * 64, **config):
    """A record of the seed that its folder is named after."""
    folder.mkdir(parents=True)
    fields = {"seed": int(folder.name.split("-")[1])} | config
    description = {"config": asdict(Config(**fields)), "corpus": {"fingerprint": fingerprint}}
    (folder / "config.json").write_text(json.dumps(description))
    values = {"valid": {"perplexity": 2 * test}, "test": {"perplexity": test}, "seconds": seconds}
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
    assert _row(tmp_path) == ["fast", "2", "2 of 13", valid, test, "60 (60 to 60)", "2,000"]


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"seed": 1}, "seed-2 has the seed of .*seed-1, 1: keep one"),
        ({"learning_rate": 0.5}, "seed-2 does not .*seed-1: learning_rate is 0.5 and 1.0: move"),
        ({"num_epochs": 2}, "num_epochs is 2 and 13"),
        ({"fingerprint": "e" * 64}, "fingerprint is e{64} and f{64}"),
    ],
)
def test_records_that_do_not_belong_together_are_refused_by_name(tmp_path, other, said):
    _write_record(tmp_path / "fast" / "seed-1", 100.0)
    _write_record(tmp_path / "fast" / "seed-2", 104.0, **other)
    with pytest.raises(ValueError, match=said):
        table.table(tmp_path)


def test_records_that_began_with_other_weights_are_refused(tmp_path):
    for seed in (1, 2):
        _write_record(tmp_path / "fast" / f"seed-{seed}", 100.0)
        path = tmp_path / "fast" / f"seed-{seed}" / "config.json"
        description = json.loads(path.read_text()) | {"init_vectors_sha256": str(seed)}
        path.write_text(json.dumps(description))
    with pytest.raises(ValueError, match="init_vectors_sha256 is 2 and 1"):
        table.table(tmp_path)


def test_a_record_that_was_not_made_in_one_piece_has_no_seconds(tmp_path):
    _write_record(tmp_path / "fast" / "seed-1", 100.0, seconds=None)
    assert _row(tmp_path)[5] == "not measured"
    _write_record(tmp_path / "fast" / "seed-2", 100.0)
    assert _row(tmp_path)[5] == "not measured"


def test_a_run_that_ended_early_is_marked_in_table_and_picture(tmp_path):
    recipe = asdict(replace(PRESETS["medium"], num_epochs=5, precision="mixed_bfloat16"))
    del recipe["seed"]
    _write_record(tmp_path / "other_name" / "seed-1", 100.0, epochs=5, **recipe)
    assert _row(tmp_path)[2] == "5 of 39"
    changed = recipe | {"learning_rate": 0.5}
    _write_record(tmp_path / "other_recipe" / "seed-1", 100.0, epochs=5, **changed)
    assert _row(tmp_path)[2] == "5"
    (axes,) = curves.draw(tmp_path).axes
    trained, published = axes.lines
    np.testing.assert_allclose(trained.get_xydata(), [(n, 1000 / n) for n in range(1, 6)])
    np.testing.assert_allclose(published.get_xydata(), [(39, 86.97)])
    (text,) = axes.get_legend().get_texts()
    assert text.get_text() == "medium, 5 of 39 epochs; published: 86.97"


def test_a_picture_of_no_record_is_refused(tmp_path):
    with pytest.raises(ValueError, match="small, medium, large"):
        curves.draw(tmp_path)


@pytest.mark.parametrize(
    "number", ["1" + 400 * "0", "1e400", "NaN", "Infinity", "1e308", "-1", '"9"']
)
def test_a_record_of_numbers_that_no_run_comes_to_is_refused_by_name(tmp_path, number):
    _write_record(tmp_path / "fast" / "seed-1", 100.0)
    path = tmp_path / "fast" / "seed-1" / "result.json"
    path.write_text(path.read_text().replace("100.0", number))
    with pytest.raises(ValueError, match=r"result\.json"):
        table.table(tmp_path)


@pytest.mark.parametrize("shape", ["7", "[]", '{"valid": 7}', '{"valid": []}', "[" * 100_000])
def test_a_record_of_another_shape_is_refused_by_name(tmp_path, shape):
    _write_record(tmp_path / "fast" / "seed-1", 100.0)
    (tmp_path / "fast" / "seed-1" / "result.json").write_text(shape)
    with pytest.raises(ValueError, match=r"result\.json"):
        table.table(tmp_path)


@pytest.mark.parametrize("field", ["1e400", "nan", "9" * 5000, "x" * 140_000, '"' + "x" * 140_000])
def test_a_table_of_other_fields_than_numbers_is_refused_by_name(tmp_path, field):
    _write_record(tmp_path / "fast" / "seed-1", 100.0)
    for name, read in (("timing", table.table), ("metrics", curves.draw)):
        path = tmp_path / "fast" / "seed-1" / f"{name}.csv"
        header = path.read_text().splitlines()[0]
        path.write_text(f"{header}\n1{''.join(f',{field}' for _ in header.split(',')[1:])}\n")
        if name == "metrics":
            (tmp_path / "fast").rename(tmp_path / "small")
        with pytest.raises(ValueError, match=rf"{name}\.csv .*column"):
            read(tmp_path)
