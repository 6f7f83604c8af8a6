"""After how many steps does each cell forget?

    python3 -m studies.memory [--quick] [--out=DIR] [--data_path=DIR]

A copy task: the first input is one of four symbols, then come `delay` words of the text, which say
nothing of it, then a question mark, and the network must name the symbol. Guessing is right once in
four. A network of each cell learns from delays of all lengths mixed, and is tested on each.
"""

from __future__ import annotations

import itertools

from studies.measurements import Row, spread, where
from studies.study import Options, Study

SYMBOLS = 4
CHANCE = 1 / SYMBOLS
REMEMBERS = (1 + CHANCE) / 2  # half way from guessing to perfect
HIDDEN_SIZE, BATCH_SIZE = 64, 64
LEARNING_RATE, MAX_GRAD_NORM = 3e-3, 1.0
TEST_BATCHES = 8
CELLS = ("rnn", "gru", "lstm")


def cases(options: Options) -> list[Row]:
    longest, updates = (20, 150) if options.quick else (60, 1500)
    return [
        {"cell": cell, "longest_delay": longest, "updates": updates, "seed": seed}
        for cell, seed in itertools.product(CELLS, options.seeds)
    ]


def measure(case: Row, corpus) -> list[Row]:
    import numpy as np  # noqa: PLC0415
    import tensorflow as tf  # noqa: PLC0415

    rng = np.random.default_rng(case["seed"])
    network = _Network(case["cell"], len(corpus.vocabulary), case["seed"])
    longest = case["longest_delay"]
    for _ in range(case["updates"]):
        delays = rng.integers(1, longest + 1, BATCH_SIZE)
        batch = task(corpus.train, len(corpus.vocabulary), delays, longest, rng)
        network.train(*map(tf.constant, batch))
    return [
        {"delay": delay, "accuracy": _accuracy(network, corpus, delay, longest, rng)}
        for delay in tested_delays(longest)
    ]


def tested_delays(longest: int) -> list[int]:
    """1, 2, 3, 5, ... up to `longest`."""
    some = (1, 2, 3, 5, 8, 12, 16, 20, 30, 40, 50)
    return [delay for delay in some if delay < longest] + [longest]


def task(ids, vocab_size: int, delays, longest: int, rng):
    """Sequences whose first input must be named at the end.

    Axis letters: B = sequences, T = longest + 2 steps, V = vocabulary size of the text.

    Args:
      ids: int32 `[N]`, the text that the words between come from.
      delays: int `[B]`, words between the symbol and the question.

    Returns:
      inputs int32 `[B, T]` (ids from V on are the symbols, V + SYMBOLS is the question), the
      positions of the questions, int32 `[B]`, and the symbols, int32 `[B]` in 0 ... SYMBOLS - 1.
    """
    import numpy as np  # noqa: PLC0415

    num_steps = longest + 2
    starts = rng.integers(0, len(ids) - num_steps, len(delays))
    inputs = ids[starts[:, None] + np.arange(num_steps)].astype(np.int32)
    symbols = rng.integers(0, SYMBOLS, len(delays)).astype(np.int32)
    positions = (np.asarray(delays) + 1).astype(np.int32)
    inputs[:, 0] = vocab_size + symbols
    inputs[np.arange(len(delays)), positions] = vocab_size + SYMBOLS
    return inputs, positions, symbols


