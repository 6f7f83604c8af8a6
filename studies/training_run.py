"""A training run as the studies need it: short, without a folder, measured as it goes."""

from __future__ import annotations

import dataclasses
import time

from studies.measurements import Row
from training.config import Config

# Rows side by side in validation: nine in ten thousand tokens start without context.
VALID_ROWS = 10


class TrainingRun:
    """Trains one model on `corpus.train` with the project's own step, and scores `corpus.valid`.

    `reset_state`: zero the state before each window, in training and in validation, although the
    windows follow each other. Seconds are those of training alone: tracing and validation are not
    counted.
    """

    def __init__(self, corpus, config: Config, reset_state: bool = False):
        import tensorflow as tf  # noqa: PLC0415

        from training.model import build_model  # noqa: PLC0415
        from training.perplexity import Evaluator  # noqa: PLC0415
        from training.step import TrainStep  # noqa: PLC0415

        self.corpus, self.config = corpus, config
        self.carries_state = config.sampling == "sequential" and not reset_state
        self.model = build_model(config, len(corpus.vocabulary))
        self.model.initialize(config.init_scale, config.seed)
        self._stream = tf.constant(corpus.train)
        self._step = TrainStep(
            self.model, config.num_steps, config.max_grad_norm, self.carries_state
        )
        self._evaluator = Evaluator(self.model)
        self._warm_up()

    def epochs(self, points: int = 1) -> list[Row]:
        """Trains for `config.num_epochs` and gives `points` rows an epoch.

        A row has the `words` and `seconds` of training so far, `words_per_second`, `train_nats`
        and `valid_nats` a word, and of the windows since the last row the mean `grad_norm` before
        the clip and the share of them `clipped`.
        """
        config, rows, words, seconds = self.config, [], 0, 0.0
        for epoch in range(config.num_epochs):
            windows = self._windows(epoch)
            state = self.model.initial_state(config.batch_size)
            done = 0
            for point in range(1, points + 1):
                count = len(windows) * point // points - done
                began = time.perf_counter()
                costs, norms, state = self._train(windows, state, epoch, done, count)
                seconds += time.perf_counter() - began
                words += count * config.batch_size * config.num_steps
                done += count
                rows.append(
                    {
                        "words": words,
                        "seconds": seconds,
                        "words_per_second": words / seconds,
                        "train_nats": float(costs.mean()) / config.num_steps,
                        "valid_nats": self.valid_nats(self.carries_state),
                        "grad_norm": float(norms.mean()),
                        "clipped": float((norms > config.max_grad_norm).mean()),
                    }
                )
        return rows

    def valid_nats(self, carries_state: bool) -> float:
        """Nats a word of the valid split, with the state carried or zeroed at each window."""
        from ptb import reader  # noqa: PLC0415

        windows = reader.every_token(self.corpus.valid, VALID_ROWS, self.config.num_steps)
        score = self._evaluator(dataclasses.replace(windows, carries_state=carries_state))
        return score.nats / score.tokens

    def _windows(self, epoch: int):
        from ptb import reader  # noqa: PLC0415

        config = self.config
        seed = (config.seed, epoch)
        return reader.epoch(
            self.corpus.train, config.batch_size, config.num_steps, config.sampling, seed
        )

    def _train(self, windows, state, epoch: int, first: int, count: int, learning_rate=None):
        import tensorflow as tf  # noqa: PLC0415

        if learning_rate is None:
            learning_rate = self.config.learning_rate_at(epoch)
        seed = (self.config.seed, epoch)
        starts = tf.constant(windows.starts)
        costs, norms, state = self._step(
            self._stream, starts, state, learning_rate, first, count, seed
        )
        return costs.numpy(), norms.numpy(), state

    def _warm_up(self) -> None:
        """Traces the step: one window with a learning rate of 0 changes no weight."""
        windows = self._windows(0)
        self._train(windows, self.model.initial_state(self.config.batch_size), 0, 0, 1, 0.0)
