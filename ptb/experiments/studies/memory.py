"""After how many steps does each cell forget?

    ptb study memory [--quick] [--out=DIR] [--data_path=DIR]

A copy task: the first input is one of four symbols, then come `delay` words of the text, which say
nothing of it, then a question mark, and the network must name the symbol. Guessing is right once in
four. For every delay new networks are trained, with plain gradient descent, as the language models
here are, and with Adam, which makes small gradients large; each at a learning rate tuned for it, on
seeds of its own. A delay beyond one that no seed remembers is not tried.
"""

from __future__ import annotations

import functools
import itertools
import math

from ptb.experiments.studies.gradient_flow import NETWORKS
from ptb.experiments.studies.measurements import (
    NOT_CLEAR,
    Row,
    Spread,
    and_,
    compare,
    in_words,
    where,
    wilson,
)
from ptb.experiments.studies.study import Options, Study

SYMBOLS = 4
CHANCE = 1 / SYMBOLS
REMEMBERS = (1 + CHANCE) / 2  # half way from guessing to perfect
HIDDEN_SIZE, BATCH_SIZE = 32, 16
TEST_ROWS, UPDATES_BETWEEN_TESTS = 128, 100
OPTIMIZERS = ("SGD", "Adam")
GRIDS = {"SGD": (0.3, 1.0, 3.0), "Adam": (3e-4, 1e-3, 3e-3, 1e-2, 3e-2)}
MAX_GRAD_NORM = 1.0
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8
RNN = "RNN"  # what the others are compared with
DELAYS, QUICK_DELAYS = (5, 10, 20, 50, 100, 200), (10,)


def cases(options: Options) -> list[Row]:
    return [
        {
            "optimizer": optimizer,
            "network": network,
            "longest": (QUICK_DELAYS if options.quick else DELAYS)[-1],
            "most_updates": 200 if options.quick else 1000,
        }
        for optimizer in OPTIMIZERS
        for network in NETWORKS
    ]


def measure(case: Row, corpus, options: Options) -> list[Row]:
    """Measures delays from the shortest to the first that no seed remembers."""
    from ptb.experiments.studies.tuning import tune_and_measure  # noqa: PLC0415

    rows, also = [], set()  # also: the best rate of the next shorter delay
    for delay in QUICK_DELAYS if options.quick else DELAYS:
        some = tune_and_measure(
            functools.partial(train, case, delay, corpus),
            GRIDS[case["optimizer"]],
            options,
            by="score",
            also=also,
        )
        rows += some
        also = {row["learning_rate"] for row in some}
        if not any(row["accuracy"] >= REMEMBERS for row in some):
            break
    return rows


