import dataclasses

import numpy as np
import pytest

from ptb.command_line.commands import benchmark
from ptb.experiments.benchmarks.sides import make_side
from ptb.experiments.benchmarks.sweep import growth
from ptb.experiments.benchmarks.workload import Workload, zipf_ids
from ptb.training.config import Config


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("workload")
    config = Config(hidden_size=6, num_steps=4, batch_size=3, init_scale=0.5, max_grad_norm=1.0)
    Workload.create(config, 20, zipf_ids(20, 600)).save(folder)
    return folder


def test_every_field_of_the_config_is_read_by_all_sides_or_refused():
    read = ("hidden_size", "num_layers", "num_steps", "batch_size", "max_grad_norm", "keep_prob")
    read += ("init_scale", "vocab_size", "seed")
    fields = [field.name for field in dataclasses.fields(Config)]
    assert sorted([*read, *benchmark.RECIPE, *benchmark.UNREAD]) == sorted(fields)


def test_every_record_names_processor_units_versions_and_commit(monkeypatch):
    written = []
    monkeypatch.setattr(benchmark, "write_json", written.append)
    benchmark._write_record({"seconds": 1.5, "versions": {"torch": "2.13"}})
    (record,) = written
    assert {"processor", "units", "cores"} <= set(record["machine"])
    assert (record["seconds"], record["versions"]) == (1.5, {"torch": "2.13"})
    assert "commit" in record


@pytest.mark.parametrize(
    "name", ["static", "keras", pytest.param("keras_fit", marks=pytest.mark.slow), "torch"]
)
def test_every_side_trains_the_same_model(folder, name):
    if name == "torch":
        pytest.importorskip("torch", reason="PyTorch, an optional peer, is not installed")
    side, fused = make_side(name, folder), make_side("fused", folder)
    expected = fused.train(0, 3) + fused.train(3, 4)
    costs = side.train(0, 3) + side.train(3, 4)
    if name == "keras_fit":
        # Keras sums the gradient of repeated words before the clip, so its norm is another.
        np.testing.assert_allclose(costs[0], expected[0], rtol=1e-5)
        np.testing.assert_allclose(costs, expected, rtol=1e-2)
    else:
        np.testing.assert_allclose(costs, expected, rtol=1e-4)


@pytest.mark.parametrize("name", ["fused", "torch"])
def test_a_side_in_bfloat16_trains_the_same_model_less_exactly(folder, name):
    if name == "torch":
        pytest.importorskip("torch", reason="PyTorch, an optional peer, is not installed")
    exact, low = (make_side(each, folder).train(0, 3) for each in (name, f"{name}_bfloat16"))
    assert low != exact
    np.testing.assert_allclose(low, exact, rtol=1e-2)


def test_windows_begin_again_at_the_end_of_the_text(folder):
    side = make_side("fused", folder)
    windows = len(side.windows)
    np.testing.assert_array_equal(side.slice(windows - 1, 2), side.windows.starts[[windows - 1, 0]])


def test_growth_is_the_exponent_of_the_largest_three():
    assert growth({1: 9.0, 10: 2.0, 20: 4.0, 40: 8.0}) == pytest.approx(1.0)
    assert growth({10: 1.0, 20: 4.0, 40: 16.0}) == pytest.approx(2.0)
