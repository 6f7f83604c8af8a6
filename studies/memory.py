"""After how many steps does each cell forget?

    python3 -m studies.memory [--quick] [--out=DIR] [--data_path=DIR]

A copy task: the first input is one of four symbols, then come `delay` words of the text, which say
nothing of it, then a question mark, and the network must name the symbol. Guessing is right once in
four. For every delay a new network is trained, with plain gradient descent, as the language models
here are, and with Adam, which makes small gradients large; each with the best of several learning
rates.
"""

from __future__ import annotations

import itertools

from studies.measurements import Row, spread, where
from studies.study import Options, Study

SYMBOLS = 4
CHANCE = 1 / SYMBOLS
REMEMBERS = (1 + CHANCE) / 2  # half way from guessing to perfect
HIDDEN_SIZE, BATCH_SIZE = 64, 32
TEST_BATCHES, UPDATES_BETWEEN_TESTS = 8, 50
CELLS, OPTIMIZERS = ("rnn", "gru", "lstm"), ("SGD", "Adam")
LEARNING_RATES = {"SGD": (0.3, 0.1, 1.0), "Adam": (3e-3, 1e-3)}
MAX_GRAD_NORM = 1.0


def cases(options: Options) -> list[Row]:
    delays, updates = ((5, 20), 150) if options.quick else ((5, 10, 20, 40), 500)
    rates = [
        (optimizer, rate)
        for optimizer in OPTIMIZERS
        for rate in LEARNING_RATES[optimizer][: 1 if options.quick else None]
    ]
    return [
        {
            "optimizer": optimizer,
            "learning_rate": rate,
            "cell": cell,
            "delay": delay,
            "most_updates": updates,
            "seed": seed,
        }
        for (optimizer, rate), cell, delay, seed in itertools.product(
            rates, CELLS, delays, options.seeds
        )
    ]


def measure(case: Row, corpus) -> list[Row]:
    """Trains until every answer is right, but for no more than `most_updates`."""
    import numpy as np  # noqa: PLC0415
    import tensorflow as tf  # noqa: PLC0415

    rng = np.random.default_rng(case["seed"])
    vocab_size, delay = len(corpus.vocabulary), case["delay"]
    optimizer = case["optimizer"], case["learning_rate"]
    network = _Network(case["cell"], vocab_size, optimizer, case["seed"])
    updates, accuracy = 0, 0.0
    while accuracy < 1 and updates < case["most_updates"]:
        for _ in range(UPDATES_BETWEEN_TESTS):
            network.train(*map(tf.constant, task(corpus.train, vocab_size, delay, rng)))
        updates += UPDATES_BETWEEN_TESTS
        batches = [task(corpus.valid, vocab_size, delay, rng) for _ in range(TEST_BATCHES)]
        right = [network.answers(tf.constant(inputs)) == symbols for inputs, symbols in batches]
        accuracy = float(np.mean(right))
    return [{"accuracy": accuracy, "updates": updates}]


def task(ids, vocab_size: int, delay: int, rng):
    """Sequences whose first input must be named at the end.

    Axis letters: B = BATCH_SIZE, T = delay + 2 steps, V = vocabulary size of the text.

    Args:
      ids: int32 `[N]`, the text that the words between come from.
      delay: words between the symbol and the question.

    Returns:
      inputs int32 `[B, T]` (ids from V on are the symbols, V + SYMBOLS is the question), and the
      symbols, int32 `[B]` in 0 ... SYMBOLS - 1.
    """
    import numpy as np  # noqa: PLC0415

    starts = rng.integers(0, len(ids) - delay, BATCH_SIZE)
    words = ids[starts[:, None] + np.arange(delay)]
    symbols = rng.integers(0, SYMBOLS, BATCH_SIZE)
    question = np.full(BATCH_SIZE, vocab_size + SYMBOLS)
    inputs = np.column_stack([vocab_size + symbols, words, question])
    return inputs.astype(np.int32), symbols.astype(np.int32)