def train(case: Row, delay: int, corpus, learning_rates, seeds) -> list[Row]:
    """Trains each pair of rate and seed: final `accuracy`, and `updates` until REMEMBERS.

    A network that is right every time is trained no longer. `score` is what is tuned: the updates,
    and where they were not enough, more the more answers are wrong.
    """
    import numpy as np  # noqa: PLC0415
    import tensorflow as tf  # noqa: PLC0415

    from ptb.experiments.studies.stack import call_for_any  # noqa: PLC0415

    cell, forget_bias = NETWORKS[case["network"]]
    vocab_size, max_updates = len(corpus.vocabulary), case["most_updates"]
    network = _network(cell, vocab_size + SYMBOLS + 1, forget_bias)
    weights = initialize(network, seeds)
    slots = {name: (tf.zeros_like(w), tf.zeros_like(w)) for name, w in weights.items()}
    alive, rates = np.arange(len(seeds)), np.asarray(learning_rates, np.float32)
    accuracy, updates = np.zeros(len(seeds)), np.full(len(seeds), 2 * max_updates)
    rngs = [np.random.default_rng((seed, delay)) for seed in seeds]
    for done in range(UPDATES_BETWEEN_TESTS, max_updates + 1, UPDATES_BETWEEN_TESTS):
        batches = [
            task(corpus.train, vocab_size, delay, rngs[g], UPDATES_BETWEEN_TESTS * BATCH_SIZE)
            for g in alive
        ]
        inputs, symbols = (np.stack(each) for each in zip(*batches, strict=True))
        shape = (len(alive), UPDATES_BETWEEN_TESTS, BATCH_SIZE)
        weights, slots = call_for_any(
            _functions()[0],
            {4: 2, 5: 2, **dict.fromkeys((2, 3, 6), 1)},
            network,
            case["optimizer"],
            weights,
            slots,
            tf.constant(inputs.reshape(*shape, -1).swapaxes(0, 1)),
            tf.constant(symbols.reshape(shape).swapaxes(0, 1)),
            tf.constant(rates),
            tf.constant(done - UPDATES_BETWEEN_TESTS, tf.float32),
        )
        batches = [task(corpus.valid, vocab_size, delay, rngs[g], TEST_ROWS) for g in alive]
        inputs, symbols = (np.stack(each) for each in zip(*batches, strict=True))
        answers = call_for_any(_functions()[1], {1: 1, 2: 1}, network, weights, tf.constant(inputs))
        right = (answers.numpy() == symbols).mean(axis=1)
        accuracy[alive] = right
        first = (right >= REMEMBERS) & (updates[alive] > max_updates)
        updates[alive[first]] = done
        going = np.flatnonzero(right < 1)
        if not len(going) or _settled(learning_rates, accuracy):
            break
        alive, rates = alive[going], rates[going]
        weights, slots = tf.nest.map_structure(
            functools.partial(tf.gather, indices=going), (weights, slots)
        )
    passed = accuracy >= REMEMBERS
    updates[~passed] = 2 * max_updates
    return [
        {
            "learning_rate": learning_rates[g],
            "seed": seeds[g],
            "delay": delay,
            "accuracy": float(accuracy[g]),
            "updates": int(updates[g]),
            "score": float(updates[g] + max_updates * (1 - accuracy[g])),
        }
        for g in range(len(seeds))
    ]


def _settled(learning_rates, accuracy) -> bool:
    """Whether all seeds of some rate are right already, so that no rate can be faster."""
    by_rate = {}
    for rate, right in zip(learning_rates, accuracy, strict=True):
        by_rate[rate] = min(by_rate.get(rate, 1.0), right)
    return len(by_rate) > 1 and max(by_rate.values()) == 1


def _network(cell: str, vocab_size: int, forget_bias: float):
    from ptb.experiments.studies.stack import the_network  # noqa: PLC0415

    return the_network(cell, vocab_size, HIDDEN_SIZE, SYMBOLS, forget_bias)


def initialize(network, seeds):
    """Kernels as Glorot and Bengio 2010 draw them; biases 0, but 1 for the GRU's gates, as in "
    "TF1."""
    import tensorflow as tf  # noqa: PLC0415

    weights = network.initialize(seeds, 1.0)
    limits = {
        name: 0.05
        if name == "embedding"
        else 0.0
        if "b" in name.split("_")[-1]
        else math.sqrt(6 / sum(shape))
        for name, shape in network.shapes().items()
    }
    weights = {name: limits[name] * weight for name, weight in weights.items()}
    if "gates_bias" in weights:
        weights["gates_bias"] = tf.ones_like(weights["gates_bias"])
    return weights


def task(ids, vocab_size: int, delay: int, rng, rows: int):
    """The copy task: sequences whose first input must be named at the end.

    Axis letters: B = `rows`, T = delay + 2 steps, V = vocabulary size of the text.

    Args:
      ids: int32 `[N]`, the text that the words between come from.
      delay: words between the symbol and the question.

    Returns:
      inputs int32 `[B, T]` (ids from V on are the symbols, V + SYMBOLS is the question), and the
      symbols, int32 `[B]` in 0 ... SYMBOLS - 1.
    """
    import numpy as np  # noqa: PLC0415

    starts = rng.integers(0, len(ids) - delay, rows)
    words = ids[starts[:, None] + np.arange(delay)]
    symbols = rng.integers(0, SYMBOLS, rows)
    question = np.full(rows, vocab_size + SYMBOLS)
    inputs = np.column_stack([vocab_size + symbols, words, question])
    return inputs.astype(np.int32), symbols.astype(np.int32)


