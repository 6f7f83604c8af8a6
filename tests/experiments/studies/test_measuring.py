"""What the studies measure, on cases whose answer is known."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from models.language_model import LanguageModel, recurrent_layers
from ptb.data import corpus, reader
from ptb.experiments.studies import batch_size, hidden_size, memory, num_steps, truncation, unroll
from ptb.experiments.studies.detach import _differentiate, _window_function
from ptb.experiments.studies.stack import Network, Stack, stack_of_one
from ptb.training.config import Config

V, H = 20, 5
IDS = np.random.default_rng(0).integers(V, size=400).astype(np.int32)
NETWORK = Network("lstm", V, H, V, forget_bias=0.0)


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
    with tf.GradientTape() as tape:
        nats, _ = model.nats(tokens[:, :-1], tokens[:, 1:], model.initial_state(2))
        cost = tf.reduce_sum(tf.reduce_mean(nats, axis=0))
    weights = [model.embedding.value, model.recurrent[0].cell.kernel.value]
    embedding, kernel = map(tf.convert_to_tensor, tape.gradient(cost, weights))
    measured = truncation.gradients(
        NETWORK, NETWORK.initialize([1], 0.5), IDS[:80], np.array([[0, 40]], np.int32), 12, 12
    )
    np.testing.assert_allclose(measured["embedding"][0], np.ravel(embedding), atol=1e-6)
    np.testing.assert_allclose(measured["recurrent kernel"][0], np.ravel(kernel[H:]), atol=1e-6)
    np.testing.assert_allclose(measured["input kernel"][0], np.ravel(kernel[:H]), atol=1e-6)


def test_cut_windows_leave_out_what_flows_between_them_and_nothing_else():
    weights = NETWORK.initialize([1], 0.5)
    starts = np.array([[0, len(IDS) // 2]], np.int32)
    full, cut = (truncation.gradients(NETWORK, weights, IDS, starts, 12, n) for n in (12, 3))
    # No gradient of the softmax's weights goes through the state.
    np.testing.assert_allclose(cut["softmax"], full["softmax"], atol=1e-5)
    for name in ("embedding", "recurrent kernel", "input kernel", "bias"):
        assert np.abs(cut[name] - full[name]).max() > 1e-3


def test_the_stretch_of_a_model_is_its_own():
    weights = NETWORK.initialize([1, 2], 0.5)
    starts = np.array([[0, 40], [7, 47]], np.int32)
    both = truncation.gradients(NETWORK, weights, IDS[:80], starts, 12, 4)
    for g in (0, 1):
        one = {name: weight[g : g + 1] for name, weight in weights.items()}
        alone = truncation.gradients(NETWORK, one, IDS[:80], starts[g : g + 1], 12, 4)
        for name, vectors in alone.items():
            np.testing.assert_allclose(both[name][g], vectors[0], atol=1e-5)


def test_each_seed_draws_its_own_stretch_within_every_row():
    starts = truncation.draw_starts(range(1, 11), np.arange(1000), 5, 20)
    np.testing.assert_array_equal(starts[:, 1:] - starts[:, :-1], 200)
    assert len(set(starts[:, 0].tolist())) > 5
    assert starts.min() >= 0
    assert starts[:, 0].max() + 20 < 200
    np.testing.assert_array_equal(truncation.draw_starts([3], np.arange(1000), 5, 20), starts[2:3])
    with pytest.raises(ValueError, match="give at least 105"):
        truncation.draw_starts([1], np.arange(100), 5, 20)


def test_a_trained_model_is_a_stack_of_one(model):
    network, weights = stack_of_one(model)
    assert network == NETWORK
    for name, weight in NETWORK.initialize([1], 0.5).items():
        np.testing.assert_array_equal(weights[name], weight)


def test_windows_cut_the_stretch_into_equal_parts():
    assert truncation.lengths(40) == [1, 2, 5, 10, 20, 40]
    assert truncation.lengths(160) == [1, 2, 5, 10, 20, 40, 80, 160]


def test_the_memory_task_asks_at_the_end_for_what_came_first():
    inputs, symbols = memory.task(IDS, V, 7, np.random.default_rng(0), 32)
    assert inputs.shape == (32, 9)
    np.testing.assert_array_equal(inputs[:, 0], V + symbols)
    assert (inputs[:, -1] == V + memory.SYMBOLS).all()
    assert inputs[:, 1:-1].max() < V
    assert set(symbols) == set(range(memory.SYMBOLS))


@pytest.mark.slow
def test_a_cell_learns_what_came_one_word_before_and_chance_is_what_guessing_gives(short_corpus):
    case = {"network": "GRU", "optimizer": "Adam"}
    learned, stuck = memory.train(
        case | {"most_updates": 200}, 1, short_corpus, [3e-3, 0.0], [1, 2]
    )
    assert (learned["accuracy"], learned["seed"], learned["delay"]) == (1.0, 1, 1)
    assert learned["updates"] <= 200
    assert learned["score"] == learned["updates"]
    # The rate of 0 ends as soon as the other is right with all its seeds.
    assert stuck["accuracy"] == pytest.approx(memory.CHANCE, abs=0.15)
    assert stuck["updates"] == 400


def test_the_train_loss_is_of_tokens_that_were_read():
    ids = np.arange(40_000)
    read = batch_size.read_tokens(ids, 4, 3_000)  # 4 rows of 10,000 tokens
    np.testing.assert_array_equal(
        read,
        [*range(0, 3_000), *range(10_000, 13_000), *range(20_000, 23_000), *range(30_000, 33_000)],
    )
    np.testing.assert_array_equal(batch_size.read_tokens(ids, 4, 10_000), ids[:10_000])
    np.testing.assert_array_equal(batch_size.read_tokens(ids, 1, 90_000), ids[:12_000])
    np.testing.assert_array_equal(batch_size.read_tokens(ids[:90], 4, 50), ids[:88])


def test_the_noise_scale_is_that_of_gradients_whose_noise_is_known():
    rng = np.random.default_rng(0)
    gradients = 1.0 + 3.0 * rng.standard_normal((500, 40))  # S = 40 * 9, |G|^2 = 40
    scale = batch_size.noise_scale(500, np.square(gradients).sum(), gradients.sum(axis=0))
    assert scale == pytest.approx(9, rel=0.05)


def test_a_longer_window_sums_more_terms_where_nothing_flows_back(short_corpus):
    config = Config(hidden_size=4, num_layers=1, cell="rnn")
    stack = Stack(short_corpus, config, [0.1], [1])
    stack.weights["kernel"] *= 0.0
    valid = corpus.built_in().valid
    one, five = (num_steps.window_norms(stack, valid, n)[0] for n in (1, 5))
    assert one < five < 5.5 * one


def test_training_multiplies_three_times_as_often_as_the_forward_pass():
    # LSTM: [x, h] of 2H by 4H columns; softmax: H by V.
    assert hidden_size.multiplications(10, 100) == 3 * (20 * 40 + 10 * 100)


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
