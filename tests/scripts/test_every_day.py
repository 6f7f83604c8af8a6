"""What people do every day, one command after the other, as they would type them."""

import json
import sys

import pytest

from tests.scripts.test_bad_input import one_line_error, run
from tests.scripts.test_train_and_evaluate import SHAPE, succeed, write_text


def type_a_prefix():
    sys.stdin = open("prefix.txt", encoding="utf-8")  # noqa: SIM115  (open as long as the script runs)


@pytest.mark.slow  # each part has a default test of its own, in one process
def test_train_compare_change_score_sample_and_fine_tune(tmp_path):
    text = write_text(tmp_path / "text")
    train = ("train.py", *SHAPE, f"--data_path={text}")
    nothing = run(*train, folder=tmp_path)
    assert "nothing was saved: add --save_path=" in nothing.stderr

    # A run, its repetition, and another learning rate.
    printed = succeed(*train, "--save_path=runs/a", "--sample_every=1", folder=tmp_path)
    assert "sample after epoch 1:\n    " in printed
    again = run(*train, "--save_path=runs/a", folder=tmp_path)
    assert "the run is complete: to train longer, give --num_epochs=2 or more\n" in again.stderr
    longer = (*train, "--save_path=runs/a", "--num_epochs=2", "--learning_rate=0.25")
    refused = one_line_error(run(*longer, folder=tmp_path), "train.py")
    assert "--change=learning_rate if the change is meant" in refused
    changed = run(*longer, "--change=learning_rate", folder=tmp_path)
    assert changed.returncode == 0, changed.stderr
    log = (tmp_path / "runs" / "a" / "log.txt").read_text()
    assert log.startswith("changed at the end of epoch 1: learning_rate was ")

    # Vectors out and in, and the weights of the run.
    succeed("ptb vectors", "--save_path=runs/a", "--out=vectors.txt", folder=tmp_path)
    fine_tuned = (*train, "--init_vectors=vectors.txt", "--init_from=runs/a", "--save_path=runs/b")
    assert "words keep their vectors, 0 start fresh" in run(*fine_tuned, folder=tmp_path).stderr
    table = succeed("ptb runs", "runs", "--png=curves.png", folder=tmp_path).splitlines()
    assert {line.split()[0] for line in table[1:]} == {"a", "b"}
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")

    # Scores of several files, and of lines.
    files = (str(text / "ptb.valid.txt"), str(text / "ptb.test.txt"))
    several = json.loads(
        succeed("evaluate.py", "--save_path=runs/a", "--json", *files, folder=tmp_path)
    )
    assert several["nats"] == pytest.approx(sum(each["nats"] for each in several["texts"]))
    flags = ("--save_path=runs/a", "--per_line", "--format=jsonl", files[1])
    lines = succeed("evaluate.py", *flags, folder=tmp_path).splitlines()
    total = sum(json.loads(line)["nats"] for line in lines)
    assert total == pytest.approx(several["texts"][1]["nats"], rel=1e-6)

    # A prefix from standard input, and no <unk>.
    (tmp_path / "prefix.txt").write_text("the a\n")
    flags = ("--save_path=runs/a", "--prefix=-", "--nounk", "--stop_at_line")
    result = run("ptb generate", *flags, folder=tmp_path, prepare=[type_a_prefix])
    assert result.stdout.startswith("the a")
    assert result.stdout.count("\n") == 1
    assert "<unk>" not in result.stdout
