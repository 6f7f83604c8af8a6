"""Builds the model of a config, and checks that it fits into memory."""

from __future__ import annotations

import dataclasses
import functools
import math
from dataclasses import dataclass

from ptb.machine.memory import gib, memory_bytes, there_is
from ptb.machine.own_models import check_own_models
from ptb.training.config import Config

FLOAT_BYTES = 4
MORE_MEMORY = "use a machine with more memory"


def build_model(config: Config, vocab_size: int):
    """Builds the model that `config` describes, with weights that are not yet set."""
    check_own_models()

    from models.language_model import LanguageModel, recurrent_layers  # noqa: PLC0415
    from ptb.machine.cores import on_gpu  # noqa: PLC0415

    if config.rnn_mode == "auto":  # asking for a GPU starts TensorFlow
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
        keep_prob=config.keep_prob,
        tie_weights=config.tie_weights,
        cutoffs=config.cutoffs,
        weight_keep_prob=config.weight_keep_prob,
        activation_regularization=config.activation_regularization,
        temporal_activation_regularization=config.temporal_activation_regularization,
        embedding_keep_prob=config.embedding_keep_prob,
    )


@dataclass(frozen=True)
class Size:
    """The size of a model, in numbers.

    `shapes` has the shape of each weight by name, `slots` is the number of values in the optimizer,
    and `values_per_token` the number that the layers compute for a token: gates and state.
    """

    shapes: dict[str, tuple[int, ...]]
    slots: int
    values_per_token: int

    @property
    def num_weights(self) -> int:
        """Weights of the model, biases included."""
        return sum(map(math.prod, self.shapes.values()))

    @property
    def num_vocabulary_weights(self) -> int:
        """Weights of the embedding and of the softmax, which grow with the vocabulary."""
        of_words = [n for n in self.shapes if n.startswith(("embedding", "softmax"))]
        return sum(math.prod(self.shapes[name]) for name in of_words)


def size_of(config: Config, vocab_size: int) -> Size:
    """The size of the model that `config` describes. Allocates none of its weights.

    Imports TensorFlow. The model is built in a graph that never runs.
    """
    unrolled = dataclasses.replace(config, rnn_mode="static", precision="float32")
    return _size_of(unrolled, vocab_size)


@functools.cache
def _size_of(config: Config, vocab_size: int) -> Size:
    import tensorflow as tf  # noqa: PLC0415

    from ptb.training.optimizers import optimizer_of  # noqa: PLC0415

    with tf.Graph().as_default():
        model = build_model(config, vocab_size)
        kinds = optimizer_of(model, config).slots.values()
        slots = [math.prod(slot.shape) for kind in kinds for slot in kind.values()]
        values = [
            size[-1]
            for layer in model.recurrent
            for size in (
                *(shape for shape in layer.weight_shapes().values() if len(shape) > 1),
                *(tuple(part.shape) for part in tf.nest.flatten(layer.initial_state(1))),
            )
        ]
        return Size(model.weight_shapes(), sum(slots), sum(values))


def check_memory(
    config: Config,
    vocab_size: int,
    batch_size: int,
    num_steps: int,
    training: bool = False,
    trained: bool = False,
) -> None:
    """Raises ValueError if a model cannot fit into memory. Imports TensorFlow.

    Counts the weights, for `training` also gradients and optimizer state, and the values of one
    window of `batch_size` x `num_steps` words. The sizes of a `trained` model cannot be changed.
    """
    present = memory_bytes()
    size = size_of(config, vocab_size)
    weights = FLOAT_BYTES * size.num_weights
    if training:
        weights = 2 * weights + FLOAT_BYTES * size.slots
    if weights > present:
        other = f"num_layers={config.num_layers}"
        if 2 * size.num_vocabulary_weights > size.num_weights:
            other = f"vocab_size={vocab_size}"
        raise ValueError(
            f"hidden_size={config.hidden_size} and {other} need "
            f"{gib(weights)} for weights{' and gradients' if training else ''}, and {there_is()}: "
            + (MORE_MEMORY if trained else "make one of the two smaller")
        )
    # Logits and probabilities of each word, and the values of each layer.
    per_token = 2 * vocab_size + size.values_per_token
    window = FLOAT_BYTES * batch_size * num_steps * per_token
    if weights + window > present:
        raise ValueError(
            f"batch_size={batch_size} and num_steps={num_steps} need {gib(window)} for one window, "
            f"beside {gib(weights)} for weights, and {there_is()}: "
            + ("make one of the two smaller" if batch_size * num_steps > 1 else MORE_MEMORY)
        )
