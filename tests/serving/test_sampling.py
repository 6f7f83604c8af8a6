import numpy as np
import pytest
import tensorflow as tf

from ptb.serving.sampling import Sampling, row_seeds, sample

LOGITS = np.log(np.array([0.1, 0.4, 0.05, 0.3, 0.15], np.float32))


@tf.function
def draw(logits, sampling, seed):
    return sample(logits, sampling, row_seeds(seed, tf.shape(logits)[0]), 3)


def shares(sampling, rows=4000):
    """How often each word is drawn from LOGITS."""
    drawn = draw(tf.tile(LOGITS[None], [rows, 1]), sampling, 7).numpy()
    return np.bincount(drawn, minlength=5) / rows


@pytest.mark.parametrize(
    ("sampling", "expected"),
    [
        (Sampling(), [0.1, 0.4, 0.05, 0.3, 0.15]),
        (Sampling(top_k=2), [0, 4 / 7, 0, 3 / 7, 0]),
        (Sampling(top_k=99), [0.1, 0.4, 0.05, 0.3, 0.15]),
        (Sampling(top_p=0.8), [0, 8 / 17, 0, 6 / 17, 3 / 17]),
        (Sampling(top_p=0.0), [0, 1, 0, 0, 0]),
        (Sampling(temperature=0.5), np.exp(2 * LOGITS) / np.exp(2 * LOGITS).sum()),
        (Sampling(temperature=0.0), [0, 1, 0, 0, 0]),
        (Sampling(temperature=1e-30), [0, 1, 0, 0, 0]),
        (Sampling(temperature=1e30), [0.2] * 5),
    ],
)
def test_words_are_drawn_as_often_as_their_chance_says(sampling, expected):
    # 4,000 draws: a standard deviation is at most 0.008.
    np.testing.assert_allclose(shares(sampling), expected, atol=0.03)


def test_a_row_draws_the_same_whatever_the_other_rows_are():
    many = draw(tf.tile(LOGITS[None], [50, 1]), Sampling(), 11).numpy()
    few = draw(tf.tile(LOGITS[None], [3, 1]), Sampling(), 11).numpy()
    assert many[:3].tolist() == few.tolist()
    assert len(set(many.tolist())) > 1
    assert many.tolist() != draw(tf.tile(LOGITS[None], [50, 1]), Sampling(), 12).numpy().tolist()


def test_no_rows_draw_nothing():
    assert draw(tf.zeros([0, 5]), Sampling(), 1).shape == (0,)
