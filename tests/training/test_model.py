import pytest

from ptb.training import model
from ptb.training.config import Config

MANY_WORDS = (Config(hidden_size=10, num_layers=1), 1000)
MANY_LAYERS = (Config(hidden_size=10, num_layers=50), 10)


@pytest.fixture
def machine(monkeypatch):
    """Takes a number of bytes as the memory of this machine."""

    def limit(num_bytes):
        monkeypatch.setattr(model, "memory_bytes", lambda: num_bytes)
        monkeypatch.setattr(model, "there_is", lambda: "this machine has little")

    return limit


@pytest.mark.parametrize(
    ("sizes", "named"),
    [
        (MANY_WORDS, "hidden_size=10 and vocab_size=1000"),
        (MANY_LAYERS, "hidden_size=10 and num_layers=50"),
    ],
)
@pytest.mark.parametrize(
    ("trained", "remedy"),
    [(False, "make one of the two smaller"), (True, "use a machine with more memory")],
)
def test_weights_that_do_not_fit_name_what_they_grow_with(machine, sizes, named, trained, remedy):
    machine(50)
    message = f"^{named} need 1 MiB for weights, and this machine has little: {remedy}$"
    with pytest.raises(ValueError, match=message):
        model.check_memory(*sizes, batch_size=1, num_steps=1, trained=trained)


@pytest.mark.parametrize(
    ("num_steps", "remedy"),
    [(2, "make one of the two smaller"), (1, "use a machine with more memory")],
)
def test_a_window_that_cannot_be_smaller_needs_more_memory(machine, num_steps, remedy):
    machine(4 * model.size_of(*MANY_WORDS).num_weights)
    with pytest.raises(ValueError, match=f"num_steps={num_steps} need .* window, .*: {remedy}$"):
        model.check_memory(*MANY_WORDS, batch_size=1, num_steps=num_steps)


def test_the_weights_of_the_vocabulary_are_embedding_and_softmax():
    assert model.size_of(*MANY_WORDS).num_vocabulary_weights == 1000 * 10 + 10 * 1000 + 1000


def test_the_model_has_every_dropout_and_penalty_of_its_config():
    factors = {
        "keep_prob": 0.9,
        "weight_keep_prob": 0.8,
        "embedding_keep_prob": 0.7,
        "activation_regularization": 2.0,
        "temporal_activation_regularization": 1.0,
    }
    built = model.build_model(Config(hidden_size=3, rnn_mode="static", **factors), 12)
    assert {name: getattr(built, name) for name in factors} == factors
