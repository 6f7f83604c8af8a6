"""The scripts from the outside: train, resume, evaluate."""

import json
import re
import shutil
import sys

import pytest

from ptb.runs.run_folder import RunFolder
from tests.forked import one_line_error, run

SHAPE = ("--model=test", "--hidden_size=8", "--num_steps=4", "--keep_prob=0.8")


@pytest.fixture
def text(tmp_path):
    return write_text(tmp_path / "text")


def write_text(folder):
    folder.mkdir()
    lines = [f"the {a} {b} the {b}\n" for a in "abcd" for b in "wxyz"]
    for split, times in (("train", 12), ("valid", 2), ("test", 3)):
        (folder / f"ptb.{split}.txt").write_text("".join(lines) * times)
    return folder


def succeed(*arguments, folder):
    result = run(*arguments, folder=folder)
    assert result.returncode == 0, result.stderr
    return result.stdout


def perplexity(stdout):
    (line,) = [line for line in stdout.splitlines() if line.startswith("test perplexity")]
    return float(line.split()[2])


@pytest.mark.slow  # a run that is killed and resumed is in tests/faults
@pytest.mark.parametrize("sampling", ["sequential", "random"])
def test_a_resumed_run_equals_one_that_never_stopped(tmp_path, text, sampling):
    train = ("train.py", *SHAPE, f"--data_path={text}", f"--sampling={sampling}")
    whole = succeed(*train, "--save_path=whole", "--num_epochs=4", folder=tmp_path)
    succeed(*train, "--save_path=parts", "--num_epochs=2", folder=tmp_path)
    parts = succeed(*train, "--save_path=parts", "--num_epochs=4", folder=tmp_path)
    assert perplexity(parts) == perplexity(whole)
    metrics = [(tmp_path / run / "metrics.csv").read_bytes() for run in ("whole", "parts")]
    assert metrics[0].count(b"\n") == 5
    assert metrics[0] == metrics[1]
    for which in ("latest", "best"):
        whole, parts = (RunFolder(tmp_path / run).load(which).weights for run in ("whole", "parts"))
        assert {n: w.tobytes() for n, w in whole.items()} == {
            n: w.tobytes() for n, w in parts.items()
        }


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with a text and a run of it, and what train.py printed."""
    folder = tmp_path_factory.mktemp("trained")
    text = write_text(folder / "text")
    return folder, succeed(
        "train.py", *SHAPE, f"--data_path={text}", "--save_path=run", folder=folder
    )


def test_evaluate_gives_what_train_gave_whatever_num_steps(trained):
    folder, printed = trained
    results = [
        json.loads(succeed("evaluate.py", "--save_path=run", "--json", *flags, folder=folder))
        for flags in ([], ["--num_steps=9", "--checkpoint=latest"])
    ]
    tokens = 3 * 16 * 6 - 1
    assert [result["tokens"] for result in results] == [tokens] * 2
    assert results[0]["split"] == "test"
    assert [result["weights"] for result in results] == ["run, epoch 1"] * 2
    assert results[0]["perplexity"] == pytest.approx(perplexity(printed), abs=1e-3)
    assert results[1]["nats"] == pytest.approx(results[0]["nats"], rel=1e-6)
    assert results[0]["words_per_second"] > 0


def test_evaluate_says_what_it_reads_and_that_rows_start_cold(tmp_path, trained):
    other = tmp_path / "other"
    other.mkdir()
    (other / "valid.txt").write_text("the a w\nthe b x\n")
    arguments = ("--save_path=run", "--split=valid", f"--data_path={other}", "--batch_size=2")
    result = run("evaluate.py", *arguments, folder=trained[0])
    assert f"scoring {other / 'valid.txt'}, split valid: 8 tokens, 0.00% <unk>" in result.stderr
    assert "1 of which" in result.stderr
    assert "nats over 7 tokens, batch_size 2" in result.stdout


def read_one_line():
    sys.stdin = open("one.txt", encoding="utf-8")  # noqa: SIM115  (open as long as the script runs)


@pytest.mark.slow
def test_a_file_is_scored_whole_and_as_generate_scores_it(trained):
    (trained[0] / "one.txt").write_text("the a w the b")
    flags = ("--save_path=run", "--data_path=one.txt", "--json")
    result = json.loads(succeed("evaluate.py", *flags, folder=trained[0]))
    assert (result["split"], result["text_tokens"], result["tokens"]) == ("whole", 6, 5)
    assert result["text"] == "one.txt"
    flags = ("--save_path=run", "--score=-")
    scored = run("ptb generate", *flags, folder=trained[0], prepare=[read_one_line])
    assert scored.stdout.splitlines()[-1] == (
        f"perplexity {result['perplexity']:.3f} ({result['nats']:.3f} nats over 5 tokens)"
    )


@pytest.mark.slow  # tests/machine/test_strict_json.py has it without a run
def test_a_perplexity_that_is_infinite_is_null(trained):
    flags = ("--save_path=run", "--json", "--neural_cache=10", "--cache_share=1")
    printed = succeed("evaluate.py", *flags, folder=trained[0])
    assert "Infinity" not in printed
    assert json.loads(printed)["perplexity"] is None


def test_a_text_that_changed_since_the_run_is_not_scored_unnoticed(trained):
    folder, _ = trained
    test = folder / "text" / "ptb.test.txt"
    before = test.read_text()
    test.write_text("the a w\nthe b x\n")
    result = run("evaluate.py", "--save_path=run", folder=folder)
    assert result.returncode == 1
    assert "8 tokens and had 288" in result.stderr
    test.write_text(before)


@pytest.mark.slow  # tests/training/test_session.py loses it in this process
def test_a_run_whose_best_checkpoint_is_lost_resumes_or_says_so(tmp_path, text):
    train = ("train.py", *SHAPE, f"--data_path={text}", "--save_path=run")
    succeed(*train, "--num_epochs=2", folder=tmp_path)
    before = (tmp_path / "run" / "config.json").read_text()
    (tmp_path / "run" / "checkpoints" / "best.safetensors").unlink()
    # The last epoch was the best, so nothing is lost.
    assert len(succeed(*train, "--num_epochs=1", folder=tmp_path).splitlines()) > 2
    assert (tmp_path / "run" / "config.json").read_text() == before


def test_a_run_of_another_config_or_text_is_refused_and_kept(tmp_path, trained):
    folder = shutil.copytree(trained[0], tmp_path / "copy")
    before = {path: path.read_bytes() for path in (folder / "run").rglob("*") if path.is_file()}
    train = ("train.py", *SHAPE, "--data_path=text", "--save_path=run")
    result = run(*train, "--num_layers=3", "--seed=2", folder=folder)
    one_line_error(result, "train.py", "num_layers was 1 and is now 3", "seed was 1 and is now 2")
    (folder / "text" / "ptb.train.txt").write_text("the cat ran\nthe dog sat\n" * 40)
    message = one_line_error(run(*train, folder=folder), "train.py")
    assert re.search(r"the corpus was text \(\w{12}\) and is now text \(\w{12}\)", message)
    after = {path: path.read_bytes() for path in (folder / "run").rglob("*") if path.is_file()}
    assert after == before