@functools.cache
def _functions():
    """The traced functions `updates` and `answers`. Imports TensorFlow only when called."""
    import tensorflow as tf  # noqa: PLC0415

    from ptb.experiments.studies.stack import clip  # noqa: PLC0415

    def logits(network, weights, embedded):
        state = network.initial_state(tf.shape(embedded)[1], tf.shape(embedded)[2])
        outputs, _ = network.run(weights, embedded, state)
        return tf.matmul(outputs[-1], weights["softmax_w"]) + weights["softmax_b"]

    @tf.function
    def updates(network, optimizer, weights, slots, inputs, symbols, rates, done):
        for k in tf.range(tf.shape(inputs)[0]):

            def loss(others, embedded, wanted=symbols[k]):
                scores = logits(network, others, embedded)
                nats = tf.nn.sparse_softmax_cross_entropy_with_logits(wanted, scores)
                return tf.reduce_mean(nats, axis=1), ()

            gradients, norms, _, _ = network.gradients(weights, inputs[k], loss)
            factor = clip(norms, MAX_GRAD_NORM)
            step = {name: factor * gradient for name, gradient in gradients.items()}
            if optimizer == "Adam":
                slots = {
                    name: (
                        BETA_1 * slots[name][0] + (1 - BETA_1) * g,
                        BETA_2 * slots[name][1] + (1 - BETA_2) * tf.square(g),
                    )
                    for name, g in step.items()
                }
                t = done + tf.cast(k, tf.float32) + 1
                root = tf.sqrt(1 - tf.pow(BETA_2, t))
                scale = root / (1 - tf.pow(BETA_1, t))
                step = {n: scale * m / (tf.sqrt(v) + root * EPSILON) for n, (m, v) in slots.items()}
            weights = {n: w - rates[:, None, None] * step[n] for n, w in weights.items()}
        return weights, slots

    @tf.function
    def answers(network, weights, inputs):
        embedded, _ = network.embed(weights, inputs)
        scores = logits(network, weights, embedded)
        return tf.argmax(scores, axis=-1, output_type=tf.int32)

    return updates, answers


def passes(rows: list[Row], delay: int, updates: float = math.inf) -> Spread:
    """The share of seeds that remember a delay within a number of updates.

    A delay that was not tried lies beyond one that no seed remembers, and counts as forgotten.
    """
    some = where(rows, delay=delay)
    seeds = len({row["seed"] for row in rows})
    good = sum(row["accuracy"] >= REMEMBERS and row["updates"] <= updates for row in some)
    return wilson(good, seeds)


def reach(rows: list[Row], delays: list[int], updates: float = math.inf) -> int:
    """The longest delay up to which clearly more than half of the seeds remember; else 0."""
    longest = 0
    for delay in delays:
        if passes(rows, delay, updates).low <= 0.5:
            break
        longest = delay
    return longest


def verdict(rows: list[Row]) -> str:
    lines = []
    for optimizer, some in _by_optimizer(rows).items():
        lines.append(
            f"Trained with {optimizer}:\n\n"
            + "\n".join(_against_rnn(some, network, optimizer) for network in _others(some))
        )
    return "\n\n".join([*lines, *_with_both(rows), _table(rows), *_notes(rows)])


def _by_optimizer(rows: list[Row]) -> dict[str, list[Row]]:
    optimizers = dict.fromkeys(row["optimizer"] for row in rows)
    return {optimizer: where(rows, optimizer=optimizer) for optimizer in optimizers}


def _delays(rows: list[Row]) -> list[int]:
    return sorted({row["delay"] for row in rows})


def _others(rows: list[Row]) -> list[str]:
    """The networks that are compared with the plain RNN."""
    return [network for network in dict.fromkeys(row["network"] for row in rows) if network != RNN]


def _part(rows: list[Row], network: str) -> tuple[str, int, Spread, Spread]:
    """Which of the network and the RNN remembers longer, with one optimizer.

    They part at the first delay at which their shares clearly differ: the name of the one with the
    larger share, the delay and the two shares. NOT_CLEAR if there is no such delay, with the last
    delay, or if they clearly differ the other way at a longer one, with that.
    """
    parted = []
    for delay in _delays(rows):
        one, rnn = (passes(where(rows, network=n), delay) for n in (network, RNN))
        difference = compare(one, rnn)
        if difference != NOT_CLEAR:
            parted.append((network if difference == "higher" else RNN, delay, one, rnn))
    if len({longer for longer, *_ in parted}) == 1:
        return parted[0]
    return (NOT_CLEAR, *parted[-1][1:]) if parted else (NOT_CLEAR, delay, one, rnn)


