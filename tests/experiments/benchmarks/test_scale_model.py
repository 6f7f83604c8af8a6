import dataclasses

import pytest

from ptb.experiments.benchmarks.scale_model import Network, message_bytes, words_per_second
from ptb.training.config import Config
from ptb.training.model import build_model

V = 50
CONFIG = Config(hidden_size=6, num_layers=2, num_steps=5, batch_size=4)


@pytest.mark.parametrize("tie_weights", [False, True])
def test_a_message_has_a_row_of_the_embedding_for_each_token_or_all_of_a_tied_one(tie_weights):
    config = dataclasses.replace(CONFIG, tie_weights=tie_weights)
    weights = build_model(config, V).count_params()
    less = 0 if tie_weights else V * 6 - 4 * 5 * 6
    assert message_bytes(config, V) == 4 * (weights - less)


def test_a_network_gives_back_the_times_that_it_is_made_from():
    network = Network.from_times(0.004, 0.504, 1_000_000, workers=3)
    assert network.seconds(0, 3) == pytest.approx(0.004)
    assert network.seconds(1_000_000, 3) == pytest.approx(0.504)


def test_one_worker_waits_for_nobody_and_many_wait_for_the_message():
    network = Network(bandwidth=1000.0, latency=0.01)
    assert words_per_second(CONFIG, V, 0.5, network, workers=1) == 20 / 0.5
    seconds = 0.5 + 2 * 3 / 4 * message_bytes(CONFIG, V) / 1000 + 2 * 3 * 0.01
    assert words_per_second(CONFIG, V, 0.5, network, workers=4) == pytest.approx(20 / seconds)
