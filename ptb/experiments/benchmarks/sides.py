"""The programs that are compared: this project's paths, and the peers.

Each side trains the same model from the same weights on the same windows, by the same recipe: loss
summed over T and averaged over B, one global norm, plain SGD at the rate 1.0, state carried.

    train(first, count)  trains on `count` windows from window `first` on; the cost of each
    evaluate(count)      scores `count` windows of one row; the number of words
    product(size)        a function that multiplies two float32 `[size, size]` matrices, where the
                         side measures the machine's limit; with the framework's own threads, so
                         that every core works on it
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ptb.data import reader
from ptb.experiments.benchmarks.workload import Workload

LEARNING_RATE = 1.0


class Side:
    """Base of all sides: the windows that they read.

    `peak_bytes` is the peak memory of the program that a side runs, where that computes for it, and
    `import_bytes` what that held once its framework was imported.
    """

    peak_bytes: int | None = None
    import_bytes: int | None = None

    def __init__(self, workload: Workload):
        config = workload.config
        self.config, self.workload = config, workload
        self.windows = reader.sequential(workload.ids, config.batch_size, config.num_steps)
        self.test_windows = reader.every_token(workload.ids, 1, config.num_steps)

    def train(self, first: int, count: int) -> list[float]:
        """Trains on `count` windows from `first` on; their losses in nats."""
        raise NotImplementedError

    def evaluate(self, count: int) -> int:
        """Scores `count` windows of one row; their tokens."""
        raise NotImplementedError

    def laps(self, first: int, count: int) -> Iterator[tuple[int, int]]:
        """`count` windows from `first` on as (first, count), from the beginning after the end."""
        while count > 0:
            begin = first % len(self.windows)
            some = min(count, len(self.windows) - begin)
            yield begin, some
            first, count = first + some, count - some

    def slice(self, first: int, count: int) -> np.ndarray:
        """The starts of the windows that `laps` names, int32 `[count, B]`."""
        laps = self.laps(first, count)
        return np.concatenate([self.windows.starts[begin : begin + some] for begin, some in laps])


class Ours(Side):
    """A path of this project, with its own settings: `rnn_mode` static, fused or keras."""

    def __init__(self, workload: Workload, rnn_mode: str, precision: str = "float32"):
        super().__init__(workload)
        import tensorflow as tf  # noqa: PLC0415  (a worker imports its own framework only)

        from ptb.training.model import build_model  # noqa: PLC0415
        from ptb.training.perplexity import Evaluator  # noqa: PLC0415
        from ptb.training.step import train_step  # noqa: PLC0415

        config = dataclasses.replace(self.config, rnn_mode=rnn_mode, precision=precision)
        model = build_model(config, workload.vocab_size)
        model.import_weights(workload.weights)
        plain = {"optimizer": "sgd", "ema_momentum": 0.0, "sampling": "sequential"}
        self._step = train_step(model, dataclasses.replace(config, **plain))
        self._evaluator = Evaluator(model)
        self._state = model.initial_state(config.batch_size)
        self._stream = tf.constant(self.windows.stream)
        self._starts = tf.constant(self.windows.starts)

    def train(self, first: int, count: int) -> list[float]:
        costs = []
        for begin, some in self.laps(first, count):
            more, _, self._state = self._step(
                self._stream, self._starts, self._state, LEARNING_RATE, begin, some
            )
            costs.extend(more.numpy().tolist())
        return costs

    def evaluate(self, count: int) -> int:
        return self._evaluator(self.test_windows.take(count)).tokens


class KerasFit(Side):
    """Plain Keras: `compile` and `fit` with `keras.layers.LSTM(stateful=True)`."""

    def __init__(self, workload: Workload):
        super().__init__(workload)
        import keras  # noqa: PLC0415

        from models.keras_lstm import StatefulLanguageModel  # noqa: PLC0415
        from models.keras_training import TrainingLoss  # noqa: PLC0415

        config = self.config
        shape = workload.vocab_size, config.hidden_size, config.num_layers
        self._model = StatefulLanguageModel(*shape, config.batch_size, config.keep_prob)
        self._model.import_weights(workload.weights, config.forget_bias)
        sgd = keras.optimizers.SGD(LEARNING_RATE, global_clipnorm=config.max_grad_norm)
        self._model.compile(optimizer=sgd, loss=TrainingLoss())
        self._scorer = StatefulLanguageModel(*shape, batch_size=1)
        self._scorer.import_weights(workload.weights, config.forget_bias)
        self._scorer.compile(loss=TrainingLoss())

        class Costs(keras.callbacks.Callback):
            """Undoes the running mean that Keras reports."""

            def on_train_begin(self, logs=None):
                self.means = []

            def on_train_batch_end(self, batch, logs=None):
                self.means.append(logs["loss"])

        self._costs = Costs()

    def train(self, first: int, count: int) -> list[float]:
        batches = self._dataset(self.slice(first, count))
        self._model.fit(batches, epochs=1, shuffle=False, verbose=0, callbacks=[self._costs])
        sums = np.array(self._costs.means) * np.arange(1, count + 1)
        return np.diff(sums, prepend=0.0).tolist()

    def evaluate(self, count: int) -> int:
        self._scorer.evaluate(self._dataset(self.test_windows.starts[:count]), verbose=0)
        return count * self.config.num_steps

    def _dataset(self, starts):
        import tensorflow as tf  # noqa: PLC0415

        num_steps = self.config.num_steps
        stream = tf.constant(self.test_windows.stream)

        def window(start):
            tokens = reader.window_tokens(stream, start, num_steps)
            return tokens[:, :-1], tokens[:, 1:]

        return tf.data.Dataset.from_tensor_slices(starts).map(window).prefetch(2)


class Torch(Side):
    """PyTorch's `nn.LSTM`, with the recipe that its word language model example follows.

    The embedding's gradient is sparse, the faster choice, and its rows enter the norm as in TF1.
    `precision` is float32, or the name of a Keras policy whose type PyTorch's autocast takes.
    """

    def __init__(self, workload: Workload, precision: str = "float32"):
        super().__init__(workload)
        import torch  # noqa: PLC0415

        self._torch = torch
        self._autocast = {
            "float32": None,
            "mixed_bfloat16": torch.bfloat16,
            "mixed_float16": torch.float16,
        }[precision]
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        config, hidden_size = self.config, self.config.hidden_size
        dropout = 1 - config.keep_prob
        self._embedding = torch.nn.Embedding(workload.vocab_size, hidden_size, sparse=True)
        self._lstm = torch.nn.LSTM(hidden_size, hidden_size, config.num_layers, dropout=dropout)
        self._softmax = torch.nn.Linear(hidden_size, workload.vocab_size)
        self._dropout = torch.nn.Dropout(dropout)
        self._modules = torch.nn.ModuleList(
            [self._embedding, self._lstm, self._softmax, self._dropout]
        ).to(self._device)
        self._import(workload.weights)
        # nn.LSTM has two biases where the model has one: the second stays zero.
        for name, parameter in self._lstm.named_parameters():
            parameter.requires_grad_(not name.startswith("bias_hh"))
        self._parameters = [p for p in self._modules.parameters() if p.requires_grad]
        self._stream = torch.from_numpy(self.test_windows.stream.astype(np.int64)).to(self._device)
        self._state = self._zeros(config.batch_size)
        self._loss = torch.nn.CrossEntropyLoss(reduction="sum")

    def _import(self, weights) -> None:
        """PyTorch's gates are i, f, j, o, in rows; its second bias is zero."""
        torch, hidden_size = self._torch, self.config.hidden_size
        values = {"weight": weights["softmax_w"].T, "bias": weights["softmax_b"]}
        with torch.no_grad():
            for name, value in values.items():
                getattr(self._softmax, name).copy_(torch.from_numpy(value.copy()))
            self._embedding.weight.copy_(torch.from_numpy(weights["embedding"]))
            for layer in range(self.config.num_layers):
                parts = [weights[f"layers/{layer}/{name}"] for name in ("kernel", "bias")]
                rows = np.vstack(parts)
                i, j, f, o = np.split(rows, 4, axis=1)
                rows = torch.from_numpy(np.concatenate([i, f, j, o], axis=1).T.copy())
                getattr(self._lstm, f"weight_ih_l{layer}").copy_(rows[:, :hidden_size])
                getattr(self._lstm, f"weight_hh_l{layer}").copy_(rows[:, hidden_size:-1])
                getattr(self._lstm, f"bias_ih_l{layer}").copy_(rows[:, -1])
                getattr(self._lstm, f"bias_hh_l{layer}").zero_()

    def _zeros(self, batch_size: int):
        shape = self.config.num_layers, batch_size, self.config.hidden_size
        return (self._torch.zeros(shape, device=self._device),) * 2

    def _tokens(self, starts):
        starts = self._torch.from_numpy(starts.astype(np.int64)).to(self._device)
        steps = self._torch.arange(self.config.num_steps + 1, device=self._device)
        tokens = self._stream[starts[None, :] + steps[:, None]]
        return tokens[:-1], tokens[1:]

    def train(self, first: int, count: int) -> list[float]:
        self._modules.train()
        is_low, dtype = self._autocast is not None, self._autocast or self._torch.bfloat16
        costs = []
        for starts in self.slice(first, count):
            # It keeps the weights that it has cast until it ends: each window needs its own.
            with self._torch.autocast(self._device, dtype=dtype, enabled=is_low):
                costs.append(self._train_window(starts))
        return costs

    def _train_window(self, starts) -> float:
        torch = self._torch
        inputs, targets = self._tokens(starts)
        for parameter in self._parameters:
            parameter.grad = None
        outputs, state = self._lstm(self._dropout(self._embedding(inputs)), self._state)
        self._state = tuple(part.detach() for part in state)
        logits = self._softmax(self._dropout(outputs))
        cost = self._loss(logits.flatten(0, 1), targets.flatten()) / len(starts)
        cost.backward()
        gradients = [parameter.grad for parameter in self._parameters]
        values = [g._values() if g.is_sparse else g for g in gradients]
        norm = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(v) for v in values]))
        rate = LEARNING_RATE * min(1.0, self.config.max_grad_norm / float(norm))
        with torch.no_grad():
            for parameter, gradient in zip(self._parameters, gradients, strict=True):
                parameter.add_(gradient, alpha=-rate)
        return float(cost.detach())

    def evaluate(self, count: int) -> int:
        self._modules.eval()
        state, nats = self._zeros(1), 0.0
        with self._torch.inference_mode():
            for starts in self.test_windows.starts[:count]:
                inputs, targets = self._tokens(starts)
                outputs, state = self._lstm(self._embedding(inputs), state)
                nats += float(self._loss(self._softmax(outputs).flatten(0, 1), targets.flatten()))
        if not math.isfinite(nats):
            raise ArithmeticError(f"PyTorch's evaluation gave {nats} nats")
        return count * self.config.num_steps

    def product(self, size: int):
        a, b = (self._torch.from_numpy(m).to(self._device) for m in _matrices(size))
        return lambda: float((a @ b)[0, 0])