def _against_rnn(rows: list[Row], network: str, optimizer: str) -> str:
    longer, delay, one, rnn = _part(rows, network)
    if longer == NOT_CLEAR:
        why = (
            f"Their intervals overlap at every delay up to {delay} words."
            if compare(one, rnn) == NOT_CLEAR
            else "Each is clearly ahead at some delay."
        )
        return (
            f"- **With {optimizer}, it is not clear whether the {in_words(network)} or the RNN "
            f"remembers longer {_after(rows)}**. {why}"
        )
    shorter = RNN if longer == network else network
    return (
        f"- **With {optimizer}, the {in_words(longer)} remembers longer than the "
        f"{in_words(shorter)} {_after(rows)}**. They first differ at {delay} words: {one:.0%} "
        f"of the seeds remember with the {in_words(network)}, {rnn:.0%} with the RNN."
    )


def _after(rows: list[Row]) -> str:
    return f"after {rows[0]['most_updates']:,} updates"


def _with_both(rows: list[Row]) -> list[str]:
    """The findings on what the optimizers agree on; [] for one optimizer."""
    by_optimizer = _by_optimizer(rows)
    if len(by_optimizer) < 2:
        return []
    lines = []
    for network in _others(rows):
        name = in_words(network)
        longer = {_part(some, network)[0] for some in by_optimizer.values()}
        if NOT_CLEAR in longer:
            said = (
                f"With at least one optimizer, it is not clear whether the {name} or the RNN "
                "remembers longer"
            )
        elif len(longer) > 1:
            said = f"The optimizer decides whether the {name} or the RNN remembers longer"
        elif longer == {network}:
            said = f"With every optimizer, the {name} remembers longer than the RNN"
        else:
            said = f"With every optimizer, the RNN remembers longer than the {name}"
        lines.append(f"- **{said} {_after(rows)}**.")
    return [f"With {and_(by_optimizer)}:\n\n" + "\n".join(lines)]


def _table(rows: list[Row]) -> str:
    delays = _delays(rows)
    lines = [
        "How many seeds remember, by delay in words. To remember means to be right at least "
        f"{REMEMBERS:.1%} of the time. Guessing is right {CHANCE:.0%} of the time:",
        "",
        "| trained with | network | " + " | ".join(map(str, delays)) + " | longest |",
        "|---|---|" + "---|" * (len(delays) + 1),
    ]
    for optimizer, network in dict.fromkeys((row["optimizer"], row["network"]) for row in rows):
        with_it = where(rows, optimizer=optimizer)
        some = where(with_it, network=network)
        cells, last = [], 0
        for delay in delays:
            tried = where(some, delay=delay)
            good = sum(row["accuracy"] >= REMEMBERS for row in tried)
            if tried:
                last = good
            cells.append(f"{good}/{len(tried)}" if tried else "not tried" if last else "-")
        longest = reach(some, _delays(with_it))
        more = " or more" if longest == _delays(with_it)[-1] else ""
        cells.append(f"{longest}{more}")
        lines.append(f"| {optimizer} | {network} | " + " | ".join(cells) + " |")
    lines += [
        "",
        "Longest: the last delay before the lower end of the interval falls to one half. The "
        "findings above compare the shares at each delay instead. A dash: not tried, because no "
        "seed remembers a shorter delay.",
    ]
    for optimizer, some in _by_optimizer(rows).items():
        if some[0]["longest"] < max(row["longest"] for row in rows):
            lines[-1] += f" With {optimizer}, only delays up to {some[0]['longest']} were tried."
    return "\n".join(lines)


