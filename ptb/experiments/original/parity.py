"""The same windows, from the same weights, in TensorFlow 1.15 and here: how far apart are they?

Axis letters: B = batch_size, T = num_steps, L = num_layers, H = hidden_size, K = windows.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from pathlib import Path

import numpy as np
import tensorflow as tf

from models import tf1_names
from models.dropout import dropout
from models.dynamic_rnn import dynamic_rnn
from models.language_model import recurrent_layers
from models.registry import CELLS, rnn_modes
from models.static_rnn import static_rnn
from ptb.data import reader
from ptb.experiments.original.oracle import Oracle, settings_of
from ptb.machine.atomic_file import write_atomically
from ptb.training.config import Config
from ptb.training.model import build_model
from ptb.training.step import TrainStep

SEED = (1, 2)  # dropout's
TOLERANCE = 1e-5  # relative, in float32
# How far TensorFlow 1 may be from float64 in one window. In `small`, it was 1.2e-5 away in a window
# with a gradient norm of 118, and this project 2.8e-6 (results/original.md).
THEIR_ROUNDING = 1e-4


@dataclasses.dataclass(frozen=True)
class Case:
    """A case that both sides train: `ids` int32 `[N]`, K windows at one learning rate.

    `mode` is which of its LSTM cells the tutorial uses.
    """

    config: Config
    vocab_size: int
    ids: np.ndarray
    num_windows: int
    mode: str = "block"

    @property
    def masks(self) -> np.ndarray | None:
        """The dropout masks that this project draws, `[K, L + 1, T, B, H]`; None without dropout.

        The first of a window are those of the embedded words, the others of the layers' outputs.
        """
        config = self.config
        if config.keep_prob == 1.0:
            return None
        ones = [tf.ones([config.batch_size, config.hidden_size])] * config.num_steps
        return np.array(
            [
                [
                    tf.stack(
                        dropout(
                            ones,
                            config.keep_prob,
                            tf.random.fold_in(tf.random.fold_in(SEED, window), index),
                        )
                    )
                    for index in range(config.num_layers + 1)
                ]
                for window in range(self.num_windows)
            ]
        )


def theirs(oracle: Oracle, case: Case) -> tuple[dict, dict]:
    """Trains a case in TensorFlow 1: its first weights by name, and its trajectory.

    A trajectory has `inputs`, `targets` `[K, B, T]`, `cost`, `grad_norm` `[K]`, and after each
    window `weights/NAME` `[K, ...]` and `state/LAYER/PART` `[K, B, H]`.
    """
    settings = settings_of(case.config, case.vocab_size, case.mode)
    oracle.open(settings, {"train": case.ids}, masks=case.masks)
    first = weights_of(oracle)
    return first, _renamed(oracle.record(case.num_windows, case.config.learning_rate))


def ours(
    case: Case, weights: dict, rnn_mode: str, anew_from: dict | None = None
) -> dict[str, np.ndarray]:
    """Trains a case in this project from the given weights: its trajectory.

    `anew_from` is a trajectory from which each window starts: from its weights and its state
    before this window. So no difference goes from window to window.
    """
    config = dataclasses.replace(case.config, rnn_mode=rnn_mode)
    model = build_model(config, case.vocab_size)
    model.import_weights(weights)
    step = TrainStep(model, config.num_steps, config.max_grad_norm)
    windows = reader.sequential(case.ids, config.batch_size, config.num_steps)
    stream, starts = tf.constant(windows.stream), windows.starts
    state = model.initial_state(config.batch_size)
    recorded = []
    for k in range(case.num_windows):
        if anew_from and k:
            before, state = _before(anew_from, k, state)
            model.import_weights(before)
        costs, norms, state = step(stream, starts, state, config.learning_rate, k, 1, SEED)
        values = dict(zip(("inputs", "targets"), windows[k], strict=True))
        values |= {"cost": costs[0], "grad_norm": norms[0]}
        recorded.append(values | _named(model.export_weights(), state))
    return _trajectory(recorded)


def in_float64(case: Case, weights: dict, anew_from: dict | None = None) -> dict[str, np.ndarray]:
    """The trajectory of a case in float64, from the tutorial's equations and autodiff alone.

    `anew_from` is as for `ours`.
    """
    config, masks = case.config, case.masks
    cells = _cells(config, "float64")
    variables = _cell_weights(cells)
    for name, variable in variables.items():
        variable.assign(weights[name])
    for name in ("embedding", "softmax_w", "softmax_b"):
        variables[name] = tf.Variable(weights[name], dtype=tf.float64)
    state: list = [cell.initial_state(config.batch_size) for cell in cells]
    windows = reader.sequential(case.ids, config.batch_size, config.num_steps)
    recorded = []
    for k in range(case.num_windows):
        if anew_from and k:
            before, state = _before(anew_from, k, state)
            for name, variable in variables.items():
                variable.assign(before[name])
        tokens, targets = windows[k]
        state = tf.nest.map_structure(lambda part: tf.cast(part, tf.float64), state)
        kept = np.ones(config.num_layers + 1) if masks is None else masks[k].astype(float)
        with tf.GradientTape() as tape:
            steps = kept[0] * tf.gather(variables["embedding"], tokens.T)
            next_state = []
            for layer, (cell, before) in enumerate(zip(cells, state, strict=True)):
                outputs, after = static_rnn(cell, tf.unstack(steps), before)
                steps = kept[layer + 1] * tf.stack(outputs)
                next_state.append(after)
            logits = tf.matmul(steps, variables["softmax_w"]) + variables["softmax_b"]
            nats = tf.nn.sparse_softmax_cross_entropy_with_logits(targets.T, logits)
            cost = tf.reduce_sum(nats) / config.batch_size
        gradients = tape.gradient(cost, variables)
        norm = tf.linalg.global_norm(list(gradients.values()))
        rate = config.learning_rate * min(1.0, config.max_grad_norm / float(norm))
        for name, gradient in gradients.items():
            variables[name].assign_sub(rate * tf.convert_to_tensor(gradient))
        state = next_state
        values = {"inputs": tokens, "targets": targets, "cost": cost, "grad_norm": norm}
        read = {name: tf.convert_to_tensor(each) for name, each in variables.items()}
        recorded.append(values | _named(read, state))
    return _trajectory(recorded)


def _before(trajectory: dict, k: int, state: list) -> tuple[dict, list]:
    """The weights and the state before window k > 0 of a trajectory.

    The state has the structure of `state`.
    """
    weights = {
        name.removeprefix("weights/"): values[k - 1]
        for name, values in trajectory.items()
        if name.startswith("weights/")
    }
    parts = [
        tf.constant(trajectory[f"state/{layer}/{part}"][k - 1])
        for layer, parts in enumerate(state)
        for part in range(len(parts))
    ]
    return weights, tf.nest.pack_sequence_as(state, parts)


def _named(weights: dict, state) -> dict:
    """Weights and the states of the layers after a window, by their names in a trajectory."""
    named = {f"weights/{name}": weight for name, weight in weights.items()}
    for layer, parts in enumerate(state):
        named |= {f"state/{layer}/{part}": value for part, value in enumerate(parts)}
    return named


def _trajectory(windows: list[dict]) -> dict[str, np.ndarray]:
    """The trajectory `[K, ...]` of the values of each window."""
    return {name: np.stack([np.array(each[name]) for each in windows]) for name in windows[0]}


def differences(actual: dict, expected: dict, forget_bias: float = 0.0) -> dict[str, float]:
    """The largest relative difference of any window: `cost`, `grad_norm`, `weights`, `state`.

    `expected` may have a quantity after the last windows alone. Of arrays, relative to their
    largest number; that of a bias is the one with `forget_bias`, which Keras keeps in it. Infinite
    where either side is NaN or infinite. Raises ValueError if the windows are not the same.
    """
    if actual.keys() != expected.keys():
        raise ValueError(f"only one side has {', '.join(actual.keys() ^ expected.keys())}")
    largest = dict.fromkeys(("cost", "grad_norm", "weights", "state"), 0.0)
    for name, value in expected.items():
        if name in ("inputs", "targets"):
            if not np.array_equal(actual[name], value):
                raise ValueError(f"the {name} of the windows are not the same")
            continue
        each = value.reshape(len(value), -1)
        error = np.abs(actual[name][-len(value) :].reshape(each.shape) - each).max(axis=1)
        size = np.abs(each).max(axis=1)
        if name.startswith("weights/layers/") and name.endswith("/bias"):
            size = np.maximum(size, np.abs(each + forget_bias).max(axis=1))
        relative = np.divide(error, size, out=error.astype(float), where=size > 0)
        kind = name.partition("/")[0]
        largest[kind] = max(largest[kind], _largest(relative))
    return largest


def _largest(errors: np.ndarray) -> float:
    """The largest error; infinite if one is NaN, which `max` would leave out."""
    return float(np.nan_to_num(errors, nan=np.inf, posinf=np.inf).max())


def save_recording(path: Path, case: Case, first: dict, trajectory: dict) -> None:
    """Writes a case and TensorFlow 1's trajectory, with the first and the last weights."""
    arrays = {f"first/{name}": weight for name, weight in first.items()}
    arrays |= {n: v[-1:] if n.startswith("weights/") else v for n, v in trajectory.items()}
    fields = dataclasses.asdict(case) | {"config": dataclasses.asdict(case.config)}
    arrays["ids"] = fields.pop("ids")
    arrays["case"] = np.array(json.dumps(fields))
    write_atomically(path, lambda file: np.savez_compressed(file, **arrays))


