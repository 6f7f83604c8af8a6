"""TensorFlow 1.15 in a separate process that answers commands."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ptb.machine.child import ChildFailed, Program
from ptb.training.config import Config

PROGRAM = Path(__file__).with_name("tf1_program.py")
PYTHON_VARIABLE = "PTB_TF1_PYTHON"
INSTALL = (
    'python3.7 -m venv tf1 && tf1/bin/pip install "tensorflow==1.15.5" "protobuf<3.21" "numpy<1.19"'
)

# What the program reads of a config as it is.
SETTINGS = (
    *("hidden_size", "num_layers", "num_steps", "batch_size", "max_grad_norm", "keep_prob"),
    *("init_scale", "forget_bias", "seed"),
)
# What a config may differ in from the tutorial's `small`.
READ = (
    *(*SETTINGS, "cell", "vocab_size", "rnn_mode"),
    *("num_epochs", "learning_rate", "constant_epochs", "learning_rate_decay"),
)
CELLS = ("lstm", "gru", "rnn", "peephole_lstm")


class Oracle:
    """The commands of `tf1_program`, one method each; arrays go and come as dicts of arrays.

    `python` is the interpreter that has TensorFlow 1.15. Raises ValueError, which says how to get
    it and by which `flag` to name it, where there is none.
    """

    def __init__(self, python: str | None = None, flag: str = "python"):
        python = python or os.environ.get(PYTHON_VARIABLE)
        remedy = f"{INSTALL}; then give --{flag}=tf1/bin/python, or set {PYTHON_VARIABLE}"
        if not python:
            raise ValueError(f"TensorFlow 1.15 is needed, in a Python 3.7 of its own: {remedy}")
        try:
            self._program = Program(
                # -I: neither the working folder nor the user's own packages are on its path.
                [python, "-I", str(PROGRAM)],
                quiet=True,
            )
        except OSError as error:
            raise ValueError(f"{python} cannot be run ({error.strerror}): {remedy}") from None
        try:
            answer = self._program.ask("version")
            if not isinstance(answer, dict) or answer.keys() != {"version", "peak_bytes"}:
                raise ChildFailed(python, f"it answered {str(answer)[:80]!r}")
            self.version, self.import_bytes = answer["version"], answer["peak_bytes"]
            if not str(self.version).startswith("1.15"):
                raise ChildFailed(python, f"it has {self.version}")
        except ChildFailed as error:
            self._program.close()
            raise ValueError(
                f"{python} has no TensorFlow 1.15 ({error.reason}): {remedy}"
            ) from None
        self._folder = tempfile.TemporaryDirectory()

    def open(
        self,
        settings: dict,
        texts: Mapping[str, np.ndarray],
        weights: Mapping[str, np.ndarray] | None = None,
        masks: np.ndarray | None = None,
    ) -> None:
        """Builds the graphs. `weights` have TensorFlow 1's names."""
        arrays = {f"text/{split}": ids for split, ids in texts.items()}
        arrays |= {f"weights/{name}": weight for name, weight in (weights or {}).items()}
        if masks is not None:
            arrays["masks"] = masks
        self._program.ask("open", settings, self._write(arrays))

    def train(self, count: int, learning_rate: float, from_zero: bool = False) -> dict:
        """`costs` and `norms` of `count` windows, `seconds`, `peak_bytes`."""
        return self._program.ask("train", count, learning_rate, None, from_zero)

    def record(self, count: int, learning_rate: float) -> dict[str, np.ndarray]:
        """As `train`, with the `inputs` and `targets` of each window and all `values` after it."""
        path = self._path()
        answer = self._program.ask("train", count, learning_rate, path)
        return self._read(path) | {
            "cost": np.array(answer["costs"], np.float32),
            "grad_norm": np.array(answer["norms"], np.float32),
        }

    def score(self, split: str, count: int) -> dict:
        """The `nats` of `count` windows of a text, `seconds`, `peak_bytes`."""
        return self._program.ask("score", split, count)

    def values(self) -> dict[str, np.ndarray]:
        """`weights/NAME` and `state/LAYER/PART` as they are."""
        path = self._path()
        self._program.ask("weights", path)
        return self._read(path)

    def save(self, prefix: str) -> str:
        """Writes a checkpoint; its path without `.index`."""
        return self._program.ask("save", os.path.abspath(prefix))

    def restore(self, prefix: str) -> None:
        """Reads the weights of a checkpoint."""
        self._program.ask("restore", os.path.abspath(prefix))

    def unroll(self, settings: dict, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """`tf.nn.static_rnn` over a stack of cells, with a `sequence_length`."""
        result = self._path()
        self._program.ask("unroll", settings, self._write(arrays), result)
        return self._read(result)

    def close(self) -> None:
        self._program.close()
        self._folder.cleanup()

    def __enter__(self) -> Oracle:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def _path(self) -> str:
        return str(Path(self._folder.name) / "arrays.npz")

    def _write(self, arrays: Mapping[str, np.ndarray]) -> str:
        np.savez(self._path(), **arrays)
        return self._path()

    def _read(self, path: str) -> dict[str, np.ndarray]:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}


def settings_of(config: Config, vocab_size: int, mode: str = "block") -> dict:
    """The fields of a config that the program reads. `mode` names the tutorial's LSTM cell.

    Raises ValueError for a config that TensorFlow 1's tutorial could not train.
    """
    plain = Config()
    for name, value in vars(config).items():
        if name not in READ and value != getattr(plain, name):
            raise ValueError(f"the original has no {name}={value}: leave it out")
    if config.cell not in CELLS:
        raise ValueError(f"TensorFlow 1 has no cell={config.cell}: choose from {', '.join(CELLS)}")
    cell = mode if config.cell == "lstm" else config.cell
    return {name: getattr(config, name) for name in SETTINGS} | {
        "cell": cell,
        "vocab_size": vocab_size,
    }
