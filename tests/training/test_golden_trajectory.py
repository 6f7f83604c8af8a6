"""Training replays the original tutorial step for step: windows, costs, norms, weights, states.

Costs, norms and weights are those of the recording to 1e-6. Over many windows rounding grows, in
the recording too: where that is farther from a float64 calculation (`numpy_reference`), ours may be
DRIFT times as far from the recording. Measured at most: 4.7 times, with two replicas.
"""

import functools

import numpy as np
import pytest
import tensorflow as tf

from models import tf1_names
from ptb.data import reader
from ptb.training.config import Config
from ptb.training.distribution import Replicas
from ptb.training.model import build_model
from ptb.training.step import TrainStep
from tests.training.numpy_reference import NumpyTutorial

TOLERANCE = 1e-6
DRIFT = 8


class Trajectory:
    """A recorded training run of the tutorial's `PTBModel`."""

    def __init__(self, file):
        with np.load(file) as archive:
            self.arrays = {name: archive[name] for name in archive.files}
        self.initial, self.final = self._weights("init."), self._weights("final.")
        self.cost, self.grad_norm = self.arrays["cost"], self.arrays["grad_norm"]
        _, self.batch_size, self.num_steps = self.arrays["inputs"].shape
        self.learning_rate, self.max_grad_norm, self.forget_bias = (
            float(self.arrays[name]) for name in ("learning_rate", "max_grad_norm", "forget_bias")
        )
        self.windows = reader.sequential(self.arrays["ids"], self.batch_size, self.num_steps)

    def _weights(self, prefix):
        return {
            tf1_names.weight_name(name.removeprefix(prefix).replace(".", "/")): w
            for name, w in self.arrays.items()
            if name.startswith(prefix)
        }

    def model(self, rnn_mode):
        vocab_size, hidden_size = self.initial["embedding"].shape
        num_layers = sum(name.endswith("kernel") for name in self.initial)
        config = Config(
            hidden_size=hidden_size,
            num_layers=num_layers,
            forget_bias=self.forget_bias,
            rnn_mode=rnn_mode,
        )
        model = build_model(config, vocab_size)
        model.import_weights(self.initial)
        return model

    @functools.cached_property
    def exact(self):
        """The costs and norms in float64, and the calculation with its weights and states."""
        hyperparameters = self.forget_bias, self.learning_rate, self.max_grad_norm
        reference = NumpyTutorial(self.initial, self.batch_size, *hyperparameters)
        windows = zip(self.arrays["inputs"], self.arrays["targets"], strict=True)
        costs, norms = np.transpose([reference.step(*window) for window in windows])
        return costs, norms, reference

    def assert_replayed_by(self, rnn_mode, replicas=None):
        """Trains from the recorded weights, and compares all that was recorded."""
        replicas = replicas or Replicas()
        with replicas.scope():
            model = self.model(rnn_mode)
        step = TrainStep(model, self.num_steps, self.max_grad_norm, replicas=replicas)
        costs, grad_norms, state = step(
            tf.constant(self.windows.stream),
            self.windows.starts[: len(self.cost)],
            model.initial_state(self.batch_size),
            self.learning_rate,
        )
        exact_costs, exact_norms, reference = self.exact
        assert_close_as_rounding_grows(costs, self.cost, exact_costs)
        assert_close_as_rounding_grows(grad_norms, self.grad_norm, exact_norms)
        for name, weight in model.export_weights().items():
            assert_close(weight, self.final[name], reference.weights[name])
        for layer, parts in enumerate(state):
            for name, value, exact in zip("ch", parts, reference.state[layer], strict=True):
                assert_close(value, self.arrays[f"final_{name}_{layer}"], exact)


def assert_close_as_rounding_grows(ours, recorded, exact):
    """For a value of each window: an error that was made stays in the windows after it."""
    drift = np.maximum.accumulate(np.abs(recorded / exact - 1))
    error = np.abs(np.array(ours) / recorded - 1)
    assert (error <= np.maximum(TOLERANCE, DRIFT * drift)).all(), (error, drift)


def assert_close(ours, recorded, exact):
    """For arrays, by the largest number in them."""
    drift, error = (np.abs(np.array(each) - recorded).max() for each in (exact, ours))
    size = np.abs(recorded).max()
    assert error <= max(TOLERANCE * size, DRIFT * drift), (error / size, drift / size)


@functools.cache
def trajectory(file):
    """Read, and calculated in float64, once for all tests."""
    return Trajectory(file)


@pytest.fixture
def golden(golden_sgd):
    return trajectory(golden_sgd)


def test_golden_windows(golden):
    for k, (inputs, targets) in enumerate(
        zip(golden.arrays["inputs"], golden.arrays["targets"], strict=True)
    ):
        np.testing.assert_array_equal(golden.windows[k], (inputs, targets))


@pytest.mark.parametrize("rnn_mode", ["static", "fused", "keras"])
def test_golden_costs_norms_weights_and_states(golden, rnn_mode):
    golden.assert_replayed_by(rnn_mode)
