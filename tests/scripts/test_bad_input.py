"""Wrong input ends with one line on stderr that names it, exit status 1, and nothing done."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(script, *arguments, folder):
    return subprocess.run(
        [sys.executable, str(ROOT / script), *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def one_line_error(result, script):
    assert result.returncode == 1
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith(f"{script}: error: ")
    return lines[0]


@pytest.fixture
def text(tmp_path):
    """A folder of text, small but whole."""
    folder = tmp_path / "text"
    folder.mkdir()
    for split, times in (("train", 40), ("valid", 12), ("test", 12)):
        (folder / f"{split}.txt").write_text("the cat sat\nthe dog ran\n" * times)
    return folder


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--model=huge", "model=huge is unknown: choose from test, small, medium, large"),
        ("--num_steps=0", "num_steps=0 is out of bounds: give a value from 1 to 1000"),
        ("--num_steps=many", "flag --num_steps=many"),
        ("--batch_size=-3", "batch_size=-3 is out of bounds"),
        ("--hidden_size=1000000", "hidden_size=1000000 is out of bounds"),
        ("--hidden_size=8000 --num_layers=60", "for weights and gradients, and this machine has"),
        ("--keep_prob=0", "keep_prob=0.0 is out of bounds"),
        ("--learning_rate=nan", "learning_rate=nan is out of bounds"),
        ("--learning_rate=-1", "learning_rate=-1.0 is out of bounds"),
        ("--init_scale=inf", "init_scale=inf is out of bounds"),
        ("--max_grad_norm=0", "max_grad_norm=0.0 is out of bounds"),
        ("--num_epochs=0", "num_epochs=0 is out of bounds"),
        ("--vocab_size=1", "vocab_size=1 is out of bounds"),
        ("--cell=transformer", "cell=transformer is unknown: choose from lstm, gru, rnn"),
        ("--rnn_mode=magic", "rnn_mode=magic is unknown"),
        ("--num_stepz=3", "num_stepz"),
        ("leftover", "'leftover' is not a flag"),
        ("--batch_size=99999", "the train split is too short: batch_size=99999 x num_steps=2"),
        ("--save_path=", "--save_path= is empty"),
        ("--data_path=nowhere", "'nowhere' is not a folder or file"),
        ("--dataset=wikitext", "flag --dataset=wikitext"),
        ("--tokens=char", "--split are for the text in --data_path"),
    ],
)
def test_a_bad_flag_of_train(tmp_path, flag, message):
    result = run("train.py", "--model=test", *flag.split(), folder=tmp_path)
    assert message in one_line_error(result, "train.py")
    assert not list(tmp_path.iterdir())


def test_a_valid_split_shorter_than_the_batch(tmp_path, text):
    (text / "valid.txt").write_text("the\ncat\n")
    result = run("train.py", "--model=test", f"--data_path={text}", folder=tmp_path)
    assert "the valid split is too short: batch_size=20" in one_line_error(result, "train.py")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "the valid split is missing"),
        (b"", "valid.txt is empty"),
        (b"one line\n", "one line only"),
        (b"\xff\xfe\n\n", "valid.txt is not UTF-8"),
        (b"the zebra\nthe dog\n" * 20, "valid.txt: the word 'zebra' is not among the 6 words"),
    ],
)
def test_a_bad_text(tmp_path, text, content, message):
    if content is None:
        (text / "valid.txt").unlink()
    else:
        (text / "valid.txt").write_bytes(content)
    arguments = ("--model=test", f"--data_path={text}", "--min_count=1")
    result = run("train.py", *arguments, folder=tmp_path)
    assert message in one_line_error(result, "train.py")


@pytest.mark.skipif(os.name != "posix", reason="needs a path that no folder can have")
def test_a_save_path_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    result = run("train.py", "--model=test", "--save_path=file/run", folder=tmp_path)
    assert "save_path 'file/run' cannot be written" in one_line_error(result, "train.py")


def test_evaluate_without_a_run(tmp_path):
    message = one_line_error(run("evaluate.py", folder=tmp_path), "evaluate.py")
    assert "--save_path is missing" in message
    message = one_line_error(run("evaluate.py", "--save_path=x", folder=tmp_path), "evaluate.py")
    assert "'x' holds no run" in message
    result = run("evaluate.py", "--save_path=x", "--split=nope", folder=tmp_path)
    assert "split" in one_line_error(result, "evaluate.py")


def test_a_run_of_another_config_or_text_is_refused_and_kept(tmp_path, text):
    first = ["--model=test", f"--data_path={text}", "--save_path=run"]
    assert run("train.py", *first, folder=tmp_path).returncode == 0
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}

    message = one_line_error(
        run("train.py", *first, "--hidden_size=3", "--seed=2", folder=tmp_path), "train.py"
    )
    assert "hidden_size was 2 and is now 3; seed was 1 and is now 2" in message
    (text / "train.txt").write_text("the cat ran\nthe dog sat\n" * 40)
    message = one_line_error(run("train.py", *first, folder=tmp_path), "train.py")
    assert re.search(r"the corpus was text \(\w{12}\) and is now text \(\w{12}\)", message)

    after = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    assert after == before


def test_help_answers_without_tensorflow(tmp_path):
    hidden = tmp_path / "tensorflow"
    hidden.mkdir()
    (hidden / "__init__.py").write_text("raise SystemExit('TensorFlow was imported')")
    for script in ("train.py", "evaluate.py"):
        result = subprocess.run(
            [sys.executable, str(ROOT / script), "--helpshort"],
            env={**os.environ, "PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert "--save_path" in result.stdout
        assert ("--hidden_size" in result.stdout) == (script == "train.py")
        assert "TensorFlow was imported" not in result.stdout + result.stderr
