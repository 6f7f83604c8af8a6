"""The cells and the unroll give what TensorFlow 1's gave, forward and backward."""

import numpy as np
import pytest
import tensorflow as tf

from models import tf1_names
from models.cells import BasicRNNCell, GRUCell, LSTMCell, PeepholeLSTMCell
from models.static_rnn import static_rnn

CELLS = {
    "basic_rnn": BasicRNNCell,
    "gru": GRUCell,
    "basic_lstm": LSTMCell,
    "peephole_lstm": PeepholeLSTMCell,
}


class Golden:
    """The arrays of one cell, and the cell with its weights."""

    def __init__(self, file, prefix):
        with np.load(file) as archive:
            arrays = {name: archive[name] for name in archive.files}
        self.arrays = {
            name.removeprefix(f"{prefix}."): array
            for name, array in arrays.items()
            if name.startswith(f"{prefix}.")
        }
        self.num_states = sum(name.startswith("initial_state_") for name in self.arrays)
        _, _, input_size = self.arrays["inputs"].shape
        num_units = self.arrays["initial_state_0"].shape[1]
        bias = {"forget_bias": float(self["forget_bias"])} if "forget_bias" in self.arrays else {}
        self.cell = CELLS[prefix](num_units, **bias)
        self.cell.build((None, input_size))
        self.weights = self.cell.named_weights()
        for name, weight in self.weights.items():
            weight.assign(self.of_weights("var.rnn.")[name])

    def __getitem__(self, name):
        return self.arrays[name]

    def of_weights(self, prefix):
        """The arrays of that prefix by the names of the weights."""
        arrays = {n: a for n, a in self.arrays.items() if n.startswith(prefix)}
        return {
            tf1_names.cell_weight_name(n.removeprefix(prefix).replace(".", "/")): a
            for n, a in arrays.items()
        }

    def states(self, name):
        return tuple(self[f"{name}_{i}"] for i in range(self.num_states))


@pytest.fixture(params=CELLS)
def golden(request, golden_cells):
    with np.load(golden_cells) as archive:
        if f"{request.param}.inputs" not in archive.files:
            pytest.skip(f"{golden_cells.name} has no {request.param}")
    return Golden(golden_cells, request.param)


def close(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=5e-6, atol=2e-6)


def test_golden_outputs_final_state_and_gradients(golden):
    inputs = tf.constant(golden["inputs"])
    weights = {name: weight.value for name, weight in golden.weights.items()}
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs, state = static_rnn(golden.cell, tf.unstack(inputs), golden.states("initial_state"))
        loss = tf.reduce_sum(tf.stack(outputs) * golden["loss_weights"])
    input_gradient, gradients = tape.gradient(loss, (inputs, weights))
    close(tf.stack(outputs), golden["outputs"])
    for actual, expected in zip(state, golden.states("final_state"), strict=True):
        close(actual, expected)
    close(input_gradient, golden["grad_inputs"])
    recorded = golden.of_weights("grad.rnn.")
    assert recorded.keys() == gradients.keys()
    for name, gradient in gradients.items():
        close(gradient, recorded[name])


def test_golden_outputs_and_final_state_with_sequence_lengths(golden):
    outputs, state = static_rnn(
        golden.cell,
        tf.unstack(tf.constant(golden["inputs"])),
        golden.states("initial_state"),
        sequence_length=golden["sequence_length"],
    )
    close(tf.stack(outputs), golden["outputs_with_lengths"])
    for actual, expected in zip(state, golden.states("final_state_with_lengths"), strict=True):
        close(actual, expected)
