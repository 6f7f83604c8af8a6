"""The epochs of a run: learning rate, windows, progress, validation."""

from __future__ import annotations

import dataclasses
import json
import math
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from ptb.data import reader
from ptb.training.config import Config
from ptb.training.distribution import Replicas
from ptb.training.optimizers import make_optimizer
from ptb.training.perplexity import Evaluator
from ptb.training.progress import STRETCH, Progress
from ptb.training.report import EpochReport
from ptb.training.step import TrainStep

# Long enough that starting a call costs nothing, short enough to answer a signal soon.
SECONDS_PER_CALL = 0.5
# Nats a word beyond which nothing is learned any more: perplexity 5e34, and uniform guessing among
# a million words costs 14.
MOST_NATS = 80.0


class Diverged(ArithmeticError):
    """The loss or its gradient is no number, or far beyond what any model costs."""


@dataclass(frozen=True)
class Place:
    """A place in a run between two windows: the weights are in the model, all else is here.

    `state` is the state after the last window, a nest of `[B, H]`. Where weights are averaged, the
    model has the averages at the end of an epoch, and the trained weights at any other place; the
    slots have the others.
    """

    progress: Progress
    state: object


class Training:
    """Trains `model` in place, from any place of a run to its end.

    `step` walks windows as `TrainStep` does, and is one where it is not given. How many it walks in
    one call changes no figure: as many as take about SECONDS_PER_CALL, or `windows_per_call`.
    Where there are several workers, each has a Training, and all do the same with it.

    Raises ValueError where the batch cannot be shared out among the `replicas`.
    """

    def __init__(
        self,
        model,
        train_ids,
        valid_ids,
        config: Config,
        step=None,
        windows_per_call=None,
        replicas: Replicas | None = None,
    ):
        self._replicas = replicas or Replicas()
        if config.batch_size % self._replicas.count:
            raise ValueError(
                f"batch_size={config.batch_size} is not a multiple of the {self._replicas.count} "
                "replicas that share its rows: change one of the two"
            )
        self._model, self._config = model, config
        self._train_ids, self._stream = train_ids, tf.constant(train_ids)
        self._valid = reader.every_token(valid_ids, config.batch_size, config.num_steps)
        self._step = step or _train_step(model, config, self._replicas)
        self._evaluate = Evaluator(model, self._replicas)
        self._windows_per_call = windows_per_call

    def initialize(self) -> None:
        """Gives the model the weights that the run begins with."""
        counts = None
        if self._config.softmax_bias == "unigram":
            counts = np.bincount(self._train_ids, minlength=self._model.vocab_size)
        self._model.initialize(self._config.init_scale, self._config.seed, counts)

    def export_slots(self) -> dict[str, np.ndarray]:
        """What the optimizer remembers, by name."""
        return self._step.export_slots()

    def import_slots(self, slots: dict[str, np.ndarray]) -> None:
        """Takes what `export_slots` gave. Raises ValueError for anything else."""
        self._step.import_slots(slots)

    def start(self) -> Place:
        """The first place of a run."""
        return Place(Progress(), self._model.initial_state(self._config.batch_size))

    def places(
        self,
        place: Place,
        check: Callable[[], None] = lambda: None,
        most_windows: Callable[[Progress], int] = lambda progress: 2**31,
    ) -> Iterator[Place]:
        """Goes on from `place` to the end of the run, and yields the place after each call.

        The last place of an epoch comes twice: before its validation, and after it as the start of
        the next epoch, with its report. `check` is called often, and may raise. `most_windows`
        bounds the next call.

        Raises Diverged where the loss or the gradient is not finite, where STRETCH windows cost
        more than guessing among V words after as many cost clearly less (twice as much as guessing
        before that), or where validation costs more than MOST_NATS a word.
        """
        config = self._config
        while place.progress.epoch < config.num_epochs:
            windows, seed = self._epoch(place.progress.epoch)
            for trained in self._windows(place, windows, seed, check, most_windows):
                yield trained
                place = trained
            place = self._end_epoch(place, windows, check)
            yield place

    def place(self, progress: Progress, state: Sequence[np.ndarray]) -> Place:
        """The place of a checkpoint, whose weights the model has.

        Raises ValueError where there is no such place in this run.
        """
        windows, _ = self._epoch(progress.epoch)
        start = tf.nest.flatten(self.start().state)
        expected = [(tuple(each.shape), each.dtype.as_numpy_dtype) for each in start]
        if [(each.shape, each.dtype.type) for each in state] != expected:
            raise ValueError("its recurrent state has other shapes than the model's")
        if progress.window > len(windows):
            raise ValueError(f"window={progress.window} is beyond the {len(windows)} of its epoch")
        state = tf.nest.pack_sequence_as(self.start().state, list(map(tf.constant, state)))
        return Place(progress, state)

    def share(self, place: Place) -> Place:
        """The chief's place on every worker, with the chief's weights and what its step keeps.

        Raises ValueError where the workers train with other figures or on other texts.
        """
        if self._replicas.alone:
            return place
        # 24 bits: all that the float32 of a message holds.
        digest = zlib.crc32(repr(self._config).encode(), zlib.crc32(self._train_ids)) >> 8
        if {self._replicas.most(digest), -self._replicas.most(-digest)} != {digest}:
            raise ValueError(
                "the workers have different flags or texts: run the same command on all of them"
            )
        progress = np.frombuffer(json.dumps(dataclasses.asdict(place.progress)).encode(), np.uint8)
        padding = self._replicas.most(len(progress)) - len(progress)
        arrays = {"progress": np.pad(progress, (0, padding)).astype(np.float32)}
        arrays |= {"weights": self._model.export_weights(), "state": place.state}
        slots = self.export_slots()
        arrays |= {"slots": {name: value.astype(np.float32) for name, value in slots.items()}}
        arrays = tf.nest.map_structure(np.array, self._replicas.from_chief(arrays))
        self._model.import_weights(arrays["weights"])
        self.import_slots({n: v.astype(slots[n].dtype) for n, v in arrays["slots"].items()})
        text = arrays["progress"].astype(np.uint8).tobytes().rstrip(b"\0")
        return self.place(Progress.from_dict(json.loads(text)), tf.nest.flatten(arrays["state"]))

    def _epoch(self, epoch: int):
        """The windows of an epoch, and the seed of what is drawn in it."""
        config, seed = self._config, (self._config.seed, epoch)
        batch_size, num_steps = config.batch_size, config.num_steps
        return reader.epoch(self._train_ids, batch_size, num_steps, config.sampling, seed), seed

    def _windows(self, place: Place, windows, seed, check, most_windows) -> Iterator[Place]:
        """The rest of an epoch."""
        progress, state = place.progress, place.state
        rates = self._config.learning_rates(progress.epoch, len(windows)) * progress.rate_factor
        starts = tf.constant(windows.starts)
        pace = self._windows_per_call or 1
        counted = time.perf_counter()
        with _bar(windows, progress, self._config) as bar:
            while progress.window < len(windows):
                check()
                left = len(windows) - progress.window
                count = max(min(pace, left, most_windows(progress)), 1)
                count = self._replicas.most(count)
                began = time.perf_counter()
                if progress.epoch and not progress.window:
                    self._step.swap()  # back from what was validated
                costs, norms, state = self._step(
                    self._stream, starts, state, rates, progress.window, count, seed
                )
                costs, norms = costs.numpy().tolist(), norms.numpy().tolist()
                ended = time.perf_counter()
                # What is done between two calls, such as saving, counts as training too.
                progress = self._count(progress, costs, norms, ended - counted)
                counted = ended
                if not self._windows_per_call:
                    # At most twice as many as before: the first call is slow, since it traces.
                    pace = min(max(int(count * SECONDS_PER_CALL / (ended - began)), 1), 2 * count)
                perplexity = _perplexity(progress, self._config.num_steps)
                bar.set_postfix_str(f"perplexity {perplexity:.1f}, |gradient| {norms[-1]:.2g}")
                bar.update(count * self._config.batch_size * self._config.num_steps)
                yield Place(progress, state)

    def _count(self, progress: Progress, costs, grad_norms, seconds: float) -> Progress:
        """The progress after these windows. Raises Diverged."""
        finite = np.isfinite(costs) & np.isfinite(grad_norms)
        if not finite.all():
            k = int(np.argmin(finite))
            raise self._diverged(
                progress,
                f"at window {progress.window + k}: loss {costs[k]:g}, "
                f"gradient norm {grad_norms[k]:g}",
            )
        vocab_size = self._model.vocab_size
        after, rises = progress.count(
            costs, grad_norms, seconds, self._config.num_steps, vocab_size
        )
        if rises:
            raise self._diverged(
                progress,
                f"by window {after.window - 1}: loss {costs[-1]:g}, gradient norm "
                f"{grad_norms[-1]:g}, and perplexity rose above the {vocab_size} of guessing "
                f"for {STRETCH} windows",
            )
        return after

    def _end_epoch(self, place: Place, windows, check) -> Place:
        """Validates the weights, or their averages. The next epoch starts with an empty state."""
        progress, config = place.progress, self._config
        self._step.swap()
        try:
            score = self._evaluate(self._valid, progress=lambda tokens: check())
            if not score.nats / score.tokens < MOST_NATS:
                raise self._diverged(
                    progress, f"in validation: {score.nats / score.tokens:.3g} nats a word"
                )
        except BaseException:
            self._step.swap()  # the place is still that before validation
            raise
        report = EpochReport(
            epoch=progress.epoch + 1,
            learning_rate=self.learning_rate(progress),
            train_perplexity=_perplexity(progress, config.num_steps),
            valid_perplexity=score.perplexity,
            mean_grad_norm=progress.grad_norm / progress.window,
            seconds=progress.seconds,
            words_per_second=windows.num_tokens / progress.seconds,
        )
        state = self._model.initial_state(config.batch_size)
        return Place(progress.next_epoch(report), state)

    def learning_rate(self, progress: Progress) -> float:
        """The highest learning rate of the epoch that runs."""
        return self._config.learning_rate_at(progress.epoch) * progress.rate_factor

    def _diverged(self, progress: Progress, what: str) -> Diverged:
        return Diverged(
            f"training diverged in epoch {progress.epoch + 1} {what}: try a learning_rate below "
            f"{self.learning_rate(progress):g} or a smaller max_grad_norm"
        )