class Original(Side):
    """The tutorial itself, in TensorFlow 1.15: `mode` is which of its LSTM cells.

    It runs in a Python of its own (`ptb.experiments.original.oracle`), whose time and memory count.
    """

    def __init__(self, workload: Workload, mode: str):
        super().__init__(workload)
        from models.tf1_names import tf1_name  # noqa: PLC0415
        from ptb.experiments.original.oracle import Oracle, settings_of  # noqa: PLC0415

        self._oracle = Oracle()
        self.import_bytes = self._oracle.import_bytes
        weights = {tf1_name(name, mode): weight for name, weight in workload.weights.items()}
        settings = settings_of(self.config, workload.vocab_size, mode)
        self._oracle.open(settings, {"train": workload.ids}, weights)

    def train(self, first: int, count: int) -> list[float]:
        """The windows after those of the call before: its queue reads them in order."""
        return self._answer(self._oracle.train(count, LEARNING_RATE))["costs"]

    def evaluate(self, count: int) -> int:
        self._answer(self._oracle.score("train", count))
        return count * self.config.num_steps

    def _answer(self, answer: dict) -> dict:
        self.peak_bytes = answer["peak_bytes"]
        return answer


class NumPy(Side):
    """NumPy's matrix product only."""

    def product(self, size: int):
        a, b = _matrices(size)
        return lambda: float((a @ b)[0, 0])


