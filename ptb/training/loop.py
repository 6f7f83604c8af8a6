"""The epochs of a run: windows, learning rate, validation."""

from __future__ import annotations

import math
import time
import zlib
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from ptb.data import reader
from ptb.data.documents import NONE, Borders
from ptb.training.config import Config
from ptb.training.distribution import Replicas
from ptb.training.perplexity import Evaluator
from ptb.training.progress import STRETCH, Progress
from ptb.training.report import MAX_NATS, EpochReport
from ptb.training.state import Snapshot, TrainingState
from ptb.training.step import TrainStep, train_step

# Long enough that starting a call costs nothing, short enough to answer a signal soon.
SECONDS_PER_CALL = 0.5


class Diverged(ArithmeticError):
    """Training diverged: the loss or the gradient is NaN or infinite, or the loss is far too high.

    `epoch` counts from 1, and `window` from 0 (None: found in validation). `learning_rate` is the
    learning rate that was too high.
    """

    def __init__(self, message: str, epoch: int, window: int | None, learning_rate: float):
        super().__init__(message)
        self.epoch, self.window, self.learning_rate = epoch, window, learning_rate

    def and_also(self, remark: str) -> Diverged:
        """The same error with more text."""
        return Diverged(f"{self}; {remark}", self.epoch, self.window, self.learning_rate)


