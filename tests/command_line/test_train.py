from types import SimpleNamespace

import pytest

from ptb.command_line.commands.train import _how_to_train_longer
from ptb.training.config import Config


@pytest.mark.parametrize(
    ("done", "num_epochs", "schedule", "advice"),
    [
        (3, 3, "step", "--num_epochs=4 or more"),
        (3, 1, "step", "--num_epochs=4 or more"),
        (3, 1, "linear", "--num_epochs=4 or more, with --change=num_epochs"),
        (3, 4, "step", "the same command without --early_stopping"),
    ],
)
def test_a_complete_run_says_how_to_train_longer(done, num_epochs, schedule, advice):
    config = Config(num_epochs=num_epochs, schedule=schedule)
    training = SimpleNamespace(config=config, reports=[None] * done)
    assert _how_to_train_longer(training) == advice
