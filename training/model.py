"""The model that a config describes, and whether it fits into memory."""

from __future__ import annotations

import os
import sys

from training.config import Config


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
            f"{weights / 2**30:.0f} GiB for weights{' and gradients' if training else ''}, "
            f"and this machine has {present / 2**30:.0f} GiB: make one of the two smaller"
        )
    # Logits and probabilities of each word, and six values of each unit of each layer.
    window = (
        4 * batch_size * num_steps * (2 * vocab_size + 6 * config.num_layers * config.hidden_size)
    )
    if weights + window > present:
        raise ValueError(
            f"batch_size={batch_size} and num_steps={num_steps} need {window / 2**30:.0f} GiB for "
            f"one window, and this machine has {present / 2**30:.0f} GiB: make one of the two "
            "smaller"
        )


def memory_bytes() -> int:
    """That of this machine; on Windows, where nothing here tells it, more than anyone needs."""
    if not hasattr(os, "sysconf"):
        return sys.maxsize
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def build_model(config: Config, vocab_size: int):
    """The model that `config` describes, its weights not yet set."""
    import tensorflow as tf  # noqa: PLC0415

    from models.language_model import LanguageModel, recurrent_layers  # noqa: PLC0415

    config = config.resolve_rnn_mode(on_gpu=bool(tf.config.list_physical_devices("GPU")))
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
