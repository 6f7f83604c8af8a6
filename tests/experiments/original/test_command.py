"""What `ptb original` trains and records. Its errors are in `tests/faults/inputs.py`."""

import json
import os

import numpy as np
import pytest
import tensorflow as tf

from ptb.experiments.original import parity
from ptb.experiments.original.oracle import PYTHON_VARIABLE
from tests.faults import harness
from tests.forked import one_line_error, run

MODEL = ("--model=test", "--constant_epochs=9", "--data_path=text")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not os.environ.get(PYTHON_VARIABLE),
        reason=f"{PYTHON_VARIABLE} names no Python with TensorFlow 1.15",
    ),
]


def train(folder, *flags):
    """The figures of `ptb original train`."""
    result = run("ptb original", "train", *MODEL, *flags, "--json=figures.json", folder=folder)
    assert result.returncode == 0, result.stderr
    figures = json.loads((folder / "figures.json").read_text())
    (folder / "figures.json").unlink()
    return figures


def test_a_training_that_begins_with_a_checkpoint_continues_it_in_either_mode(tmp_path):
    harness.write_text(tmp_path)
    (tmp_path / "one").mkdir()
    first = train(tmp_path, "--num_epochs=1", "--write_tutorial_checkpoint=one/model")
    assert first["versions"]["tensorflow_1"].startswith("1.15")
    both = train(tmp_path, "--num_epochs=2")
    assert both["epochs"][0]["train"] == pytest.approx(first["epochs"][0]["train"], rel=1e-6)
    epoch = both["epochs"][1]
    assert epoch["train"] != pytest.approx(first["epochs"][0]["train"], rel=1e-4)
    # The tutorial's --save_path, where the file `checkpoint` names the newest one.
    assert tf.train.latest_checkpoint(str(tmp_path / "one")) == str(tmp_path / "one" / "model")
    for checkpoint, mode in (("one/model", "block"), ("one", "basic")):
        flags = f"--tutorial_checkpoint={checkpoint}", f"--tutorial_mode={mode}"
        continued = train(tmp_path, "--num_epochs=1", *flags)
        for split in ("train", "valid"):
            assert continued["epochs"][0][split] == pytest.approx(epoch[split], rel=1e-5)
        assert continued["test"] == pytest.approx(both["test"], rel=1e-5)
    flags = "--hidden_size=7", "--tutorial_checkpoint=one"
    result = run("ptb original", "train", *MODEL, *flags, folder=tmp_path)
    assert "has hidden_size=" in one_line_error(result, "ptb original")


def test_recordings_of_random_models_are_replayed_here(tmp_path):
    result = run("ptb original", "record", "--random=2", "--seed=5", "--out=made", folder=tmp_path)
    assert result.returncode == 0, result.stderr
    rng = np.random.default_rng(5)
    for number in range(2):
        case, first, expected = parity.load_recording(tmp_path / "made" / f"{number}.npz")
        drawn = parity.random_case(rng, max_size=12, max_words=60)
        np.testing.assert_array_equal(case.ids, drawn.ids)
        assert parity.comparison(case, first, expected, "static").agrees


def test_the_original_is_measured_beside_this_project(tmp_path):
    flags = ("--model=test", "--paths=fused", "--peers=tf1_block,tf1_basic")
    sizes = ("--seconds=0.2", "--rounds=1", "--json=speed.json")
    result = run("ptb benchmark", *flags, *sizes, folder=tmp_path)
    assert result.returncode == 0, result.stderr
    figures = json.loads((tmp_path / "speed.json").read_text())
    speeds = {
        side: each["train_words_per_second"]["median"] for side, each in figures["sides"].items()
    }
    assert speeds.keys() == {"fused", "tf1_block", "tf1_basic"}
    for peer in ("tf1_block", "tf1_basic"):
        ratio = figures["ratios"][peer]["fused"]
        assert ratio == pytest.approx(speeds["fused"] / speeds[peer], rel=1e-2)
    assert figures["versions"]["tensorflow_1"].startswith("1.15")