def train_epochs(model, train_ids, valid_ids, config: Config) -> Iterator[EpochReport]:
    """Trains `model` in place and yields a report after each epoch, counted from 1.

    The train perplexity is measured while the weights change, as the tutorial prints it. Validation
    scores every token with `config.batch_size` rows, of which all but the first start cold. With an
    `ema_momentum` the model has the averaged weights at each report, and at the end.

    Raises Diverged as `Training.places` does.
    """
    training = Training(model, train_ids, valid_ids, config)
    for place in training.places(training.start()):
        if place.progress.window == 0:
            yield place.progress.reports[-1]


def _train_step(model, config: Config, replicas: Replicas) -> TrainStep:
    with replicas.scope():
        optimizer = make_optimizer(
            config.optimizer, model.trainable_weights, config.weight_decay, config.ema_momentum
        )
    carries_state = config.sampling == "sequential"
    return TrainStep(
        model, config.num_steps, config.max_grad_norm, carries_state, optimizer, replicas
    )


def _bar(windows, progress: Progress, config: Config) -> tqdm:
    words_per_window = config.batch_size * config.num_steps
    return tqdm(
        initial=progress.window * words_per_window,
        total=windows.num_tokens,
        desc=f"epoch {progress.epoch + 1}/{config.num_epochs}",
        unit="word",
        unit_scale=True,
        disable=None,
        leave=False,
    )


def _perplexity(progress: Progress, num_steps: int) -> float:
    """Of the epoch that runs. A cost is summed over the T steps, and averaged over the B rows."""
    return math.exp(min(progress.cost / (progress.window * num_steps), MOST_NATS))
