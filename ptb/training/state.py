"""The training state: everything that training changes, saved and restored as a whole.

Axis letters: B = batch_size, H = hidden size.

The model always holds the trained weights. If the optimizer averages them, it holds the averages.
These are then the evaluation weights, which are validated, kept as the best and exported.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ptb.training.progress import Progress

# The kind of an optimizer's slots that are averages of the weights, and the counter of the steps
# that they are of. An array of a kind is named `KIND/WEIGHT` (`ptb.training.slots`).
AVERAGE, COUNT = "average", "averaged"


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A training state as arrays, between two windows.

    `progress`  how far the run has come
    `weights`   the trained weights, under the names of `LanguageModel.export_weights`
    `state`     the recurrent state of the whole batch, float32 `[B, H]` each, in the order of
                `tf.nest.flatten`
    `slots`     the state of the optimizer, by name; empty for plain SGD
    """

    progress: Progress
    weights: Mapping[str, np.ndarray] = field(repr=False)
    state: Sequence[np.ndarray] = field(repr=False)
    slots: Mapping[str, np.ndarray] = field(default_factory=dict, repr=False)

    @property
    def evaluation_weights(self) -> dict[str, np.ndarray]:
        """The averages of the weights if there are any yet, else the trained weights."""
        if not self.slots.get(COUNT, 0):
            return dict(self.weights)
        return dict(self.weights) | of_kind(AVERAGE, self.slots)


def of_kind(kind: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Of arrays by name, those whose name begins with `kind/`, by the rest of it."""
    path = f"{kind}/"
    return {n.removeprefix(path): a for n, a in arrays.items() if n.startswith(path)}


class TrainingState:
    """The live state, which training changes in place.

    `model`      has the trained weights
    `optimizer`  has the slots, and the averages of the weights if they are kept
    `recurrent`  the recurrent state after the last window, a nest of `[B, H]`
    `progress`   how far the run has come
    """

    def __init__(self, model, optimizer, batch_size: int):
        self.model, self.optimizer, self._batch_size = model, optimizer, batch_size
        self.progress = Progress()
        self.reset_recurrent()

    def reset(self) -> None:
        """Resets everything but the weights to the start of a run."""
        self.progress = Progress()
        self.reset_recurrent()
        optimizer = self.optimizer
        slots = (slot for kind in optimizer.slots.values() for slot in kind.values())
        for each in (*optimizer.counters.values(), *slots):
            each.assign(np.zeros(each.shape, each.dtype.as_numpy_dtype))

    def reset_recurrent(self) -> None:
        """Zeroes the recurrent state, as at the start of every epoch."""
        self.recurrent = self.model.initial_state(self._batch_size)

    @contextlib.contextmanager
    def evaluation_weights(self) -> Iterator[None]:
        """A context in which the model has the evaluation weights; then the trained ones return."""
        self._exchange_averages()
        try:
            yield
        finally:
            self._exchange_averages()

    def export_evaluation_weights(self) -> dict[str, np.ndarray]:
        """A copy of the evaluation weights, by name."""
        with self.evaluation_weights():
            return self.model.export_weights()

    def export(self) -> Snapshot:
        """A copy of the whole state."""
        import tensorflow as tf  # noqa: PLC0415  (who only reads a checkpoint needs none)

        from ptb.training.slots import export_slots  # noqa: PLC0415

        return Snapshot(
            progress=self.progress,
            weights=self.model.export_weights(),
            state=[np.asarray(each) for each in tf.nest.flatten(self.recurrent)],
            slots=export_slots(self.optimizer, self.model),
        )

    def restore(self, snapshot: Snapshot) -> None:
        """Restores a snapshot of `export`. Raises ValueError if it belongs to another model."""
        import tensorflow as tf  # noqa: PLC0415

        from ptb.training.slots import import_slots  # noqa: PLC0415

        zeros = self.model.initial_state(self._batch_size)
        expected = [(tuple(t.shape), t.dtype.as_numpy_dtype) for t in tf.nest.flatten(zeros)]
        if [(each.shape, each.dtype.type) for each in snapshot.state] != expected:
            raise ValueError("the recurrent state has other shapes than in the model")
        self.model.import_weights(snapshot.weights)
        import_slots(self.optimizer, self.model, snapshot.slots)
        self.recurrent = tf.nest.pack_sequence_as(zeros, list(map(tf.constant, snapshot.state)))
        self.progress = snapshot.progress

    def share(self, replicas) -> None:
        """Gives every worker the state of the chief. All workers must call it."""
        if replicas.alone:
            return
        own = self.export()
        progress = np.frombuffer(json.dumps(dataclasses.asdict(own.progress)).encode(), np.uint8)
        padding = replicas.max_over_workers(len(progress)) - len(progress)
        arrays = {
            "progress": np.pad(progress, (0, padding)),
            "weights": own.weights,
            "state": own.state,
            "slots": own.slots,
        }
        arrays = replicas.from_chief(arrays)
        text = arrays.pop("progress").tobytes().rstrip(b"\0")
        self.restore(Snapshot(progress=Progress.from_dict(json.loads(text)), **arrays))

    def _exchange_averages(self) -> None:
        """Swaps each weight with its average, one by one, so that no full copy is needed."""
        averages = self.optimizer.slots.get(AVERAGE, {}).values()
        if not averages or not self.optimizer.counters[COUNT].numpy():
            return
        for weight, average in zip(self.model.trainable_weights, averages, strict=True):
            value = weight.numpy()
            weight.assign(average.numpy())
            average.assign(value)