class TensorFlow(Side):
    """TensorFlow's matrix product only."""

    def product(self, size: int):
        import tensorflow as tf  # noqa: PLC0415

        a, b = (tf.constant(m) for m in _matrices(size))
        return lambda: float(tf.matmul(a, b)[0, 0])


def _matrices(size: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.standard_normal((size, size), np.float32) for _ in range(2)]


PATHS = ("fused", "static", "keras")
PEERS = ("torch", "keras_fit", "tf1_block", "tf1_basic")
# A side that multiplies in bfloat16 has the name of the one in float32, and this at its end.
BFLOAT16 = "_bfloat16"
LOW_PATHS, LOW_PEERS = ("fused" + BFLOAT16,), ("torch" + BFLOAT16,)
PRODUCTS_ONLY = ("numpy", "tensorflow")
TENSORFLOW = ("tensorflow", "keras")
MULTIPLY = (*PRODUCTS_ONLY, "torch")  # the sides that measure the machine's limit


def frameworks_of(name: str) -> tuple[str, ...]:
    """The modules that the side called `name` imports first."""
    base = name.removesuffix(BFLOAT16)
    if base in (*PATHS, "keras_fit"):
        return TENSORFLOW
    return ("torch",) if base == "torch" else ()


def make_side(name: str, folder: Path) -> Side:
    """The side called `name`, with the workload that was saved in `folder`."""
    workload = Workload.load(folder)
    base = name.removesuffix(BFLOAT16)
    precision = "float32" if name == base else "mixed_bfloat16"
    if base in PATHS:
        return Ours(workload, base, precision)
    if base == "torch":
        return Torch(workload, precision)
    if name.startswith("tf1_"):
        return Original(workload, name.removeprefix("tf1_"))
    return {"keras_fit": KerasFit, "numpy": NumPy, "tensorflow": TensorFlow}[name](workload)
