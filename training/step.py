"""One training step: loss, gradient, clip and update; and many of them in one call.

Axis letters: B = batch_size, T = num_steps, K = windows in one call.

The tutorial's recipe, figure by figure:

    loss      sum over T of the mean over B of the cross-entropy, in nats
    gradient  of that loss, through the T steps of the window, stopped at the incoming state
    norm      one norm over all gradients; the embedding's rows enter one by one, not summed for
              repeated words, since TF1 clips the IndexedSlices (`tf.linalg.global_norm`)
    update    weight -= learning_rate * min(1, max_grad_norm / norm) * gradient, or another
              optimizer's
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from training.optimizers import SGD


class TrainStep:
    """`costs, grad_norms, state = step(stream, starts, state, learning_rate, first, count, seed)`.

    One call walks K = `count` windows in order without returning to Python.

      stream         int32 `[N]`, on the device
      starts         int32 `[all windows, B]`, on the device: where each row of each window starts
      state          the state before the first window
      learning_rate  float32 scalar, or `[all windows]`
      first, count   the windows of this call; all that are left where `count` is not given
      seed           int32 `[2]`: dropout's; window k draws from (seed, k)
      costs          float32 `[K]`: the loss before each update, in nats
      grad_norms     float32 `[K]`: the global norm before clipping
    """

    def __init__(
        self,
        model,
        num_steps: int,
        max_grad_norm: float,
        carries_state: bool = True,
        optimizer=None,
    ):
        self._model = model
        self._optimizer = optimizer or SGD(model.trainable_weights)
        self._num_steps = num_steps
        self._max_grad_norm = max_grad_norm
        self._carries_state = carries_state

    def __call__(self, stream, starts, state, learning_rate, first=0, count=None, seed=(0, 0)):
        count = len(starts) - first if count is None else count
        learning_rates = tf.constant(np.broadcast_to(np.float32(learning_rate), [len(starts)]))
        first, count = tf.constant(first, tf.int32), tf.constant(count, tf.int32)
        seed = tf.constant(seed, tf.int32)
        return self._windows(stream, starts, state, learning_rates, first, count, seed)

    def export_slots(self) -> dict[str, np.ndarray]:
        """What the optimizer remembers, by name; nothing for SGD."""
        return {name: slot.numpy() for name, slot in self._optimizer.slots.items()}

    def import_slots(self, slots: dict[str, np.ndarray]) -> None:
        """Takes what `export_slots` gave. Raises ValueError for anything else."""
        expected = {n: (tuple(s.shape), s.dtype) for n, s in self._optimizer.slots.items()}
        if {n: (s.shape, tf.as_dtype(s.dtype)) for n, s in slots.items()} != expected:
            raise ValueError("the checkpoint has slots that this optimizer does not have")
        for name, slot in self._optimizer.slots.items():
            slot.assign(slots[name])

    # Every figure that changes from call to call is a tensor: a call never traces anew.
    @tf.function
    def _windows(self, stream, starts, state, learning_rates, first, count, seed):
        costs = tf.TensorArray(tf.float32, count)
        grad_norms = tf.TensorArray(tf.float32, count)
        for k in tf.range(first, first + count):
            if not self._carries_state:
                state = tf.nest.map_structure(tf.zeros_like, state)
            tokens = tf.gather(stream, starts[k][:, None] + tf.range(self._num_steps + 1))
            window_seed = tf.random.fold_in(seed, k)
            cost, grad_norm, state = self._window(tokens, state, learning_rates[k], window_seed)
            costs = costs.write(k - first, cost)
            grad_norms = grad_norms.write(k - first, grad_norm)
        return costs.stack(), grad_norms.stack(), state

    def _window(self, tokens, state, learning_rate, seed):
        variables = [weight.value for weight in self._model.trainable_weights]
        with tf.GradientTape() as tape:
            nats, state = self._model.nats(
                tokens[:, :-1], tokens[:, 1:], state, training=True, seed=seed
            )
            cost = tf.reduce_sum(tf.reduce_mean(nats, axis=0))
        gradients = tape.gradient(cost, variables)
        grad_norm = tf.linalg.global_norm(gradients)
        scale = self._max_grad_norm / tf.maximum(grad_norm, self._max_grad_norm)
        self._optimizer.apply(variables, gradients, learning_rate, scale)
        return cost, grad_norm, state
