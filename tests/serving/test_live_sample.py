"""A sample of a model in training is what the served model draws from the same seed."""

import pytest

from ptb.data.text import join
from ptb.serving.live_sample import sample_text
from ptb.serving.sampling import Sampling
from ptb.serving.saved_model import served_model
from tests.serving.conftest import make_trained


@pytest.mark.parametrize(
    ("rnn_mode", "reset_at"),
    [pytest.param("static", "none", marks=pytest.mark.slow), ("fused", "none"), ("fused", "line")],
)
def test_a_live_sample_has_the_words_of_the_served_model(rnn_mode, reset_at):
    trained = make_trained(reset_at=reset_at)
    with served_model(trained) as served:
        words = list(served.stream([], 30, Sampling(), seed=3))
    live = sample_text(trained.build(rnn_mode), trained.vocabulary, "word", 30, 3, trained.borders)
    assert live == "".join(join(words))
