import numpy as np
import pytest
import tensorflow as tf

from models.regularization import activation_penalty

T, B, H = 3, 2, 4
OUTPUTS = np.random.default_rng(0).normal(size=(T, B, H)).astype(np.float32)
DROPPED = OUTPUTS * 2 * (np.random.default_rng(1).random((T, B, H)) < 0.5).astype(np.float32)


def penalty(activation, temporal, resets=None, num_steps=T):
    steps = (list(map(tf.constant, each[:num_steps])) for each in (OUTPUTS, DROPPED))
    return float(activation_penalty(*steps, activation, temporal, resets))


def test_the_penalty_is_the_mean_square_of_dropped_outputs_and_of_changes():
    changes = np.mean((OUTPUTS[1:] - OUTPUTS[:-1]) ** 2)
    assert penalty(2, 0) == pytest.approx(2 * np.mean(DROPPED**2), rel=1e-6)
    assert penalty(0, 3) == pytest.approx(3 * changes, rel=1e-6)
    assert penalty(2, 3) == pytest.approx(penalty(2, 0) + penalty(0, 3), rel=1e-6)
    assert penalty(0, 0) == 0


def test_a_window_of_one_step_has_no_change():
    assert penalty(0, 3, num_steps=1) == 0


def test_the_change_into_a_new_document_is_not_counted():
    resets = np.array([[True, False, True], [False, False, False]])
    squares = (OUTPUTS[1:] - OUTPUTS[:-1]) ** 2
    squares[1, 0] = 0
    assert penalty(0, 1, tf.constant(resets)) == pytest.approx(squares.mean(), rel=1e-6)