class _Network:
    """Embedding, one recurrent layer, and a softmax over the symbols."""

    def __init__(self, cell: str, vocab_size: int, optimizer: tuple[str, float], seed: int):
        import keras  # noqa: PLC0415
        import tensorflow as tf  # noqa: PLC0415

        from models.language_model import recurrent_layers  # noqa: PLC0415
        from training.optimizers import make_optimizer  # noqa: PLC0415

        keras.utils.set_random_seed(seed)
        mode = "fused" if cell == "lstm" else "static"
        (self._layer,) = recurrent_layers(mode, cell, HIDDEN_SIZE, 1, forget_bias=1.0)
        self._embedding = keras.layers.Embedding(vocab_size + SYMBOLS + 1, HIDDEN_SIZE)
        self._softmax = keras.layers.Dense(SYMBOLS)
        self._weights = []
        for layer in (self._embedding, self._layer, self._softmax):
            layer.build((None, HIDDEN_SIZE))
            self._weights += layer.trainable_weights
        name, self._learning_rate = optimizer
        # AdamW without weight decay is Adam.
        self._optimizer = make_optimizer({"SGD": "sgd", "Adam": "adamw"}[name], self._weights)
        self.train, self.answers = tf.function(self._train), tf.function(self._answers)

    def _logits(self, inputs):
        import tensorflow as tf  # noqa: PLC0415

        steps = tf.unstack(self._embedding(inputs), axis=1)
        outputs, _ = self._layer(steps, self._layer.initial_state(inputs.shape[0]))
        return self._softmax(outputs[-1])

    def _train(self, inputs, symbols):
        import tensorflow as tf  # noqa: PLC0415

        with tf.GradientTape() as tape:
            nats = tf.nn.sparse_softmax_cross_entropy_with_logits(symbols, self._logits(inputs))
            loss = tf.reduce_mean(nats)
        variables = [weight.value for weight in self._weights]
        gradients = tape.gradient(loss, variables)
        scale = MAX_GRAD_NORM / tf.maximum(tf.linalg.global_norm(gradients), MAX_GRAD_NORM)
        self._optimizer.apply(variables, gradients, self._learning_rate, scale)

    def _answers(self, inputs):
        import tensorflow as tf  # noqa: PLC0415

        return tf.argmax(self._logits(inputs), axis=1, output_type=tf.int32)


def at_best_learning_rates(rows: list[Row]) -> list[Row]:
    """The rows of each optimizer, cell and delay at the learning rate that was right most often."""
    setting = ("optimizer", "cell", "delay")
    best = {}
    for (*key, rate), accuracy in spread(rows, "accuracy", *setting, "learning_rate").items():
        best[tuple(key)] = max(best.get(tuple(key), (-1.0, rate)), (accuracy.mean, rate))
    return [
        row for row in rows if row["learning_rate"] == best[tuple(row[name] for name in setting)][1]
    ]


def reach(rows: list[Row]) -> int:
    """The longest delay up to which every seed stays at REMEMBERS or above; 0 for none."""
    longest = 0
    for delay, accuracy in sorted(spread(rows, "accuracy", "delay").items()):
        if accuracy.low < REMEMBERS:
            break
        longest = delay
    return longest


