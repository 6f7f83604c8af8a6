"""The hyperparameters of a run in a frozen dataclass, and the presets."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

import numpy as np

from models.registry import CELLS, rnn_modes
from ptb.data.documents import RESET_AT
from ptb.machine.checked import check_fields, make

RNN_MODES = ("auto", "fused", "static", "keras")
SAMPLINGS = ("sequential", "random")
# Each optimizer with the hyperparameters that only it reads.
OPTIMIZERS = {"sgd": (), "adamw": ("weight_decay",)}
SCHEDULES = ("step", "linear")
SOFTMAXES = ("full", "adaptive")
SOFTMAX_BIASES = ("uniform", "unigram")
MAX_EPOCHS = 100_000
PRECISIONS = ("float32", "mixed_float16", "mixed_bfloat16")


def _field(default, group: str, help_text: str, low=None, high=None, choices=None):
    """A field with the group and the help of its flag, and the values that it takes."""
    metadata = {"group": group, "help": help_text, "low": low, "high": high, "choices": choices}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Config:
    """The hyperparameters of a run. The defaults are the tutorial's `small`.

    Raises ValueError for a value out of bounds.
    """

    hidden_size: int = _field(
        200, "model", "Units of each recurrent layer; also the size of the embedding.", 1, 8192
    )
    num_layers: int = _field(2, "model", "Number of recurrent layers.", 1, 64)
    num_steps: int = _field(
        20,
        "training",
        "Time steps of one window. The gradient flows back through this many steps, no further.",
        1,
        1000,
    )
    batch_size: int = _field(
        20,
        "training",
        "Rows of one window: streams of text that are read side by side.",
        1,
        100_000,
    )
    num_epochs: int = _field(13, "training", "Epochs: passes over the train split.", 1, MAX_EPOCHS)
    learning_rate: float = _field(
        1.0, "training", "The highest learning rate of the schedule.", 1e-12, 1e6
    )
    constant_epochs: int = _field(
        4,
        "training",
        "With --schedule=step: epochs at the highest learning rate, before the decay.",
        0,
        MAX_EPOCHS,
    )
    learning_rate_decay: float = _field(
        0.5,
        "training",
        "With --schedule=step: multiply the learning rate by this every epoch after the first "
        "constant_epochs.",
        1e-6,
        1.0,
    )
    optimizer: str = _field(
        "sgd",
        "training",
        "The optimizer: stochastic gradient descent (sgd), or Adam with decoupled weight decay "
        "(adamw).",
        choices=OPTIMIZERS,
    )
    schedule: str = _field(
        "step",
        "training",
        "Learning-rate schedule. step: constant, then decays once per epoch. linear: warmup, then "
        "falls in a straight line to zero at the end of the run.",
        choices=SCHEDULES,
    )
    warmup: float = _field(
        0.1,
        "training",
        "With --schedule=linear: share of the run, from 0 to 1, in which the learning rate rises.",
        0.0,
        1.0,
    )
    weight_decay: float = _field(
        0.0,
        "training",
        "With --optimizer=adamw: decoupled weight decay. Each step subtracts learning rate * this "
        "* weight.",
        0.0,
        10.0,
    )
    ema_momentum: float = _field(
        0.0,
        "training",
        "Moving average of the weights: the share of the average that each window keeps. The "
        "average is validated, evaluated and exported. 0: no average.",
        0.0,
        0.99999,
    )
    max_grad_norm: float = _field(
        5.0, "training", "Gradient clipping: the maximum global norm of the gradient.", 1e-6, 1e9
    )
    keep_prob: float = _field(
        1.0,
        "training",
        "Dropout: the probability that a value is kept. 1: no dropout.",
        0.01,
        1.0,
    )
    weight_keep_prob: float = _field(
        1.0,
        "training",
        "Dropout of the recurrent weights: the probability that a weight is kept, with one mask "
        "for each window. 1: no dropout.",
        0.01,
        1.0,
    )
    embedding_keep_prob: float = _field(
        1.0,
        "training",
        "Embedding dropout: the probability that a word is kept, with one mask for each window. 1: "
        "no dropout.",
        0.01,
        1.0,
    )
    activation_regularization: float = _field(
        0.0,
        "training",
        "Activation regularization (AR): adds this * the mean square of the outputs after dropout "
        "to the loss of each token.",
        0.0,
        1e6,
    )
    temporal_activation_regularization: float = _field(
        0.0,
        "training",
        "Temporal activation regularization (TAR): adds this * the mean square of the change of "
        "the outputs before dropout, from step to step, to the loss of each token.",
        0.0,
        1e6,
    )
    init_scale: float = _field(
        0.1, "model", "Initial weights are uniform from -init_scale to init_scale.", 0.0, 100.0
    )
    forget_bias: float = _field(
        0.0, "model", "Constant that is added to the LSTM's forget gate.", -100.0, 100.0
    )
    vocab_size: int = _field(
        10_000,
        "text",
        "Maximum size of the vocabulary. Less frequent words become <unk>.",
        2,
        10_000_000,
    )
    tie_weights: bool = _field(
        False, "model", "Use the embedding matrix as the weights of the softmax too."
    )
    softmax: str = _field(
        "full",
        "model",
        "The softmax. full: all words at once. adaptive: frequent words first, rare words in "
        "clusters, which is faster.",
        choices=SOFTMAXES,
    )
    adaptive_cutoffs: str = _field(
        "2000",
        "model",
        "With --softmax=adaptive: the word ids at which clusters begin, comma-separated. Ids "
        "are ordered by frequency.",
    )
    softmax_bias: str = _field(
        "uniform",
        "model",
        "Initial bias of the softmax. uniform: random as the other weights. unigram: the log of "
        "the unigram frequencies.",
        choices=SOFTMAX_BIASES,
    )
    cell: str = _field("lstm", "model", "The recurrent cell.", choices=CELLS)
    rnn_mode: str = _field(
        "auto",
        "devices",
        "The implementation of the unroll; it changes the speed, not the model. auto: the fastest "
        "for this machine. fused: fast on a CPU. static: any cell, step by step. keras: the layer "
        "of Keras, fast on a GPU.",
        choices=RNN_MODES,
    )
    sampling: str = _field(
        "sequential",
        "training",
        "Order of the windows. sequential: the state is carried from window to window. random: "
        "every window starts from a state of zeros.",
        choices=SAMPLINGS,
    )
    reset_at: str = _field(
        "none",
        "text",
        "Where a new document begins; the state is zeroed there. line: at each line. blank_line: "
        "after each blank line; a line of spaces is blank with --tokens=word only.",
        choices=RESET_AT,
    )
    precision: str = _field(
        "float32",
        "devices",
        "Precision of matrix products in training. Weights, sums and evaluation stay float32.",
        choices=PRECISIONS,
    )
    seed: int = _field(
        1, "training", "Seed of the initial weights, dropout and random sampling.", 0, 2**31 - 1
    )

    def __post_init__(self):
        check_fields(self)
        _check_cutoffs(self.adaptive_cutoffs)
        if self.rnn_mode not in ("auto", *rnn_modes(self.cell)):
            have = [cell for cell in CELLS if self.rnn_mode in rnn_modes(cell)]
            raise ValueError(
                f"rnn_mode={self.rnn_mode} works with cell={' or '.join(have)} only: use "
                f"rnn_mode=static for cell={self.cell}"
            )

    @property
    def cutoffs(self) -> tuple[int, ...]:
        """The word ids at which clusters of the softmax begin; empty with softmax=full."""
        if self.softmax == "full":
            return ()
        return tuple(int(part) for part in self.adaptive_cutoffs.split(","))

    def resolve_rnn_mode(self, on_gpu: bool) -> Config:
        """Replaces `rnn_mode="auto"` by the fastest mode for this machine."""
        if self.rnn_mode != "auto":
            return self
        fastest = "keras" if on_gpu else "fused"
        is_there = fastest in rnn_modes(self.cell)
        return dataclasses.replace(self, rnn_mode=fastest if is_there else "static")

    @classmethod
    def from_dict(cls, values: dict) -> Config:
        """The inverse of `dataclasses.asdict`. Raises ValueError for an unknown or bad value."""
        return make(cls, values, "the config")

    def learning_rate_at(self, epoch: int) -> float:
        """The highest learning rate of epoch 0, 1, 2, ...

        With schedule=step all windows of the epoch have it: constant at first, then decaying.
        """
        return float(self.learning_rates(epoch, 1)[0])

    def learning_rates(self, epoch: int, num_windows: int) -> np.ndarray:
        """The learning rate of each window of an epoch, `[num_windows]`."""
        if self.schedule == "step":
            decay = self.learning_rate_decay ** max(epoch + 1 - self.constant_epochs, 0)
            return np.full(num_windows, self.learning_rate * decay)
        total = num_windows * self.num_epochs
        window = epoch * num_windows + np.arange(num_windows)
        rising = (window + 1) / max(self.warmup * total, 1)
        falling = (total - window) / max((1 - self.warmup) * total, 1)
        return self.learning_rate * np.minimum(1, np.minimum(rising, falling))


def _check_cutoffs(value: str) -> None:
    parts = value.split(",")
    numbers = [int(part) for part in parts if part.isascii() and part.isdigit() and len(part) < 10]
    if len(numbers) < len(parts) or 0 in numbers or numbers != sorted(set(numbers)):
        raise ValueError(
            f"adaptive_cutoffs={value!r} is not a list of rising word ids: write 2000,5000"
        )


# `test` to `large`: Zaremba et al. 2014 (arXiv 1409.2329), section 4.1, with the figures of the
# tutorial's code.
PRESETS = {
    # One epoch of next to nothing: shows that everything runs.
    "test": Config(
        hidden_size=2,
        num_layers=1,
        num_steps=2,
        num_epochs=1,
        constant_epochs=1,
        max_grad_norm=1.0,
    ),
    "small": Config(),
    "medium": Config(
        hidden_size=650,
        num_steps=35,
        num_epochs=39,
        constant_epochs=6,
        learning_rate_decay=0.8,
        keep_prob=0.5,
        init_scale=0.05,
    ),
    "large": Config(
        hidden_size=1500,
        num_steps=35,
        num_epochs=55,
        constant_epochs=14,
        learning_rate_decay=1 / 1.15,
        max_grad_norm=10.0,
        keep_prob=0.35,
        init_scale=0.04,
    ),
    # The quickest way to the quality of `small`: results/README.md has its figures.
    "fast": Config(
        hidden_size=256,
        num_layers=1,
        num_steps=35,
        batch_size=64,
        num_epochs=2,
        optimizer="adamw",
        learning_rate=0.008,
        learning_rate_decay=1.0,
        ema_momentum=0.99,
        max_grad_norm=35.0,
        keep_prob=0.95,
        forget_bias=1.0,
        tie_weights=True,
        softmax="adaptive",
        softmax_bias="unigram",
    ),
    # The lowest perplexity of an hour on two cores that multiply bfloat16: results/ptb/best.md.
    "best": Config(
        hidden_size=650,
        num_layers=1,
        num_steps=35,
        batch_size=64,
        num_epochs=24,
        optimizer="adamw",
        learning_rate=0.003,
        constant_epochs=20,
        learning_rate_decay=0.7,
        ema_momentum=0.999,
        max_grad_norm=35.0,
        keep_prob=0.5,
        weight_keep_prob=0.5,
        activation_regularization=2.0,
        temporal_activation_regularization=1.0,
        init_scale=0.05,
        forget_bias=1.0,
        tie_weights=True,
        softmax="adaptive",
        softmax_bias="unigram",
    ),
}
# The lowest perplexity here, in two hours on two fast cores: results/ptb/overnight.md.
PRESETS["overnight"] = dataclasses.replace(
    PRESETS["best"],
    hidden_size=900,
    num_epochs=62,
    constant_epochs=34,
    learning_rate_decay=0.9,
    weight_decay=0.03,
    ema_momentum=0.9995,
    keep_prob=0.45,
    embedding_keep_prob=0.9,
)


def preset(name: str) -> Config:
    """The `Config` of a preset, such as "small" or "fast". Raises ValueError for other names."""
    if name not in PRESETS:
        raise ValueError(f"model={name} is unknown: choose from {', '.join(PRESETS)}")
    return PRESETS[name]
