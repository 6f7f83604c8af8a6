"""What carrying the state is worth, measured against floors that are known exactly."""

import dataclasses

import numpy as np
import pytest

from ptb.data import corpus, reader
from ptb.runs.train import train
from ptb.training.config import Config
from ptb.training.perplexity import Evaluator

NUM_STEPS = 5
CONFIG = Config(
    hidden_size=48,
    num_layers=1,
    num_steps=NUM_STEPS,
    num_epochs=4,
    constant_epochs=2,
    learning_rate_decay=0.3,
)


@pytest.fixture(scope="module")
def grammar_corpus():
    return corpus.built_in()


def trained_perplexity(grammar_corpus, sampling):
    """Of the test split, for a model trained and tested with its state carried or zeroed."""
    result = train(dataclasses.replace(CONFIG, sampling=sampling), grammar_corpus)
    windows = reader.every_token(grammar_corpus.test, 1, NUM_STEPS)
    windows = dataclasses.replace(windows, carries_state=sampling == "sequential")
    return Evaluator(result.model)(windows).perplexity


@pytest.mark.slow
def test_carrying_the_state_beats_every_model_that_forgets_it_at_window_starts(grammar_corpus):
    floor = grammar_corpus.grammar.perplexity_floor()
    forgetful_floor = grammar_corpus.grammar.perplexity_floor(NUM_STEPS)
    carried = trained_perplexity(grammar_corpus, "sequential")
    zeroed = trained_perplexity(grammar_corpus, "random")
    assert floor < carried < forgetful_floor < zeroed
    # Both land close to the floor of their kind of memory.
    np.testing.assert_array_less([carried / floor, zeroed / forgetful_floor], 1.10)
