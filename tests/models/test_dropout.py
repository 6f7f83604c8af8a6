import numpy as np
import pytest
import tensorflow as tf

from models.dropout import dropout


@pytest.mark.parametrize("size", [1, 3, 8])
def test_the_masks_of_some_rows_are_those_that_the_whole_batch_gets_there(size):
    """Also where a row begins amid the four draws that the generator makes at once."""
    steps, seed = [tf.ones([6, size])] * 5, tf.constant([7, 9])
    whole = np.array(dropout(steps, 0.5, seed))
    for first, count in ((0, 2), (2, 3), (5, 1)):
        own = dropout([step[:count] for step in steps], 0.5, seed, rows=(tf.constant(first), 6))
        np.testing.assert_array_equal(own, whole[:, first : first + count])
