import os
import subprocess
from pathlib import Path

import pytest

from ptb.machine.process import command_of
from tests.forked import one_line_error, run

ROOT = Path(__file__).parents[2]


def test_ones_own_text_is_drawn_without_tensorflow(tmp_path):
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden/tensorflow.py").write_text("raise SystemExit('TensorFlow was imported')")
    (tmp_path / "train.txt").write_text("the cat sat\nthe dog ran\n" * 40)
    result = subprocess.run(
        [*command_of("explain"), "--data_path=.", "--png=batch.png"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "hidden")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "row 0    | the   cat   sat   <eos> the   |" in result.stdout
    assert "\x1b[" not in result.stdout
    assert (tmp_path / "batch.png").read_bytes().startswith(b"\x89PNG")


def test_three_lines_of_text_are_drawn_whole(tmp_path):
    (tmp_path / "three.txt").write_text("a b c\nd e f\ng h i\n")
    result = run("ptb explain", "--data_path=three.txt", folder=tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("The text: 12 tokens\n")
    assert "batch_size = 2 rows of 6 tokens" in result.stdout
    result = run(
        *("ptb explain", "--data_path=three.txt", "--batch_size=4", "--num_steps=5"),
        folder=tmp_path,
    )
    assert "num_steps of at most 2" in result.stderr


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--window=2", "window=2 is out of bounds"),
        ("--batch_size=0", "flag --batch_size=0"),
        ("--batch_size=90000", "has 27: use a batch_size of at most 13"),
        ("--language=fr", "flag --language=fr"),
        ("--png=", "--png=: is empty"),
        ("--cell --batch_size=900", "--batch_size=900 has no effect with --cell"),
        ("--cell --data_path=nowhere", "--data_path=nowhere has no effect with --cell"),
        ("--cell --tokens=char", "--tokens=char has no effect with --cell"),
        ("--cell --unroll", "--unroll has no effect with --cell"),
        ("--png=no/folder.png", "--png=no/folder.png cannot be written"),
        ("--data_path=nowhere", "'nowhere' is not a folder"),
    ],
)
def test_a_bad_flag_ends_with_one_line(tmp_path, flags, message):
    result = run("ptb explain", *flags.split(), folder=tmp_path)
    one_line_error(result, "ptb explain", message)
    assert not list(tmp_path.iterdir())