def verdict(rows: list[Row]) -> str:
    delays = sorted({row["delay"] for row in rows})
    rates = ", ".join(f"{rate:g}" for rate in sorted({row["learning_rate"] for row in rows}))
    rows = at_best_learning_rates(rows)
    lines = [
        f"Guessing is right {CHANCE:.0%} of the time. A cell remembers a delay where with every "
        f"seed it comes to at least {REMEMBERS:.1%}, half way from guessing to perfect, within "
        f"{rows[0]['most_updates']:,} updates of {BATCH_SIZE} sequences: what is measured is what "
        "so much training teaches a cell, not what it could hold. Tested: "
        f"{', '.join(map(str, delays))} words. Each delay has the learning rate that was right "
        f"most often, of {rates}.",
        "| longest delay remembered, words | " + " | ".join(map(str.upper, CELLS)) + " |",
    ]
    lines[-1] += "\n|---|" + "---|" * len(CELLS)
    heads, notes = [], []
    for optimizer in OPTIMIZERS:
        some = where(rows, optimizer=optimizer)
        reaches = {cell: reach(where(some, cell=cell)) for cell in CELLS}
        shown = {c: f"{n} or more" if n == delays[-1] else f"{n}" for c, n in reaches.items()}
        cells = [
            f"{shown[cell]}{_with_some_seed(where(some, cell=cell), reaches[cell])}"
            for cell in CELLS
        ]
        lines[-1] += f"\n| {optimizer} | " + " | ".join(cells) + " |"
        words = ", ".join(f"{n} words ({cell.upper()})" for cell, n in shown.items())
        heads.append(f"{_rnn_against_gated(optimizer, reaches, delays[-1])} {words}.")
        notes += [_failed_sooner(optimizer, cell, where(some, cell=cell)) for cell in CELLS]
    return "\n\n".join(line for line in [" ".join(heads), *lines, *notes] if line)


def _with_some_seed(rows: list[Row], reached: int) -> str:
    """A note of the longest delay that some seed remembers, beyond what all do; else nothing."""
    some = [n for n, each in spread(rows, "accuracy", "delay").items() if each.high >= REMEMBERS]
    return f" (some seed {max(some)})" if max(some, default=0) > reached else ""


def _failed_sooner(optimizer: str, cell: str, rows: list[Row]) -> str:
    """A note where a longer delay is remembered than one that is not; else nothing."""
    accuracy, longest = spread(rows, "accuracy", "delay"), reach(rows)
    later = [n for n, each in accuracy.items() if n > longest and each.low >= REMEMBERS]
    if not later:
        return ""
    return (
        f"With {optimizer} the {cell.upper()} also remembers {', '.join(map(str, later))} words, "
        "beyond a delay that it failed at: there the training failed, not the memory."
    )


def _rnn_against_gated(optimizer: str, reaches: dict[str, int], longest: int) -> str:
    rnn, gated = reaches["rnn"], (reaches["gru"], reaches["lstm"])
    if rnn == min(gated) == longest:
        head = f"no cell forgets within the {longest} words that were tried"
    elif rnn < min(gated):
        head = "the plain RNN forgets sooner than GRU and LSTM"
    elif rnn >= max(gated):
        head = "the plain RNN remembers as long as GRU and LSTM, or longer"
    else:
        better = " and ".join(cell.upper() for cell in CELLS if reaches[cell] > rnn)
        head = f"of the gated cells only the {better} remembers longer than the plain RNN"
    return f"**Learned with {optimizer}, {head}**:"


def draw(rows: list[Row]):
    from studies.figure import GREY, line, panels  # noqa: PLC0415
    from training.curve import log_axis  # noqa: PLC0415

    rows = at_best_learning_rates(rows)
    delays = sorted({row["delay"] for row in rows})
    figure, all_axes = panels(len(OPTIMIZERS), height=3.8)
    for axes, optimizer in zip(all_axes, OPTIMIZERS, strict=True):
        for index, cell in enumerate(CELLS):
            some = where(rows, optimizer=optimizer, cell=cell)
            some = [row | {"percent": 100 * row["accuracy"]} for row in some]
            line(axes, some, "delay", "percent", index, cell.upper())
        axes.axhline(100 * CHANCE, linestyle="--", color=GREY, label="guessing")
        log_axis(axes, "x", delays)
        axes.set(title=f"Learned with {optimizer}", ylabel="right answers, %")
        axes.set(xlabel="delay, words between symbol and question (log scale)", ylim=(0, 106))
    all_axes[-1].legend(loc="lower left", ncols=2)
    return figure


STUDY = Study(
    name="memory",
    question="After how many steps does each cell forget?",
    cases=cases,
    measure=measure,
    verdict=verdict,
    draw=draw,
)

if __name__ == "__main__":
    STUDY.main()
