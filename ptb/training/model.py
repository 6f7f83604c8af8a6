"""The model that a config describes, and whether it fits into memory."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ptb.machine.memory import gib, memory_bytes, there_is
from ptb.machine.own_models import check_own_models
from ptb.training.config import Config


def check_memory(
    config: Config, vocab_size: int, batch_size: int, num_steps: int, training: bool = False
) -> None:
    """Raises ValueError where a model cannot fit into memory.

    That is its weights, for `training` their gradients and what the optimizer keeps too, and what
    one window of `batch_size` x `num_steps` words leaves.
    """
    present = memory_bytes()
    copies = 1
    if training:
        copies = 2 + 2 * (config.optimizer == "adamw") + (config.ema_momentum > 0)
    weights = copies * 4 * config.num_weights(vocab_size)
    if weights > present:
        raise ValueError(
            f"hidden_size={config.hidden_size} and num_layers={config.num_layers} need "
            f"{gib(weights)} for weights{' and gradients' if training else ''}, "
            f"and {there_is()}: make one of the two smaller"
        )
    # Logits and probabilities of each word, and six values of each unit of each layer.
    window = (
        4 * batch_size * num_steps * (2 * vocab_size + 6 * config.num_layers * config.hidden_size)
    )
    if weights + window > present:
        raise ValueError(
            f"batch_size={batch_size} and num_steps={num_steps} need {gib(window)} for one window, "
            f"beside {gib(weights)} for weights, and {there_is()}: make one of the two smaller"
        )


def check_weights(weights: Mapping[str, np.ndarray], config: Config, vocab_size: int) -> None:
    """Raises ValueError for a weight more, fewer or of another shape than the model's."""
    expected = config.weight_shapes(vocab_size)
    given = {name: weight.shape for name, weight in weights.items()}
    if given != expected:
        name = min(set(given.items()) ^ set(expected.items()))[0]
        raise ValueError(
            f"the weight {name} has the shape {given.get(name)}, and its config and vocabulary ask "
            f"for {expected.get(name)}"
        )


def build_model(config: Config, vocab_size: int):
    """The model that `config` describes, its weights not yet set."""
    check_own_models()

    from models.language_model import LanguageModel, recurrent_layers  # noqa: PLC0415
    from ptb.machine.cores import on_gpu  # noqa: PLC0415

    config = config.resolve_rnn_mode(on_gpu())
    layers = recurrent_layers(
        config.rnn_mode,
        config.cell,
        config.hidden_size,
        config.num_layers,
        config.forget_bias,
        config.precision,
    )
    return LanguageModel(
        vocab_size,
        config.hidden_size,
        layers,
        config.keep_prob,
        config.tie_weights,
        config.cutoffs,
        config.weight_keep_prob,
    )
