"""Data parallelism: divides the rows of a batch among devices or workers.

Axis letters: B = batch_size of all replicas together, R = replicas, T = num_steps.

Replica r has the rows `[r B/R, (r + 1) B/R)` of every window. Row b of a window continues row b of
the window before, so each replica can keep the state of its rows. If whole windows were dealt out
in turn, the carried state would belong to another text.

In each step replicas exchange one message: the sums of their gradients.
"""

from __future__ import annotations

import contextlib

import numpy as np
import tensorflow as tf


class Replicas:
    """The replicas of a `tf.distribute.Strategy`; without one, a single replica: this process.

    The model that they train must have been built under `scope()`. The methods from `rows` on are
    for functions that `run` calls. `alone` says that no other process has replicas.
    """

    def __init__(self, strategy: tf.distribute.Strategy | None = None):
        self._strategy = strategy
        self.count = strategy.num_replicas_in_sync if strategy else 1
        self.alone = not isinstance(self._strategy, tf.distribute.MultiWorkerMirroredStrategy)

    def scope(self):
        """The context for creating variables, so that each replica has a copy."""
        return self._strategy.scope() if self._strategy else contextlib.nullcontext()

    def run(self, function, *arguments):
        """Calls `function` on every replica; each replica gets the same tensors."""
        if self._strategy is None:
            return function(*arguments)
        return self._strategy.run(function, args=arguments)

    def scatter(self, state):
        """Each replica's rows of a nest of `[B, ...]`."""
        return self.run(lambda whole: tf.nest.map_structure(self.rows, whole), state)

    def gather(self, state):
        """The inverse of `scatter`: joins the rows of all replicas into a nest of `[B, ...]`."""
        whole = self.run(lambda own: self.sum(tf.nest.map_structure(self._padded, own)), state)
        return tf.nest.map_structure(self.one, whole)

    def one(self, value):
        """The value that is equal on all replicas, as a plain tensor."""
        if self._strategy is None:
            return value
        return self._strategy.experimental_local_results(value)[0]

    def max_over_workers(self, number: int) -> int:
        """The maximum over all workers. All must call it at the same point of the run."""
        return number if self.alone else int(self._max(tf.constant(float(number), tf.float32)))

    def from_chief(self, arrays):
        """The first worker's nest of arrays, of shapes and dtypes that all have, on every worker.

        Numbers travel as float32, so integers must be below 2^24.
        """
        if self.alone:
            return arrays
        sent = self._from_chief(tf.nest.map_structure(lambda a: np.asarray(a, np.float32), arrays))
        return tf.nest.map_structure(lambda own, a: a.numpy().astype(own.dtype), arrays, sent)

    def rows(self, values):
        """This replica's part of `[B, ...]`: B / R rows, a number that the graph knows."""
        if self.count == 1:
            return values
        return tf.reshape(values, [self.count, -1, *values.shape[1:]])[self._id()]

    def row_range(self, batch_size: int):
        """The first of this replica's rows, and the rows of the batch; None if it has all rows."""
        if self.count == 1:
            return None
        return self._id() * (batch_size // self.count), batch_size

    def sum(self, values):
        """The sums over the replicas of a nest of tensors, in one message."""
        if self.count == 1:
            return values
        return tf.distribute.get_replica_context().all_reduce("SUM", values)

    def sum_gradients(self, cost, gradients, inputs):
        """The cost and the gradients of all rows from those of each replica's.

        A sparse gradient has a row for each token of this replica's part of `inputs`, int32
        `[B, T]`, and comes out with a row for each of the B T tokens, as one machine has it: the
        norm counts them one by one.
        """
        if self.count == 1:
            return cost, gradients
        tokens = tf.reshape(inputs, [-1])

        def outgoing(gradient):
            is_sparse = isinstance(gradient, tf.IndexedSlices)
            return self._padded(gradient.values) if is_sparse else gradient

        def incoming(gradient, total):
            is_sparse = isinstance(gradient, tf.IndexedSlices)
            return tf.IndexedSlices(total, tokens, gradient.dense_shape) if is_sparse else total

        cost, totals = self.sum((cost, list(map(outgoing, gradients))))
        return cost, list(map(incoming, gradients, totals))

    @tf.function
    def _max(self, number):
        numbers = self.run(lambda own: self.sum(self._padded(own[None])), number)
        return tf.reduce_max(self.one(numbers))

    @tf.function
    def _from_chief(self, arrays):
        def contribution():
            is_first = tf.equal(self._id(), 0)
            return tf.nest.map_structure(
                lambda own: tf.where(is_first, own, tf.zeros_like(own)), arrays
            )

        return tf.nest.map_structure(self.one, self.run(lambda: self.sum(contribution())))

    def _padded(self, values):
        """`[B, ...]` from this replica's `[B / R, ...]`: zeros where the others' rows are."""
        if self.count == 1:
            return values
        size = tf.shape(values)[0]
        before, after = self._id() * size, (self.count - 1 - self._id()) * size
        return tf.pad(values, [[before, after]] + [[0, 0]] * (len(values.shape) - 1))

    def _id(self):
        return tf.distribute.get_replica_context().replica_id_in_sync_group
