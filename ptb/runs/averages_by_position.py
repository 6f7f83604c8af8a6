"""Checkpoints of runs with `ema_momentum` that were written before averages had names.

In them the slots `average0`, `average1`, ... follow the model's trainable weights. At the end of an
epoch they hold the trained weights, and `weights` the averages; within an epoch it is the reverse.
"""

from __future__ import annotations

import dataclasses

from ptb.runs.checkpoint import Checkpoint
from ptb.training.state import AVERAGE

BY_POSITION = "average{}"


def named_averages(checkpoint: Checkpoint, model) -> Checkpoint:
    """The checkpoint with today's meaning: `weights` are those to train, averages have names.

    It is returned as it is if it has that meaning. `model`, by whose layout the slots are read,
    loses its weights. Raises ValueError for slots of another model.
    """
    slots, variables = dict(checkpoint.slots), model.trainable_weights
    by_position = [slots.pop(BY_POSITION.format(i), None) for i in range(len(variables))]
    if by_position[0] is None:
        return checkpoint
    for variable, value in zip(variables, by_position, strict=True):
        if value is None or value.shape != tuple(variable.shape):
            raise ValueError("the checkpoint has slots that this optimizer does not have")
        variable.assign(value)
    weights, averages = checkpoint.weights, model.export_weights()
    progress = checkpoint.progress
    if progress.epoch and not progress.window:
        weights, averages = averages, weights
    slots |= {f"{AVERAGE}{name}": average for name, average in averages.items()}
    return dataclasses.replace(checkpoint, weights=weights, slots=slots)