class Training:
    """Trains `model` in place. Only `state` changes; it can be saved between two windows.

    `step` is made from `config` if none is given. One call of it walks as many windows as take
    about SECONDS_PER_CALL, or `windows_per_call`; this number does not change the result. Each of
    several workers has a Training and makes the same calls. `borders` belongs to `config.reset_at`:
    the state is zeroed at the start of a document, in training and in validation.

    Raises ValueError if the batch cannot be divided among the `replicas`, or if `borders` does not
    fit the config.
    """

    def __init__(
        self,
        model,
        train_ids: np.ndarray,
        valid_ids: np.ndarray,
        config: Config,
        step: TrainStep | None = None,
        windows_per_call: int | None = None,
        replicas: Replicas | None = None,
        borders: Borders | None = None,
    ):
        self.config, self.replicas = config, replicas or Replicas()
        if config.batch_size % self.replicas.count:
            raise ValueError(
                f"batch_size={config.batch_size} is not a multiple of the {self.replicas.count} "
                "replicas that share its rows: change one of the two"
            )
        if (borders.at if borders else NONE) != config.reset_at:
            raise ValueError(f"reset_at={config.reset_at} needs its borders: give borders_of(...)")
        self._train_ids = train_ids
        self._read_ids = borders.stream(train_ids) if borders else train_ids
        self._stream = tf.constant(self._read_ids)
        self._resets = tf.constant(borders.resets(self._read_ids)) if borders else None
        self._valid = reader.validation(valid_ids, config.batch_size, config.num_steps, borders)
        self._step = step or train_step(model, config, self.replicas)
        self._evaluate = Evaluator(model, self.replicas)
        self._windows_per_call = windows_per_call
        self.state = TrainingState(model, self._step.optimizer, config.batch_size)

    def initialize(self) -> None:
        """Goes to the start of the run, with initial weights."""
        self.state.reset()
        model, counts = self.state.model, None
        if self.config.softmax_bias == "unigram":
            counts = np.bincount(self._train_ids, minlength=model.vocab_size)
        model.initialize(self.config.init_scale, self.config.seed, counts)

    def restore(self, snapshot: Snapshot) -> None:
        """Restores a snapshot. Raises ValueError if it does not fit this run."""
        progress = snapshot.progress
        windows, _ = self._epoch(progress.epoch)
        if progress.window > len(windows):
            raise ValueError(f"window={progress.window} is beyond the {len(windows)} of its epoch")
        self.state.restore(snapshot)

    def share(self, flags: object = None) -> None:
        """Gives every worker the state of the chief.

        `flags` are what else must be the same on all. Raises ValueError if the workers have other
        flags or texts.
        """
        if self.replicas.alone:
            return
        digest = zlib.crc32(repr((self.config, flags)).encode())
        for ids in (self._train_ids, self._valid.stream):
            digest = zlib.crc32(ids, digest)
        digest >>= 8  # 24 bits: all that the float32 of a message holds
        highest = self.replicas.max_over_workers
        if {highest(digest), -highest(-digest)} != {digest}:
            raise ValueError(
                "the workers have different flags or texts: run the same command on all of them"
            )
        self.state.share(self.replicas)

    def advance(
        self,
        check: Callable[[], None] = lambda: None,
        max_windows: Callable[[Progress], int] = lambda progress: 2**31,
    ) -> Iterator[list[float]]:
        """Trains from the current state to the end of the run.

        Yields the costs of the windows, in nats, after each call of the step, and an empty list
        after the validation at the end of an epoch; `state` is then consistent. `check` is called
        often, and may raise. `max_windows` limits the next call.

        Raises Diverged if the loss or the gradient is not finite, if STRETCH windows cost more than
        guessing among V words after as many cost clearly less (twice as much as guessing before
        that), or if validation costs more than MAX_NATS a word.
        """
        while self.state.progress.epoch < self.config.num_epochs:
            windows, seed = self._epoch(self.state.progress.epoch)
            yield from self._train(windows, seed, check, max_windows)
            self._validate(windows, check)
            yield []

    def _epoch(self, epoch: int):
        """The windows of an epoch, and the seed of its random draws."""
        config, seed = self.config, (self.config.seed, epoch)
        batch_size, num_steps = config.batch_size, config.num_steps
        return reader.epoch(self._read_ids, batch_size, num_steps, config.sampling, seed), seed

    def _train(self, windows, seed, check, max_windows) -> Iterator[list[float]]:
        """The rest of an epoch."""
        config, state = self.config, self.state
        rates = config.learning_rates(state.progress.epoch, len(windows))
        rates = rates * state.progress.rate_factor
        starts = tf.constant(windows.starts)
        pace = self._windows_per_call or 1
        counted = time.perf_counter()
        with _bar(windows, state.progress, config) as bar:
            while (first := state.progress.window) < len(windows):
                check()
                count = max(min(pace, len(windows) - first, max_windows(state.progress)), 1)
                count = self.replicas.max_over_workers(count)
                began = time.perf_counter()
                costs, norms, recurrent = self._step(
                    *(self._stream, starts, state.recurrent, rates, first, count, seed),
                    resets=self._resets,
                )
                costs, norms = costs.numpy().tolist(), norms.numpy().tolist()
                ended = time.perf_counter()
                # What is done between two calls, such as saving, counts as training too.
                progress = self._count(costs, norms, ended - counted)
                counted = ended
                state.progress, state.recurrent = progress, recurrent
                if not self._windows_per_call:
                    # At most twice as many as before: the first call is slow, since it traces.
                    pace = min(max(int(count * SECONDS_PER_CALL / (ended - began)), 1), 2 * count)
                perplexity = _perplexity(progress, config.num_steps)
                bar.set_postfix_str(f"perplexity {perplexity:.1f}, |gradient| {norms[-1]:.2g}")
                bar.update(count * config.batch_size * config.num_steps)
                yield costs

    def _count(self, costs, grad_norms, seconds: float) -> Progress:
        """The progress after these windows. Raises Diverged."""
        progress = self.state.progress
        finite = np.isfinite(costs) & np.isfinite(grad_norms)
        if not finite.all():
            k = int(np.argmin(finite))
            window = progress.window + k
            found = f"at window {window}: loss {costs[k]:g}, gradient norm {grad_norms[k]:g}"
            raise self._diverged(found, window)
        vocab_size = self.state.model.vocab_size
        after, rises = progress.count(costs, grad_norms, seconds, self.config.num_steps, vocab_size)
        if rises:
            raise self._diverged(
                f"by window {after.window - 1}: loss {costs[-1]:g}, gradient norm "
                f"{grad_norms[-1]:g}, and perplexity rose above the {vocab_size} of guessing "
                f"for {STRETCH} windows",
                after.window - 1,
            )
        return after

    def _validate(self, windows, check) -> None:
        """Ends the epoch: validates, and starts the next one with a recurrent state of zeros."""
        state, progress = self.state, self.state.progress
        with state.evaluation_weights():
            score = self._evaluate(self._valid, progress=lambda tokens: check())
        if not score.nats / score.tokens < MAX_NATS:
            raise self._diverged(f"in validation: {score.nats / score.tokens:.3g} nats a word")
        report = EpochReport(
            epoch=progress.epoch + 1,
            learning_rate=self.learning_rate(),
            train_perplexity=_perplexity(progress, self.config.num_steps),
            valid_perplexity=score.perplexity,
            mean_grad_norm=progress.grad_norm / progress.window,
            seconds=progress.seconds,
            words_per_second=windows.num_tokens / progress.seconds,
        )
        state.progress = progress.next_epoch(report)
        state.reset_recurrent()

    def learning_rate(self) -> float:
        """The highest learning rate of the current epoch."""
        progress = self.state.progress
        return self.config.learning_rate_at(progress.epoch) * progress.rate_factor

    def _diverged(self, what: str, window: int | None = None) -> Diverged:
        epoch, rate = self.state.progress.epoch + 1, self.learning_rate()
        return Diverged(
            f"training diverged in epoch {epoch} {what}: try a learning_rate below {rate:g} or a "
            "smaller max_grad_norm",
            epoch,
            window,
            rate,
        )


def _bar(windows, progress: Progress, config: Config) -> tqdm:
    words_per_window = config.batch_size * config.num_steps
    return tqdm(
        initial=progress.window * words_per_window,
        total=windows.num_tokens,
        desc=f"epoch {progress.epoch + 1}/{config.num_epochs}",
        unit="token",
        unit_scale=True,
        disable=None,
        leave=False,
    )


def _perplexity(progress: Progress, num_steps: int) -> float:
    """The train perplexity of the current epoch. Costs are sums over T of means over B."""
    return math.exp(min(progress.cost / (progress.window * num_steps), MAX_NATS))