def _notes(rows: list[Row]) -> list[str]:
    limit = rows[0]["most_updates"]
    changed = []
    for optimizer, network in dict.fromkeys((row["optimizer"], row["network"]) for row in rows):
        delays = _delays(where(rows, optimizer=optimizer))
        some = where(rows, optimizer=optimizer, network=network)
        half, full = reach(some, delays, limit // 2), reach(some, delays)
        if half != full:
            changed.append(f"{network} with {optimizer} ({half} words, then {full})")
    depends = (
        f"More training changes the result: between {limit // 2:,} and {limit:,} updates, the "
        f"longest delay grew for {and_(changed)}."
        if changed
        else f"The longest delays were the same after {limit // 2:,} updates as after {limit:,}."
    )
    grids = {
        optimizer: [float(rate) for row in some for rate in str(row["rates_tried"]).split()]
        for optimizer, some in _by_optimizer(rows).items()
    }
    spans = "; ".join(f"{min(g):g} to {max(g):g} with {name}" for name, g in grids.items())
    edges = [
        f"{row['network']} with {row['optimizer']} at {row['delay']}"
        for row in {
            (row["optimizer"], row["network"], row["delay"]): row
            for row in rows
            if row["rate_at_edge"] and row["accuracy"] < REMEMBERS
        }.values()
    ]
    note = (
        f" A better rate may exist beyond the grid's edge for {and_(edges)}."
        if edges
        else " No network that forgot had its best rate at the edge of its grid."
    )
    return [
        f"{depends} The study measures what this much training teaches, not what a "
        "network could hold.",
        "The learning rate is tuned for each network, delay and optimizer on separate seeds. The "
        f"grids spanned {spans}.{note}{_rates_not_tried(rows)}",
        f"Measured with {HIDDEN_SIZE} units and batches of {BATCH_SIZE} sequences. The gradient is "
        f"clipped at a norm of {MAX_GRAD_NORM:g}. The biases of the GRU's gates start at 1, as in "
        "TensorFlow 1, and all other biases at 0.",
    ]


def _rates_not_tried(rows: list[Row]) -> str:
    """Names where seeds forgot, and the rate of the next shorter delay was not tried."""
    lacking = []
    for optimizer, network in dict.fromkeys((row["optimizer"], row["network"]) for row in rows):
        some = where(rows, optimizer=optimizer, network=network)
        for shorter, delay in itertools.pairwise(_delays(some)):
            rate = where(some, delay=shorter)[0]["learning_rate"]
            at = where(some, delay=delay)
            tried = [float(each) for each in str(at[0]["rates_tried"]).split()]
            forgot = any(row["accuracy"] < REMEMBERS for row in at)
            if forgot and not any(math.isclose(rate, each, rel_tol=1e-5) for each in tried):
                lacking.append(f"{network} with {optimizer} at {delay}")
    if not lacking:
        return ""
    return (
        " The best rate of the next shorter delay was not tried, and may be better, for "
        f"{and_(lacking)}."
    )


def draw(rows: list[Row]):
    from ptb.experiments.studies.figure import MARKERS, panels  # noqa: PLC0415
    from ptb.machine.colours import NETWORKS, SERIES  # noqa: PLC0415

    optimizers = list(_by_optimizer(rows))
    networks = list(dict.fromkeys(row["network"] for row in rows))
    figure, all_axes = panels(len(optimizers), height=4.2)
    for axes, optimizer in zip(all_axes, optimizers, strict=True):
        for index, network in enumerate(networks):
            delays = _delays(where(rows, optimizer=optimizer))
            some = where(rows, optimizer=optimizer, network=network)
            tried = _delays(some)
            # Beside each other, so that no interval hides another.
            aside = 0.12 * (index - (len(networks) - 1) / 2)
            places = [delays.index(delay) + aside for delay in tried]
            shares = [passes(some, delay) for delay in tried]
            axes.errorbar(
                places,
                [100 * each.mean for each in shares],
                yerr=[
                    [100 * (each.mean - each.low) for each in shares],
                    [100 * (each.high - each.mean) for each in shares],
                ],
                color=SERIES[NETWORKS[network]],
                marker=MARKERS[index],
                linestyle="none",
                capsize=3,
                label=network,
            )
        axes.set(title=f"Trained with {optimizer}", ylim=(-4, 135), yticks=range(0, 101, 20))
        axes.set(ylabel="seeds that remember, %", xlabel="delay, words from symbol to question")
        axes.set_xticks(range(len(delays)), [str(delay) for delay in delays])
    all_axes[0].legend(loc="upper right", fontsize=10.5, ncols=2)
    return figure


STUDY = Study(
    name="memory",
    question="After how many steps does each cell forget?",
    cases=cases,
    measure=measure,
    verdict=verdict,
    draw=draw,
    min_seeds=10,
    brackets="95% intervals of the share of seeds (Wilson)",
)
