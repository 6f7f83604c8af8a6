"""The names of weights in TensorFlow 1 and in older checkpoints, and their names here.

They are in the original tutorial's checkpoints, in recordings of TensorFlow 1, and in checkpoints
of this project that were written before its weights were named by their path in the model:

    Model/embedding                                             embedding
    Model/RNN/multi_rnn_cell/cell_0/basic_lstm_cell/kernel      layers/0/kernel
    Model/RNN/multi_rnn_cell/cell_1/gru_cell/candidate/bias     layers/1/candidate_bias
    m0, v0, average0                                            m/embedding, v/..., average/...

The tutorial's block mode calls the cell `lstm_cell`, its basic mode `basic_lstm_cell`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterable, Mapping

PREFIX = "Model/"
LAYER = re.compile(r"RNN/multi_rnn_cell/cell_(\d+)/(.+)")
LSTM_NAMES = ("lstm_cell", "basic_lstm_cell")
PARTS = re.compile(r"(gates|candidate)_(kernel|bias)")
MODES = ("block", "basic")  # the tutorial's: which of its LSTM cells it uses
# What TensorFlow 1 calls a cell, by its name here; that of an LSTM by the tutorial's mode.
SCOPES = {
    "basic": "basic_lstm_cell",
    "block": "lstm_cell",
    "peephole_lstm": "lstm_cell",
    "gru": "gru_cell",
    "rnn": "basic_rnn_cell",
}
# The files of a checkpoint after its path; the last makes it one.
FILES = (".data-00000-of-00001", ".index")
SLOT = re.compile(r"(m|v|average)(\d+)")


def weight_name(tf1_name: str) -> str:
    """Converts the name of a weight in TensorFlow 1; leaves any other name unchanged."""
    if not tf1_name.startswith(PREFIX):
        return tf1_name
    name = tf1_name.removeprefix(PREFIX)
    layer = LAYER.fullmatch(name)
    return f"layers/{layer[1]}/{cell_weight_name(layer[2])}" if layer else name


def tf1_name(name: str, cell: str) -> str:
    """The inverse of `weight_name`, for a model of cells called `cell` in `SCOPES`."""
    first, _, rest = name.partition("/")
    if first != "layers":
        return f"{PREFIX}{name}"
    layer, _, weight = rest.partition("/")
    path = PARTS.sub(r"\1/\2", weight)
    return f"{PREFIX}RNN/multi_rnn_cell/cell_{layer}/{SCOPES[cell]}/{path}"


def cell_weight_name(tf1_name: str) -> str:
    """The name of a weight within its cell, such as `gates_kernel` for `gru_cell/gates/kernel`."""
    _, _, name = tf1_name.partition("/")
    return name.replace("/", "_")


def renamed(weights: Mapping[str, object]) -> dict:
    """The same weights under the names of this project."""
    return {weight_name(name): weight for name, weight in weights.items()}


def tutorial_names(present: Collection[str]) -> list[str]:
    """The TF1 names of the tutorial's weights, given the names `present` in a checkpoint.

    Raises KeyError with the name of one that is missing.
    """
    cells = []
    for layer in itertools.count():
        scopes = [f"{PREFIX}RNN/multi_rnn_cell/cell_{layer}/{name}" for name in LSTM_NAMES]
        found = [scope for scope in scopes if f"{scope}/kernel" in present]
        if layer and not found:
            break
        cells += [f"{(found or scopes)[0]}/{part}" for part in ("kernel", "bias")]
    ends = [f"{PREFIX}{name}" for name in ("embedding", "softmax_w", "softmax_b")]
    for name in (names := [ends[0], *cells, *ends[1:]]):
        if name not in present:
            raise KeyError(name)
    return names


def slots_by_weight(slots: Mapping[str, object], weights: Iterable[str]) -> dict:
    """Renames the optimizer slots of an older checkpoint after their weights.

    They were numbered: first the embedding and the softmax, then the layers from the bottom up.
    `weights` are the names of the model's weights in the layout of its layers. A slot with another
    number keeps its name.
    """
    weights = list(weights)
    in_layers = [name for name in weights if name.startswith("layers/")]
    order = dict(enumerate([*(name for name in weights if name not in in_layers), *in_layers]))

    def name(old: str) -> str:
        numbered = SLOT.fullmatch(old)
        weight = order.get(int(numbered[2])) if numbered else None
        return f"{numbered[1]}/{weight}" if numbered and weight else old

    return {name(old): slot for old, slot in slots.items()}
