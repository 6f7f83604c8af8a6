"""Every registered cell: one step, its gradient, its description. New cells against NumPy."""

import inspect

import numpy as np
import pytest
import tensorflow as tf

from models.language_model import recurrent_layers
from models.registry import CELLS, cells_that_read, rnn_modes

B, D, H = 3, 5, 4


def make(name):
    """A built cell with random weights, so large that every nonlinearity bends."""
    cell = CELLS[name].cell_class()(H)
    cell.build((None, D))
    rng = np.random.default_rng(2)
    for weight in cell.named_weights().values():
        weight.assign(rng.uniform(-0.9, 0.9, weight.shape))
    return cell


def random_state(cell, seed=1):
    rng = np.random.default_rng(seed)
    return tuple(rng.normal(size=(B, n)).astype(np.float32) for n in cell.state_sizes().values())


def inputs(seed=0):
    return np.random.default_rng(seed).normal(size=(B, D)).astype(np.float32)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def numpy_peephole_lstm(w, x, state):
    c, h = state
    z = np.hstack([x, h]) @ w["kernel"] + w["bias"]
    i, j, f, o = (z[:, k * H : (k + 1) * H] for k in range(4))
    i = sigmoid(i + w["w_i_diag"] * c)
    f = sigmoid(f + 1.0 + w["w_f_diag"] * c)
    c = f * c + i * np.tanh(j)
    o = sigmoid(o + w["w_o_diag"] * c)
    return o * np.tanh(c), (c, o * np.tanh(c))


def numpy_min_gru(w, x, state):
    (h,) = state
    z = sigmoid(x @ w["kernel"][:, :H] + w["bias"][:H])
    candidate = x @ w["kernel"][:, H:] + w["bias"][H:]
    h = (1 - z) * h + z * candidate
    return h, (h,)


@pytest.mark.parametrize(
    ("name", "numpy_step"), [("peephole_lstm", numpy_peephole_lstm), ("min_gru", numpy_min_gru)]
)
def test_one_step_is_that_of_the_papers_equations(name, numpy_step):
    cell = make(name)
    weights = {n: w.numpy().astype(np.float64) for n, w in cell.named_weights().items()}
    state = random_state(cell)
    expected = numpy_step(weights, inputs(), [np.float64(part) for part in state])
    output, next_state = cell(inputs(), state)
    np.testing.assert_allclose(output, expected[0], atol=1e-6)
    for ours, other in zip(next_state, expected[1], strict=True):
        np.testing.assert_allclose(ours, other, atol=1e-6)


def test_without_peepholes_the_peephole_lstm_is_the_lstm():
    peephole, plain = make("peephole_lstm"), make("lstm")
    for name, weight in plain.named_weights().items():
        weight.assign(peephole.named_weights()[name])
    for gate in "fio":
        peephole.named_weights()[f"w_{gate}_diag"].assign(np.zeros(H))
    state = random_state(plain)
    tf.nest.map_structure(
        np.testing.assert_array_equal, peephole(inputs(), state), plain(inputs(), state)
    )


@pytest.mark.parametrize("name", CELLS)
def test_the_gradient_is_that_of_finite_differences(name):
    cell = make(name)
    state = random_state(cell)

    def loss():
        output, next_state = cell(inputs(), state)
        return tf.reduce_sum(output) + sum(tf.reduce_sum(tf.square(part)) for part in next_state)

    weights = cell.named_weights()
    with tf.GradientTape() as tape:
        cost = loss()
    gradients = tape.gradient(cost, {n: w.value for n, w in weights.items()})
    rng = np.random.default_rng(4)
    for weight_name, weight in weights.items():
        start = weight.numpy()
        direction = rng.normal(size=start.shape)
        sides = []
        for step in (1e-2, -1e-2):
            weight.assign(start + step * direction)
            sides.append(float(loss()))
        weight.assign(start)
        expected = (sides[0] - sides[1]) / 2e-2
        assert np.sum(gradients[weight_name] * direction) == pytest.approx(
            expected, rel=2e-2, abs=2e-2
        ), weight_name


@pytest.mark.parametrize("name", CELLS)
def test_a_cell_describes_its_state(name):
    cell = make(name)
    output, state = cell(inputs(), cell.initial_state(B))
    assert {n: part.shape[1] for n, part in zip(cell.state_names, state, strict=True)} == (
        cell.state_sizes()
    )
    np.testing.assert_array_equal(cell.output_of(state), output)
    assert output.shape == (B, cell.output_size)


@pytest.mark.parametrize("name", CELLS)
def test_the_registry_says_what_the_class_says(name):
    cell = make(name)
    assert bool(cell.recurrent_blocks()) == ("weight_keep_prob" in CELLS[name].reads)
    assert hasattr(cell, "forget_bias") == ("forget_bias" in CELLS[name].reads)
    for mode in rnn_modes(name):
        (layer,) = recurrent_layers(mode, name, H, 1)
        layer.build((None, D))
        assert layer.weight_shapes() == {n: w.shape for n, w in cell.named_weights().items()}


@pytest.mark.parametrize("name", CELLS)
def test_what_is_declared_recurrent_multiplies_the_previous_output_alone(name):
    """From a state of zeros the declared weights change nothing, and from another they do."""
    cell, changed = make(name), make(name)
    for weight, block in changed.recurrent_blocks():
        value = weight.numpy()
        value[block] += 0.5
        weight.assign(value)
    zeros, others = cell.initial_state(B), random_state(cell)
    np.testing.assert_array_equal(cell(inputs(), zeros)[0], changed(inputs(), zeros)[0])
    has_recurrent = bool(cell.recurrent_blocks())
    assert has_recurrent == (
        np.abs(cell(inputs(), others)[0] - changed(inputs(), others)[0]).max() > 1e-3
    )


def test_the_cells_that_read_an_option_are_those_of_the_registry():
    takes_bias = [
        n for n in CELLS if "forget_bias" in inspect.signature(CELLS[n].cell_class()).parameters
    ]
    assert cells_that_read("forget_bias") == tuple(takes_bias)
    assert {"lstm", "peephole_lstm"} <= set(takes_bias)
    recurrent = [name for name in CELLS if make(name).recurrent_blocks()]
    assert cells_that_read("weight_keep_prob") == tuple(recurrent)
    assert {"lstm", "gru", "rnn"} <= set(recurrent)


def test_a_recurrent_block_without_a_slice_for_each_axis_is_refused():
    cell = make("gru")
    for block in (np.s_[:], np.s_[:, :, :], np.s_[::2, :], (0, 1)):
        with pytest.raises(ValueError, match="block"):
            cell.declare_recurrent(cell.weights[0], block)
