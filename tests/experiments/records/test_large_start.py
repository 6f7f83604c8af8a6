import dataclasses

import numpy as np
import pytest

from ptb.data import corpus as corpora
from ptb.data import reader
from ptb.experiments.original.oracle import settings_of
from ptb.experiments.original.parity import weights_of
from ptb.experiments.records import large_start
from ptb.training.config import Config
from ptb.training.model import build_model
from ptb.training.step import TrainStep

CONFIG = Config(hidden_size=8, num_layers=2, num_steps=4, batch_size=3, keep_prob=0.5, seed=3)


@pytest.fixture(scope="module")
def corpus():
    return corpora.built_in()


@pytest.fixture
def model(corpus):
    return build_model(CONFIG, len(corpus.vocabulary))


@pytest.mark.slow
def test_the_windows_are_those_of_a_run_from_its_start(corpus, model):
    rows = list(large_start.measure(CONFIG, corpus, 60))
    assert [row["window"] for row in rows] == [1, 2, 3, 4, 5, 25, 50]
    model.initialize(CONFIG.init_scale, CONFIG.seed)
    windows = reader.sequential(corpus.train, 3, 4)
    step = TrainStep(model, 4, CONFIG.max_grad_norm)
    state = model.initial_state(3)
    costs, _, _ = step(windows.stream, windows.starts, state, 1.0, 0, 50, (CONFIG.seed, 0))
    parts = np.split(costs.numpy(), [1, 2, 3, 4, 5, 25])
    expected = [(part.mean() / 4, part.max() / 4) for part in parts]
    found = [(row["nats"], row["worst_nats"]) for row in rows]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    seen = large_start.outputs(model, corpus.valid)
    assert {name: rows[-1][name] for name in seen} == pytest.approx(seen, rel=1e-3)


def test_outputs_that_are_all_alike_do_not_vary(corpus, model):
    weights = {name: np.zeros_like(w) for name, w in model.export_weights().items()}
    model.import_weights(weights)
    assert large_start.outputs(model, corpus.valid) == {"variation": 0, "common_score": 0}
    # One unit of the top layer that follows the word: the mean over the units is an eighth of it.
    weights["embedding"][:, 0] = np.where(np.arange(len(corpus.vocabulary)) % 2, 3.0, -3.0)
    for layer in range(2):
        kernel = weights[f"layers/{layer}/kernel"]
        kernel[0, 8] = 9.0  # of the first input to the first unit's new value
    weights["softmax_w"][0, 5] = 2.0
    model.import_weights(weights)
    outputs, _ = model.outputs(corpus.valid[None, :150], model.initial_state(1))
    first = np.stack(outputs)[20:, 0, 0]
    assert first.std() > 0.1
    expected = {"variation": first.std() / 8, "common_score": max(0, 2 * first.mean())}
    assert large_start.outputs(model, corpus.valid) == pytest.approx(expected, rel=1e-4)


@pytest.mark.slow
def test_the_original_is_measured_at_the_same_windows(oracle, corpus):
    config = dataclasses.replace(CONFIG, keep_prob=1.0)
    rows = list(large_start.measure_original(oracle, config, corpus, 30))
    assert [row["window"] for row in rows] == [1, 2, 3, 4, 5, 25]
    # The same seed draws the same first weights in TensorFlow 1. This project trains them here.
    oracle.open(settings_of(config, len(corpus.vocabulary)), {"train": corpus.train})
    model = build_model(config, len(corpus.vocabulary))
    model.import_weights(weights_of(oracle))
    windows = reader.sequential(corpus.train, 3, 4)
    step = TrainStep(model, 4, config.max_grad_norm)
    costs, _, _ = step(windows.stream, windows.starts, model.initial_state(3), 1.0, 0, 25, (0, 0))
    parts = np.split(costs.numpy(), [1, 2, 3, 4, 5])
    expected = [(part.mean() / 4, part.max() / 4) for part in parts]
    found = [(row["nats"], row["worst_nats"]) for row in rows]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    seen = large_start.outputs(model, corpus.valid)
    assert {name: rows[-1][name] for name in seen} == pytest.approx(seen, rel=1e-3)


@pytest.mark.slow
def test_pytorch_starts_from_the_same_weights(corpus):
    pytest.importorskip("torch", reason="PyTorch, an optional peer, is not installed")
    config = dataclasses.replace(CONFIG, keep_prob=1.0)
    row = large_start.measure_torch(config, corpus)
    ours = list(large_start.measure(config, corpus, 5))
    assert row["window"] == 5
    assert row["nats"] == pytest.approx(np.mean([each["nats"] for each in ours]), rel=1e-3)


def test_the_picture_has_a_line_for_every_case_and_names_the_one_whose_outputs_become_alike():
    rows = [
        {
            "case": case,
            "window": w,
            "nats": w * 2.0,
            "worst_nats": 9.0,
            "variation": v if w == 25 or not v else v * later,
            "common_score": 1.0,
        }
        for case, v, later in (
            *(("seed 1", 0.001, 0.009), ("seed 2", 0.01, 0.02)),
            *(("seed 1, learning_rate 0.5", 0.01, 1), ("PyTorch, seed 1", "", 1)),
            *(("TensorFlow 1.15, seed 1", 0.01, 1), ("TensorFlow 1.15, seed 2", 0.01, 0.009)),
        )
        for w in (25, 50)
    ]
    nats, _, variations = large_start.draw(rows).axes
    assert [line.get_label() for line in nats.lines] == [
        *("seed 1: outputs become equal", "other seeds", "seed 1, learning_rate 0.5"),
        "seeds in TensorFlow 1.15",
        "TensorFlow 1.15, seed 2: outputs become equal",
    ]
    assert [line.get_linestyle() for line in nats.lines] == ["-", "-", "-", "--", "--"]
    np.testing.assert_array_equal(nats.lines[0].get_xydata(), [(25, 50.0), (50, 100.0)])
    np.testing.assert_array_equal(variations.lines[1].get_ydata(), [0.01, 0.0002])
