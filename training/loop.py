"""The epochs of a run: learning rate, windows, progress, validation."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from ptb import reader
from training.config import Config
from training.optimizers import make_optimizer
from training.perplexity import Evaluator
from training.report import EpochReport
from training.step import TrainStep

CALLS_PER_EPOCH = 100
# Nats a word beyond which nothing is learned any more: perplexity 5e34, and uniform guessing among
# a million words costs 14.
MOST_NATS = 80.0


class Diverged(ArithmeticError):
    """The loss or its gradient is no number, or far beyond what any model costs."""


def train_epochs(
    model, train_ids: np.ndarray, valid_ids: np.ndarray, config: Config, first_epoch: int = 0
) -> Iterator[EpochReport]:
    """Trains `model` in place and yields a report after each epoch, counted from 1.

    The train perplexity is measured while the weights change, as the tutorial prints it. Validation
    scores every token with `config.batch_size` rows, of which all but the first start cold.
    Nothing but the weights passes from one epoch to the next, so a run that starts again at
    `first_epoch` with its weights goes on as if it had never stopped.

    Raises Diverged where the loss or the gradient is not finite, or validation costs more than
    MOST_NATS a word.
    """
    optimizer = make_optimizer(config.optimizer, model.trainable_weights, config.weight_decay)
    carries_state = config.sampling == "sequential"
    step = TrainStep(model, config.num_steps, config.max_grad_norm, carries_state, optimizer)
    evaluate = Evaluator(model)
    valid = reader.every_token(valid_ids, config.batch_size, config.num_steps)
    stream = tf.constant(train_ids)
    for epoch in range(first_epoch, config.num_epochs):
        windows = reader.epoch(
            train_ids, config.batch_size, config.num_steps, config.sampling, (config.seed, epoch)
        )
        report = _train_epoch(step, model, stream, windows, config, epoch)
        score = evaluate(valid)
        if not score.nats / score.tokens < MOST_NATS:
            raise Diverged(
                f"training diverged in epoch {epoch + 1}: {score.nats / score.tokens:.3g} nats a "
                f"word on valid: {_remedy(config.learning_rate)}"
            )
        yield EpochReport(
            epoch=epoch + 1,
            valid_perplexity=score.perplexity,
            **report,
        )


def _train_epoch(step, model, stream, windows, config: Config, epoch: int) -> dict[str, float]:
    """One pass over `windows`, in about CALLS_PER_EPOCH calls of `step`."""
    began = time.perf_counter()
    state = model.initial_state(config.batch_size)
    learning_rates = config.learning_rates(epoch, len(windows))
    per_call = math.ceil(len(windows) / CALLS_PER_EPOCH)
    starts = tf.constant(windows.starts)
    costs, grad_norms = [], []
    name = f"epoch {epoch + 1}/{config.num_epochs}"
    with tqdm(
        total=windows.num_tokens, desc=name, unit="word", unit_scale=True, disable=None, leave=False
    ) as bar:
        for first in range(0, len(windows), per_call):
            count = min(per_call, len(windows) - first)
            call_costs, call_norms, state = step(
                stream, starts, state, learning_rates, first, count, (config.seed, epoch)
            )
            costs.extend(call_costs.numpy().tolist())
            grad_norms.extend(call_norms.numpy().tolist())
            _check_finite(costs[first:], grad_norms[first:], first, epoch, config.learning_rate)
            perplexity = _perplexity(costs, config.num_steps)
            bar.set_postfix_str(f"perplexity {perplexity:.1f}, |gradient| {grad_norms[-1]:.2g}")
            bar.update(count * config.batch_size * config.num_steps)
    seconds = time.perf_counter() - began
    return {
        "learning_rate": float(learning_rates.max()),
        "train_perplexity": _perplexity(costs, config.num_steps),
        "mean_grad_norm": float(np.mean(grad_norms)),
        "seconds": seconds,
        "words_per_second": windows.num_tokens / seconds,
    }


def _perplexity(costs: list[float], num_steps: int) -> float:
    """A cost is summed over the T steps of a window, and averaged over its B rows."""
    return math.exp(min(math.fsum(costs) / (len(costs) * num_steps), MOST_NATS))


def _check_finite(costs, grad_norms, first: int, epoch: int, learning_rate: float) -> None:
    """Raises Diverged for the figures of the windows from `first` on."""
    finite = np.isfinite(costs) & np.isfinite(grad_norms)
    if not finite.all():
        k = int(np.argmin(finite))
        raise Diverged(
            f"training diverged in epoch {epoch + 1} at window {first + k}: loss {costs[k]}, "
            f"gradient norm {grad_norms[k]}: {_remedy(learning_rate)}"
        )


def _remedy(learning_rate: float) -> str:
    return f"try a learning_rate below {learning_rate:g} or a smaller max_grad_norm"
