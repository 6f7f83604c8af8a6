from ptb.training.config import Config
from ptb.training.model import build_model

V = 12


def test_the_model_has_every_dropout_and_penalty_of_its_config():
    factors = {
        "keep_prob": 0.9,
        "weight_keep_prob": 0.8,
        "embedding_keep_prob": 0.7,
        "activation_regularization": 2.0,
        "temporal_activation_regularization": 1.0,
    }
    model = build_model(Config(hidden_size=3, rnn_mode="static", **factors), V)
    assert {name: getattr(model, name) for name in factors} == factors