def load_recording(path: Path) -> tuple[Case, dict, dict]:
    """Reads what `save_recording` wrote."""
    with np.load(path, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    fields = json.loads(str(arrays.pop("case")))
    config = Config.from_dict(fields.pop("config"))
    case = Case(config, ids=arrays.pop("ids"), **fields)
    first = {name: arrays.pop(name) for name in list(arrays) if name.startswith("first/")}
    return case, {name.removeprefix("first/"): w for name, w in first.items()}, arrays


def forget_bias_of(config: Config) -> float:
    """What `differences` asks for."""
    return config.forget_bias if "forget_bias" in CELLS[config.cell].reads else 0.0


@dataclasses.dataclass(frozen=True)
class Comparison:
    """How far two trajectories of float32 are apart.

    `apart` is from `differences`. Rounding grows from window to window in a model whose gradient
    explodes. So where `apart` is above the tolerance, each window was trained by itself, from
    TensorFlow 1's weights and state before it: `ours` and `theirs` are the largest differences from
    float64 then. Else they are None.
    """

    apart: dict[str, float]
    ours: float | None = None
    theirs: float | None = None

    @property
    def agrees(self) -> bool:
        """Whether they are within the tolerance, or else each window by itself is near float64."""
        return (self.ours or 0.0) <= TOLERANCE and (self.theirs or 0.0) <= THEIR_ROUNDING

    @property
    def largest(self) -> float:
        return max(self.apart.values())


def comparison(case: Case, first: dict, expected: dict, rnn_mode: str) -> Comparison:
    """Compares a mode of this project with TensorFlow 1's trajectory from the weights `first`."""
    return _comparisons(case, first, expected, (rnn_mode,))[rnn_mode]


def _comparisons(case: Case, first: dict, expected: dict, modes) -> dict[str, Comparison]:
    """The `comparison` of each mode; what is the same for all in float64 is computed once."""
    bias = forget_bias_of(case.config)

    @functools.cache
    def exact() -> dict[str, np.ndarray]:
        return in_float64(case, first, anew_from=expected)

    def off(trajectory: dict) -> float:
        return max(differences(trajectory, exact(), bias).values())

    found = {}
    for mode in modes:
        apart = differences(ours(case, first, mode), expected, bias)
        found[mode] = Comparison(apart)
        if max(apart.values()) > TOLERANCE:
            alone = ours(case, first, mode, anew_from=expected)
            found[mode] = Comparison(apart, off(alone), off(expected))
    return found


def compare(oracle: Oracle, case: Case, modes: tuple[str, ...] = ()) -> dict[str, Comparison]:
    """Compares with TensorFlow 1 each `rnn_mode` of the cell, or those of `modes`."""
    first, expected = theirs(oracle, case)
    return _comparisons(case, first, expected, modes or rnn_modes(case.config.cell))


def random_case(rng: np.random.Generator, max_size: int = 40, max_words: int = 300) -> Case:
    """A random case: a cell and sizes that both sides have, with or without clipping."""
    cell = rng.choice(["lstm", "lstm", "gru", "rnn", "peephole_lstm"])
    config = Config(
        hidden_size=int(rng.integers(1, max_size)),
        num_layers=int(rng.integers(1, 4)),
        num_steps=int(rng.integers(1, 20)),
        batch_size=int(rng.integers(1, 9)),
        learning_rate=float(rng.choice([0.1, 0.5, 1.0])),
        max_grad_norm=float(rng.choice([0.1, 1.0, 5.0, 1000.0])),
        keep_prob=float(rng.choice([1.0, 0.8, 0.5])),
        init_scale=float(rng.choice([0.04, 0.1, 0.3])),
        forget_bias=float(rng.choice([0.0, 1.0])),
        cell=str(cell),
    )
    vocab_size, num_windows = int(rng.integers(5, max_words)), int(rng.integers(2, 6))
    tokens = config.batch_size * (config.num_steps * num_windows + 1)
    ids = rng.integers(0, vocab_size, tokens + int(rng.integers(0, 9))).astype(np.int32)
    return Case(config, vocab_size, ids, num_windows, str(rng.choice(tf1_names.MODES)))


def compare_unroll(oracle: Oracle, rng: np.random.Generator) -> float:
    """TensorFlow 1's `static_rnn` over a random stack of cells, with rows that end early.

    The largest difference of outputs, states and gradients from `static_rnn` and `dynamic_rnn`
    here, relative to the largest number of each array.
    """
    case = random_case(rng)
    config = case.config
    num_steps, batch_size, size = config.num_steps, config.batch_size, config.hidden_size
    settings = settings_of(dataclasses.replace(config, keep_prob=1.0), 2, case.mode)
    cells = _cells(config)
    inputs, loss_weights = (
        rng.uniform(-1, 1, (num_steps, batch_size, size)).astype(np.float32) for _ in range(2)
    )
    lengths = rng.integers(0, num_steps + 1, batch_size).astype(np.int32)
    arrays = {"inputs": inputs, "loss_weights": loss_weights, "sequence_length": lengths}
    initial = []
    for layer, cell in enumerate(cells):
        parts = [
            rng.uniform(-0.5, 0.5, (batch_size, size)).astype(np.float32)
            for _ in cell.initial_state(1)
        ]
        initial.append(tuple(parts))
        arrays |= {f"initial/{layer}/{part}": value for part, value in enumerate(parts)}
        for name, weight in cell.named_weights().items():
            weight.assign(rng.uniform(-0.5, 0.5, weight.shape))
            tf1_name = tf1_names.tf1_name(f"layers/{layer}/{name}", settings["cell"])
            arrays[f"weights/{tf1_name}"] = weight.numpy()
    expected = _renamed(oracle.unroll(settings, arrays))

    def static(steps):
        states = []
        outputs = tf.unstack(steps)
        for cell, state in zip(cells, initial, strict=True):
            outputs, last = static_rnn(cell, outputs, state, sequence_length=lengths)
            states.append(last)
        return tf.stack(outputs), states

    def dynamic(steps):
        alive = tf.transpose(tf.sequence_mask(lengths, num_steps))
        outputs, states = dynamic_rnn(cells, steps, alive, tuple(initial))
        return tf.where(alive[..., None], outputs, 0.0), states

    errors = []
    for unroll in (static, dynamic):
        actual = _with_gradients(unroll, inputs, loss_weights, _cell_weights(cells))
        if actual.keys() != expected.keys():
            raise ValueError(f"only one side has {', '.join(actual.keys() ^ expected.keys())}")
        errors += [
            np.abs(actual[name] - value).max() / max(np.abs(value).max(), 1e-30)
            for name, value in expected.items()
        ]
    return _largest(np.array(errors))


def _with_gradients(unroll, inputs, loss_weights, values: dict) -> dict:
    """The outputs and states of `unroll`, and the gradients of sum(outputs * loss_weights)."""
    steps = tf.constant(inputs)
    with tf.GradientTape() as tape:
        tape.watch(steps)
        outputs, states = unroll(steps)
        loss = tf.reduce_sum(outputs * loss_weights)
    gradients = tape.gradient(
        loss, {"inputs": steps} | values, unconnected_gradients=tf.UnconnectedGradients.ZERO
    )
    found = {"outputs": outputs}
    found |= {f"gradients/{name}": tf.convert_to_tensor(g) for name, g in gradients.items()}
    for layer, parts in enumerate(states):
        found |= {f"state/{layer}/{part}": value for part, value in enumerate(parts)}
    return found


def _cells(config: Config, precision: str = "float32") -> list:
    shape = config.hidden_size, config.num_layers
    layers = recurrent_layers("static", config.cell, *shape, config.forget_bias, precision)
    for layer in layers:
        layer.build((None, config.hidden_size))
    return [layer.cell for layer in layers]


def _cell_weights(cells: list) -> dict[str, tf.Variable]:
    """The weights of the cells of all layers, under this project's names."""
    return {
        f"layers/{layer}/{name}": weight.value
        for layer, cell in enumerate(cells)
        for name, weight in cell.named_weights().items()
    }


def weights_of(oracle: Oracle) -> dict[str, np.ndarray]:
    """TensorFlow 1's weights as they are, under this project's names."""
    values = _renamed(oracle.values())
    return {n[len("weights/") :]: v for n, v in values.items() if n.startswith("weights/")}


def _renamed(values: dict) -> dict:
    """`weights/NAME` and `gradients/NAME` with this project's names in place of TensorFlow 1's."""

    def name(old: str) -> str:
        kind, slash, rest = old.partition("/")
        return f"{kind}{slash}{tf1_names.weight_name(rest)}"

    return {name(old): value for old, value in values.items()}