class _Network:
    """Embedding, one recurrent layer, and a softmax over the symbols; trained with Adam."""

    def __init__(self, cell: str, vocab_size: int, seed: int):
        import keras  # noqa: PLC0415
        import tensorflow as tf  # noqa: PLC0415

        from models.language_model import recurrent_layers  # noqa: PLC0415

        keras.utils.set_random_seed(seed)
        mode = "fused" if cell == "lstm" else "static"
        (self._layer,) = recurrent_layers(mode, cell, HIDDEN_SIZE, 1, forget_bias=1.0)
        self._embedding = keras.layers.Embedding(vocab_size + SYMBOLS + 1, HIDDEN_SIZE)
        self._softmax = keras.layers.Dense(SYMBOLS)
        self._weights = []
        for layer in (self._embedding, self._layer, self._softmax):
            layer.build((None, HIDDEN_SIZE))
            self._weights += layer.trainable_weights
        self._optimizer = keras.optimizers.Adam(LEARNING_RATE, global_clipnorm=MAX_GRAD_NORM)
        self._optimizer.build(self._weights)
        self.train, self.answers = tf.function(self._train), tf.function(self._answers)

    def _logits(self, inputs, positions):
        import tensorflow as tf  # noqa: PLC0415

        steps = tf.unstack(self._embedding(inputs), axis=1)
        outputs, _ = self._layer(steps, self._layer.initial_state(inputs.shape[0]))
        return self._softmax(tf.gather(tf.stack(outputs, axis=1), positions, batch_dims=1))

    def _train(self, inputs, positions, symbols):
        import tensorflow as tf  # noqa: PLC0415

        with tf.GradientTape() as tape:
            nats = tf.nn.sparse_softmax_cross_entropy_with_logits(
                symbols, self._logits(inputs, positions)
            )
            loss = tf.reduce_mean(nats)
        gradients = tape.gradient(loss, [weight.value for weight in self._weights])
        self._optimizer.apply(gradients, self._weights)

    def _answers(self, inputs, positions):
        import tensorflow as tf  # noqa: PLC0415

        return tf.argmax(self._logits(inputs, positions), axis=1, output_type=tf.int32)


def _accuracy(network: _Network, corpus, delay: int, longest: int, rng) -> float:
    """The share of right answers after `delay` words of the valid split."""
    import numpy as np  # noqa: PLC0415
    import tensorflow as tf  # noqa: PLC0415

    right = []
    for _ in range(TEST_BATCHES):
        delays = np.full(BATCH_SIZE, delay)
        *batch, symbols = task(corpus.valid, len(corpus.vocabulary), delays, longest, rng)
        right.append(network.answers(*map(tf.constant, batch)).numpy() == symbols)
    return float(np.mean(right))


def forgets_after(rows: list[Row]) -> int:
    """The longest tested delay up to which the mean accuracy stays at REMEMBERS or above; 0: none."""
    longest = 0
    for delay, accuracy in sorted(spread(rows, "accuracy", "delay").items()):
        if accuracy.mean < REMEMBERS:
            break
        longest = delay
    return longest


def verdict(rows: list[Row]) -> str:
    longest = max(row["delay"] for row in rows)
    reach = {cell: forgets_after(where(rows, cell=cell)) for cell in CELLS}
    lines = []
    for cell in CELLS:
        accuracy = spread(where(rows, cell=cell), "accuracy", "delay")
        end = accuracy[longest].mean
        if reach[cell] == longest:
            text = f"still remembers after {longest} words, the longest delay tested"
        elif reach[cell]:
            text = f"remembers {reach[cell]} words and forgets beyond"
        else:
            text = "does not remember even the shortest delay"
        lines.append(f"- {cell.upper()} {text}: {end:.0%} right after {longest} words.")
    gated = min(reach["gru"], reach["lstm"])
    if reach["rnn"] < gated:
        head = "Within the same training, the plain RNN forgets sooner than GRU and LSTM"
    elif reach["rnn"] > max(reach["gru"], reach["lstm"]):
        head = "Within the same training, the plain RNN remembers longer than GRU and LSTM"
    else:
        head = "Within the same training, the plain RNN does not forget sooner than both gated cells"
    return (
        f"**{head}.** Guessing is right {CHANCE:.0%} of the time; a cell remembers a delay where it "
        f"is right at least {REMEMBERS:.1%} of the time, half way from guessing to perfect. "
        f"{rows[0]['updates']:,} updates of {BATCH_SIZE} sequences.\n\n" + "\n".join(lines)
    )


def draw(rows: list[Row]):
    from studies.figure import GREY, line, panels  # noqa: PLC0415

    percent = [row | {"percent": 100 * row["accuracy"]} for row in rows]
    figure, (axes,) = panels(1, height=4.4)
    for index, cell in enumerate(CELLS):
        line(axes, where(percent, cell=cell), "delay", "percent", index, cell.upper())
    axes.axhline(100 * CHANCE, linestyle="--", color=GREY, label="guessing")
    axes.set(xlabel="delay, words between symbol and question", ylabel="right answers, %")
    axes.set(ylim=(0, 104), title="Which of four symbols came first?")
    axes.legend(loc="lower left")
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
