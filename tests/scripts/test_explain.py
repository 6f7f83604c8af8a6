import os
import subprocess
from pathlib import Path

import pytest

from ptb.machine.process import command_of
from tests.forked import run

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


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--window=4501", "window=4501 is out of bounds: with batch_size=4 and num_steps=5"),
        ("--batch_size=0", "flag --batch_size=0"),
        ("--batch_size=90000", "batch_size=90000 x num_steps=5 needs a text of at least"),
        ("--png=", "--png=: is empty"),
        ("--png=no/folder.png", "--png=no/folder.png cannot be written"),
        ("--data_path=nowhere", "'nowhere' is not a folder or file"),
    ],
)
def test_a_bad_flag_ends_with_one_line(tmp_path, flag, message):
    result = run("ptb explain", flag, folder=tmp_path)
    assert result.returncode == 1
    lines = result.stderr.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("ptb explain: error: ")
    assert message in lines[0]
    assert not list(tmp_path.iterdir())
