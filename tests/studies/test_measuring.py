"""What the studies measure, on cases whose answer is known."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from models.language_model import LanguageModel, recurrent_layers
from ptb import corpus, reader
from studies import memory, truncation, unroll
from studies.detach import _differentiate, _window_function
from studies.training_run import TrainingRun
from training.config import Config

V, H = 20, 5
IDS = np.random.default_rng(0).integers(V, size=400).astype(np.int32)


@pytest.fixture
def model():
    model = LanguageModel(V, H, recurrent_layers("static", "lstm", H, 1))
    model.initialize(0.5, seed=1)
    return model


@pytest.fixture(scope="module")
def short_corpus():
    whole = corpus.built_in()
    return dataclasses.replace(
        whole, splits={"train": whole.train[:2000], "valid": whole.valid[:300]}
    )


def test_the_gradient_of_one_long_window_is_the_full_one(model):
    tokens = tf.constant(IDS[:80].reshape(2, 40)[:, :13])
    weights = [weight.value for weight in model.trainable_weights]
    with tf.GradientTape() as tape:
        nats, _ = model.nats(tokens[:, :-1], tokens[:, 1:], model.initial_state(2))
        cost = tf.reduce_sum(tf.reduce_mean(nats, axis=0))
    full = [np.ravel(tf.convert_to_tensor(g)) for g in tape.gradient(cost, weights)]
    measured = truncation.gradient(model, IDS[:80], 2, 12, 12)
    np.testing.assert_allclose(measured, np.concatenate(full), atol=1e-6)


def test_cut_windows_leave_out_what_flows_between_them_and_nothing_else(model):
    full = truncation.gradient(model, IDS, 2, 12, 12)
    cut = truncation.gradient(model, IDS, 2, 12, 3)
    ends = np.cumsum([np.size(weight) for weight in model.trainable_weights])
    names = [weight.name for weight in model.trainable_weights]
    parts = dict(
        zip(names, zip(np.split(cut, ends), np.split(full, ends), strict=True), strict=False)
    )
    # No gradient of the softmax's weights goes through the state.
    for name in ("softmax_w", "softmax_b"):
        np.testing.assert_allclose(*parts[name], atol=1e-5)
    cut_embedding, full_embedding = parts["embedding"]
    assert np.abs(cut_embedding - full_embedding).max() > 1e-3


def test_windows_cut_the_stretch_into_equal_parts():
    assert truncation.lengths(40) == [1, 2, 5, 10, 20, 40]
    assert truncation.lengths(160) == [1, 2, 5, 10, 20, 40, 80, 160]


def test_the_memory_task_asks_at_the_end_for_what_came_first():
    inputs, symbols = memory.task(IDS, V, 7, np.random.default_rng(0))
    assert inputs.shape == (memory.BATCH_SIZE, 9)
    np.testing.assert_array_equal(inputs[:, 0], V + symbols)
    assert (inputs[:, -1] == V + memory.SYMBOLS).all()
    assert inputs[:, 1:-1].max() < V
    assert set(symbols) == set(range(memory.SYMBOLS))


def test_a_cell_learns_what_came_one_word_before_and_chance_is_what_guessing_gives(short_corpus):
    case = {"cell": "gru", "delay": 1, "optimizer": "Adam", "learning_rate": 3e-3, "seed": 1}
    (learned,) = memory.measure(case | {"most_updates": 100}, short_corpus)
    assert learned["accuracy"] == 1.0
    (guessed,) = memory.measure(case | {"most_updates": 0}, short_corpus)
    assert guessed == {"accuracy": 0.0, "updates": 0}
    network = memory._Network("gru", V, ("SGD", 1.0), 1)
    inputs, _ = memory.task(IDS, V, 1, np.random.default_rng(0))
    right = [np.mean(network.answers(tf.constant(inputs)).numpy() == wanted) for wanted in range(4)]
    assert sum(right) == pytest.approx(1.0)


def test_a_kept_graph_gives_the_gradient_of_the_windows_together(model):
    """Two windows kept are one window of twice the length, as far as the second's loss goes."""
    windows = reader.sequential(IDS, 2, 6)
    window = _window_function(model)
    weights = [weight.value for weight in model.trainable_weights]
    with tf.GradientTape() as tape:
        _, state = window(*windows[0], model.initial_state(2))
        cost, _ = window(*windows[1], state)
    kept = tape.gradient(cost, weights)
    with tf.GradientTape() as tape:
        nats, _ = model.nats(*reader.sequential(IDS, 2, 12)[0], model.initial_state(2))
        second = tf.reduce_sum(tf.reduce_mean(nats[:, 6:], axis=0))
    for a, b in zip(kept, tape.gradient(second, weights), strict=True):
        np.testing.assert_allclose(tf.convert_to_tensor(a), tf.convert_to_tensor(b), atol=1e-5)
    _differentiate(window, model, windows, 0, 2)


def test_operations_are_counted_inside_functions_too():
    @tf.function
    def inner(x):
        return tf.sin(x) + 1.0

    graph = tf.function(lambda x: inner(x) * inner(x)).get_concrete_function(tf.constant(1.0)).graph
    operations = list(unroll.all_operations(graph))
    assert operations.count("Sin") == 1
    assert operations.count("Mul") == 1


def test_a_training_run_learns_and_measures_itself(short_corpus):
    config = Config(hidden_size=8, num_layers=1, batch_size=5, num_steps=10, num_epochs=2)
    run = TrainingRun(short_corpus, config)
    rows = run.epochs(points=2)
    assert [row["words"] for row in rows] == [950, 1950, 2900, 3900]
    assert rows[-1]["train_nats"] < rows[0]["train_nats"]
    assert rows[-1]["seconds"] > rows[0]["seconds"] > 0
    assert run.valid_nats(carries_state=True) == rows[-1]["valid_nats"]
    assert run.valid_nats(carries_state=False) != rows[-1]["valid_nats"]
    again = TrainingRun(short_corpus, config).epochs(points=4)
    assert again[-1]["valid_nats"] == rows[-1]["valid_nats"]
