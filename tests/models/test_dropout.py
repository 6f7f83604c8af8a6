import numpy as np
import pytest
import tensorflow as tf

from models.dropout import dropout, word_dropout


@pytest.mark.parametrize("one_mask", [False, True])
@pytest.mark.parametrize("size", [1, 3, 8])
def test_the_masks_of_some_rows_are_those_that_the_whole_batch_gets_there(size, one_mask):
    """Also where a row begins amid the four draws that the generator makes at once."""
    steps, seed = [tf.ones([6, size])] * 5, tf.constant([7, 9])
    whole = np.array(dropout(steps, 0.5, seed, one_mask=one_mask))
    for first, count in ((0, 2), (2, 3), (5, 1)):
        rows = tf.constant(first), 6
        own = dropout([step[:count] for step in steps], 0.5, seed, rows, one_mask)
        np.testing.assert_array_equal(own, whole[:, first : first + count])


def test_variational_dropout_drops_the_same_units_at_every_step_and_others_in_every_row():
    steps = [tf.fill([30, 40], float(step + 1)) for step in range(5)]
    dropped = np.array(dropout(steps, 0.8, (1, 2), one_mask=True))
    assert set(np.unique(dropped[0])) == {np.float32(0.0), np.float32(1.25)}
    for step in range(5):
        np.testing.assert_allclose(dropped[step], (step + 1) * dropped[0], rtol=1e-6)
    assert (dropped[0, 0] != dropped[0, 1]).any()
    assert dropped[0].mean() == pytest.approx(1.0, abs=0.05)


def test_word_dropout_drops_a_word_wherever_it_stands():
    tokens = np.random.default_rng(0).integers(0, 50, [20, 30])
    embedded = tf.random.stateless_uniform([20, 30, 4], (5, 6), 1.0, 2.0)
    scale = np.array(word_dropout(embedded, tokens, 50, 0.8, (1, 2)) / embedded)
    kept = np.unique(tokens[scale[:, :, 0] > 0])
    np.testing.assert_allclose(scale, np.isin(tokens, kept)[:, :, None] * np.full(4, 1.25), 1e-5)
    assert 30 < len(kept) < 50
