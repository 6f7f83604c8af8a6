"""Exports and imports the state of an optimizer as arrays by name.

A slot is named by its kind and its weight, such as `m/layers/0/kernel`, in the canonical form of
the weight. A counter has its name alone.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from models import tf1_names
from ptb.training.state import AVERAGE, of_kind


def export_slots(optimizer, model) -> dict[str, np.ndarray]:
    """The slots and counters of `optimizer`, which trains `model`; nothing for plain SGD."""
    arrays = {name: counter.numpy() for name, counter in optimizer.counters.items()}
    for kind, slots in optimizer.slots.items():
        own = {name: slot.numpy() for name, slot in slots.items()}
        arrays |= _prefixed(kind, model.to_canonical(own, kind == AVERAGE))
    return arrays


def import_slots(optimizer, model, arrays: Mapping[str, np.ndarray]) -> None:
    """Restores the arrays of `export_slots`, or of an older checkpoint.

    Raises ValueError for anything else.
    """
    own = {name: weight for name, weight in model.own_weights().items() if weight.trainable}
    arrays = _from_older(optimizer, model, arrays, own)
    frozen = model.own_weights().keys() - own.keys()
    shapes = {name: shape for name, shape in model.weight_shapes().items() if name not in frozen}
    expected = {name: ((), counter.dtype) for name, counter in optimizer.counters.items()}
    for kind in optimizer.slots:
        expected |= _prefixed(kind, {name: (shape, tf.float32) for name, shape in shapes.items()})
    if {n: (a.shape, tf.as_dtype(a.dtype)) for n, a in arrays.items()} != expected:
        raise ValueError("the checkpoint has slots that this optimizer does not have")
    for name, counter in optimizer.counters.items():
        counter.assign(arrays[name])
    for kind, slots in optimizer.slots.items():
        values = model.from_canonical(of_kind(kind, arrays), kind == AVERAGE)
        for name, slot in slots.items():
            slot.assign(values[name])


def _from_older(optimizer, model, arrays: Mapping, own: Mapping) -> dict:
    """The arrays by name and in the canonical form, if an older checkpoint numbered them."""
    named = tf1_names.slots_by_weight(arrays, own)
    if named.keys() == arrays.keys():
        return dict(arrays)
    for kind in optimizer.slots:
        slots = of_kind(kind, named)
        if slots.keys() == own.keys():
            named = {n: a for n, a in named.items() if not n.startswith(f"{kind}/")}
            named |= _prefixed(kind, model.to_canonical(slots, kind == AVERAGE))
    return named


def _prefixed(kind: str, values: Mapping) -> dict:
    return {f"{kind}/{name}": value for name, value in values.items()}
