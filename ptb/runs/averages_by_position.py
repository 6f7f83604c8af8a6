"""Reads old checkpoints of runs with `ema_momentum`, whose averages have no names.

In them the slots `average0`, `average1`, ... follow the model's trainable weights. At the end of an
epoch they hold the trained weights, and `weights` the averages; within an epoch it is the reverse.
"""

from __future__ import annotations

import dataclasses

from models import tf1_names
from models.weights import check_weights
from ptb.runs.checkpoint import Checkpoint
from ptb.training.state import AVERAGE, of_kind


def named_averages(checkpoint: Checkpoint, model) -> Checkpoint:
    """Converts a checkpoint to today's form: `weights` are the trained ones, averages have names.

    A checkpoint of today's form is returned unchanged. `model` gives the order of the slots.
    Raises ValueError for slots of another model.
    """
    own = {name: weight for name, weight in model.own_weights().items() if weight.trainable}
    slots = tf1_names.slots_by_weight(checkpoint.slots, own)
    if of_kind(AVERAGE, slots).keys() == of_kind(AVERAGE, checkpoint.slots).keys():
        return checkpoint
    by_position = of_kind(AVERAGE, slots)
    check_weights(by_position, {name: tuple(weight.shape) for name, weight in own.items()})
    weights, averages = checkpoint.weights, model.to_canonical(by_position)
    progress = checkpoint.progress
    if progress.epoch and not progress.window:
        weights, averages = averages, weights
    numbered = {f"{AVERAGE}{i}" for i in range(len(own))}
    others = {name: slot for name, slot in checkpoint.slots.items() if name not in numbered}
    others |= {f"{AVERAGE}/{name}": average for name, average in averages.items()}
    return dataclasses.replace(checkpoint, weights=weights, slots=others)
