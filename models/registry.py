"""The list of recurrent cells, one line for each. Does not import TensorFlow.

A line holds what must be known before TensorFlow is imported. The class of the cell, derived from
`models.cell.Cell`, has the rest: weights, state, equations, recurrent weights.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Entry:
    """One cell: the path of its class, the options that it reads, and the layers that unroll it.

    `path` and the values of `unrolls` are written "module:Class". `reads` names the fields of a
    config that only some cells read. `unrolls` maps an `rnn_mode` to the class of its layer;
    `models.static_rnn.StaticRNN` unrolls every cell.
    """

    path: str
    reads: tuple[str, ...] = ("weight_keep_prob",)
    unrolls: Mapping[str, str] = field(default_factory=dict)

    def cell_class(self) -> Any:
        """The class of the cell. Imports TensorFlow."""
        return _load(self.path)

    def layer_class(self, rnn_mode: str) -> Any:
        """The layer that unrolls the cell. Imports TensorFlow. Raises KeyError if none does."""
        return _load({"static": "models.static_rnn:StaticRNN", **self.unrolls}[rnn_mode])


LSTM = ("forget_bias", "weight_keep_prob")
CELLS = {
    "lstm": Entry(
        "models.cells:LSTMCell",
        LSTM,
        {"fused": "models.fused_lstm:FusedLSTM", "keras": "models.keras_lstm:KerasLSTM"},
    ),
    "gru": Entry("models.cells:GRUCell"),
    "rnn": Entry("models.cells:BasicRNNCell"),
    "peephole_lstm": Entry("models.cells:PeepholeLSTMCell", LSTM),
    "min_gru": Entry("models.cells:MinGRUCell", reads=()),
}


def rnn_modes(cell: str) -> tuple[str, ...]:
    """The ways to unroll the cell of that name."""
    return ("static", *CELLS[cell].unrolls)


def cells_that_read(option: str) -> tuple[str, ...]:
    """The names of the cells that read this field of a config."""
    return tuple(name for name, entry in CELLS.items() if option in entry.reads)


def import_all() -> None:
    """Imports the class of every cell and of every layer that unrolls one."""
    for name, entry in CELLS.items():
        entry.cell_class()
        for rnn_mode in rnn_modes(name):
            entry.layer_class(rnn_mode)


def _load(path: str) -> Any:
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)
