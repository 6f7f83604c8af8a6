"""Is a larger batch only faster, with about the same loss?

    ptb study batch_size [--quick] [--out=DIR] [--data_path=DIR]

Every batch size is compared twice: after the same words, of which a batch of 256 makes 1/256 of the
updates that a batch of 1 makes, and after the same updates, in which it reads 256 times the words.
Each has a learning rate tuned for it in each of the two. Beside the loss stand the share of windows
whose gradient was clipped, the generalization gap (valid loss minus that of train tokens that were
read), and the noise of the gradient.

The noise: for batches of B rows, the gradient is its mean G plus noise whose variances sum to
S / B. S / |G|^2 is the simple noise scale of McCandlish et al. 2018 (arXiv 1812.06162): the batch
whose noise is as large as its signal.
"""

from __future__ import annotations

import functools
import math

import numpy as np

from ptb.experiments.studies.findings import OF_SEVERAL
from ptb.experiments.studies.measurements import (
    NOT_CLEAR,
    Row,
    Spread,
    and_,
    compare,
    describe_failed,
    describe_rates,
    describe_size,
    difference,
    estimate,
    estimates,
    lowest,
    median,
    sign_of,
    sound,
    values_by,
    where,
    within,
)
from ptb.experiments.studies.study import Options, Study

CLOSE_NATS = 0.05
HIDDEN_SIZE = 32
WORDS, UPDATES = "same words", "same updates"
RATES = (0.25, 0.5, 1.0, 2.0)
OF_THE_GAP = "The gap also depends on how much a model has read and learned."
OF_THE_CLIP = (
    "All batch sizes have the same max_grad_norm, which was not tuned. The share of clipped "
    "windows differs (see the table), so a part of the differences may come from the clip."
)
GAP_TOKENS = 12_000
NOISE_ROWS = 256  # single rows whose gradients the noise is estimated from


def cases(options: Options) -> list[Row]:
    sizes, held = (
        ((1, 4, 16), (WORDS,)) if options.quick else ((1, 4, 20, 64, 256), (WORDS, UPDATES))
    )
    # The same words: an epoch of the built-in text or two. The same updates: enough that a batch
    # of 1 learns, and of 256 needs no more than some twenty epochs.
    cases = [
        {
            "held": which,
            "batch_size": size,
            "budget": (20_000 if options.quick else 180_000) if which == WORDS else 450,
        }
        for which in held
        for size in sizes
    ]
    return cases


def measure(case: Row, corpus, options: Options) -> list[Row]:
    from ptb.experiments.studies.stack import Stack, finite  # noqa: PLC0415
    from ptb.experiments.studies.tuning import tune_and_measure  # noqa: PLC0415
    from ptb.training.config import Config  # noqa: PLC0415

    size = case["batch_size"]
    config = Config(
        hidden_size=HIDDEN_SIZE,
        num_layers=1,
        batch_size=size,
        num_epochs=100,
        constant_epochs=100,
    )
    per_update = size * config.num_steps
    updates = case["budget"] if case["held"] == UPDATES else max(1, case["budget"] // per_update)
    stacks = []

    def train(rates, seeds):
        stacks.append(Stack(corpus, config, rates, seeds))
        return stacks[-1].train(updates)

    rows = tune_and_measure(train, RATES, options)
    read = read_tokens(corpus.train, size, updates * config.num_steps)
    train_nats = stacks[-1].nats(read, True)
    ratios = noise_scales(stacks[-1], corpus.train) if size == 20 else [math.nan] * len(rows)
    return [
        row
        | {
            "train_nats": finite(train_nats[g]),
            "train_tokens": len(read),
            "noise_scale": float(ratios[g]),
        }
        for g, row in enumerate(rows)
    ]


def read_tokens(ids, batch_size: int, num_columns: int):
    """Up to GAP_TOKENS of what was read in the first columns of a batch, row by row, `[N]`."""
    length = len(ids) // batch_size
    columns = min(num_columns, length)
    rows = max(1, min(batch_size, GAP_TOKENS // columns))
    starts = length * np.arange(rows)
    return np.concatenate([ids[start : start + columns] for start in starts])[:GAP_TOKENS]


def noise_scales(stack, ids):
    """The simple noise scale at each model's weights, as a number of rows.

    It is estimated from the gradients of NOISE_ROWS single rows that are spread over the text, each
    with the state after one window of it.
    """
    import tensorflow as tf  # noqa: PLC0415

    from ptb.data import reader  # noqa: PLC0415

    rows = min(NOISE_ROWS, (len(ids) - 1) // (2 * stack.config.num_steps))
    num_steps, chunk = stack.config.num_steps, 64
    windows = reader.sequential(ids, rows, num_steps)
    scales = []
    for g in range(len(stack.seeds)):
        squares, total = 0.0, 0.0
        for first in range(0, rows, chunk):
            # The rows take the place of the models: each has its gradient.
            count = min(chunk, rows - first)
            copies = {n: tf.repeat(w[g : g + 1], count, axis=0) for n, w in stack.weights.items()}
            state = stack.network.initial_state(count, 1)
            for inputs, targets in (windows[0], windows[1]):
                # The gradient of the second window is the one that stays.
                tokens = np.concatenate([inputs, targets[:, -1:]], axis=1)[first : first + count]
                parts, _, _, state = _row_gradients()(
                    stack.network, copies, tf.constant(tokens[:, None]), state
                )
            vectors = np.concatenate(
                [part.numpy().reshape(count, -1).astype(np.float64) for part in parts.values()], 1
            )
            squares += np.square(vectors).sum()
            total = total + vectors.sum(axis=0)
        scales.append(noise_scale(rows, squares, total))
    return scales


def noise_scale(count: int, squares: float, total) -> float:
    """The noise scale S / |G|^2, from `count` gradients' squared norms and their vector sum.

    S = sum |g_i - mean|^2 / (count - 1), and |G|^2 = |mean|^2 - S / count, both without bias.
    """
    mean = float((total / count) @ (total / count))
    noise = (squares - count * mean) / (count - 1)
    return noise / (mean - noise / count)


@functools.cache
def _row_gradients():
    import tensorflow as tf  # noqa: PLC0415

    from ptb.experiments.studies.stack import window_gradients  # noqa: PLC0415

    return tf.function(window_gradients, reduce_retracing=True)


def verdict(rows: list[Row]) -> str:
    usable, failed = sound(rows, "held", "batch_size")
    parts = [
        _of_held(where(usable, held=held), held)
        for held in dict.fromkeys(row["held"] for row in rows)
    ]
    return "\n\n".join(
        part
        for part in (
            *parts,
            OF_THE_GAP if any(parts) and _has_gap(rows) else "",
            OF_THE_CLIP if any(parts) else "",
            _noise(usable),
            _table(rows),
            describe_failed(failed, "after the"),
            describe_rates(rows, "held", "batch_size", what="the"),
            describe_size(HIDDEN_SIZE),
            "This study does not compare speed: `ptb benchmark --batch_size=N` measures it.",
        )
        if part
    )


def _has_gap(rows: list[Row]) -> bool:
    """Whether the train loss is of tokens that were read: older rows do not say of which."""
    return "train_tokens" in rows[0]


def _losses(rows: list[Row], size: int) -> list[float]:
    return [row["valid_nats"] for row in where(rows, batch_size=size)]


def _of_held(rows: list[Row], held: str) -> str:
    loss = estimates(rows, "valid_nats", "batch_size")
    if len(loss) < 2:
        return ""
    best, near = lowest(values_by(rows, "valid_nats", "batch_size"))
    sizes = and_(sorted([best, *near]))
    head = f"batch_size {sizes} {'have' if near else 'has'} the lowest loss"
    if near:
        head += OF_SEVERAL
    lines = [f"- **After the {held}, {head}**: {loss[best]:.3f} nats a word with {best};"]
    if {1, 4} <= loss.keys():
        lines.append(_gap(rows, held, 4, 1))
    if max(loss) > 4:
        lines.append(_gap(rows, held, max(loss), min(loss)))
    if _has_gap(rows):
        lines.append(_generalization(rows, held, loss))
    budget = "updates" if held == UPDATES else "words"
    amount = max(row[budget] for row in rows)
    head = (
        f"After the {held} (about {amount:,}). Losses within {CLOSE_NATS:g} nats a word count as "
        "about the same:"
    )
    return f"{head}\n\n" + "\n".join(lines)[:-1] + "."


def _gap(rows: list[Row], held: str, large: int, small: int) -> str:
    gap = difference(_losses(rows, large), _losses(rows, small))
    close = within(gap, CLOSE_NATS)
    if close:
        said = f"batch {large} and batch {small} have about the same loss"
    elif (height := sign_of(gap)) == NOT_CLEAR:
        said = f"the losses of batch {large} and batch {small} do not clearly differ"
    else:
        slightly = "slightly " if close is None else ""
        said = f"batch {large} has a {slightly}{height} loss than batch {small}"
    return (
        f"- **After the {held}, {said}**: a difference of {gap:+.3f} nats a word, "
        f"{math.exp(gap.mean):.2f} times the perplexity;"
    )


def _generalization(rows: list[Row], held: str, loss: dict) -> str:
    """The finding on valid minus train loss, for the largest and the smallest batch."""
    gaps = {
        size: estimate(
            row["valid_nats"] - row["train_nats"] for row in where(rows, batch_size=size)
        )
        for size in (min(loss), max(loss))
    }
    small, large = gaps
    said = {
        "higher": f"is larger with batch {large} than with batch {small}",
        "lower": f"is smaller with batch {large} than with batch {small}",
        NOT_CLEAR: f"does not clearly differ between batch {large} and batch {small}",
    }[compare(gaps[large], gaps[small])]
    return (
        f"- **After the {held}, the generalization gap {said}**: valid minus train loss is "
        f"{gaps[large]:.3f} nats a word with batch {large}, and {gaps[small]:.3f} with {small};"
    )


def _noise_scales(rows: list[Row]) -> list[float]:
    """The noise scale of each seed; infinite if its estimate is below zero: no signal is found."""
    of_words = [row["noise_scale"] for row in where(rows, held=WORDS)]
    return [each if each > 0 else math.inf for each in of_words if not math.isnan(each)]


def noise_over_signal(rows: list[Row]) -> dict[int, Spread]:
    """The median over the seeds, by batch size.

    A mean would say little: if the signal is small, the estimate of a seed may be many times too
    large.
    """
    # The ratio of noise to signal of a batch of B rows is the root of the scale over B.
    return {
        size: median(math.sqrt(each / size) for each in _noise_scales(rows))
        for size in (1, 4, 20, 64, 256)
    }


def _noise(rows: list[Row]) -> str:
    if not (scales := _noise_scales(rows)):
        return ""
    noise, scale = noise_over_signal(rows), median(scales)
    rate = where(rows, held=WORDS, batch_size=20)[0]["learning_rate"]
    louder = [size for size, each in noise.items() if each.low > 1]
    head = (
        f"The gradient's noise is larger than its signal up to batch {max(louder)}"
        if louder
        else "The gradient's noise is not clearly larger than its signal at any batch"
    )
    if math.isinf(scale.mean):
        return f"**{head}**. For most seeds, no signal is found beside the noise."
    named = ", ".join(f"{each:.2f} with {size}" for size, each in noise.items())
    return (
        f"**{head}**. Noise over signal (median of the seeds), at the weights of batch 20 after "
        f"the same words, is {named}. The two are equal at a batch of {scale:.0f} rows (simple "
        f"noise scale). These weights were trained with a learning rate of {rate:g}. With another "
        "rate the noise may differ."
    )


def _table(rows: list[Row]) -> str:
    lines = [
        "| held equal | batch_size | updates | valid loss, nats a word | windows clipped, % |",
        "|---|---|---|---|---|",
    ]
    for held, size in dict.fromkeys((row["held"], row["batch_size"]) for row in rows):
        some = where(rows, held=held, batch_size=size)
        loss = estimate(row["valid_nats"] for row in some)
        clipped = 100 * estimate(row["clipped"] for row in some).mean
        lines.append(f"| {held} | {size} | {some[0]['updates']:,} | {loss:.3f} | {clipped:.0f} |")
    return (
        "\n".join(lines) + f"\n\nA model that knows only the words' frequencies has "
        f"{rows[0]['unigram_nats']:.3f} nats a word."
    )


def draw(rows: list[Row]):
    from ptb.experiments.studies.figure import line, panels  # noqa: PLC0415
    from ptb.machine.colours import GREY, LOSS, TRAIN  # noqa: PLC0415
    from ptb.runs.curve import log_axis  # noqa: PLC0415

    sizes = sorted({row["batch_size"] for row in rows})
    held = list(dict.fromkeys(row["held"] for row in rows))
    figure, all_axes = panels(len(held) + 1, height=3.7)
    for axes, which in zip(all_axes, held, strict=False):
        some = where(rows, held=which)
        learned, failed = sound(some, "batch_size")
        line(axes, learned, "batch_size", "valid_nats", 0, "valid", color=LOSS)
        if _has_gap(rows):
            line(axes, learned, "batch_size", "train_nats", 1, "train", color=TRAIN)
        axes.axhline(rows[0]["unigram_nats"], linestyle=":", color=GREY, label="words' frequencies")
        if failed:
            heights = [rows[0]["unigram_nats"]] * len(failed)
            axes.plot(failed, heights, "x", color=GREY, label="not counted")
        axes.set(title=f"After the {which}", ylabel="loss, nats a word")
        axes.legend(loc="best", fontsize=10.5)
    for index, which in enumerate(held):
        some = [row | {"percent": 100 * row["clipped"]} for row in where(rows, held=which)]
        line(all_axes[-1], some, "batch_size", "percent", index, which)
    all_axes[-1].set(title="Windows whose gradient was clipped", ylabel="windows clipped, %")
    all_axes[-1].legend(fontsize=10.5)
    for axes in all_axes:
        log_axis(axes, "x", sizes)
        axes.set_xlabel("batch_size (log scale)")
    return figure


STUDY = Study(
    name="batch_size",
    question="Is a larger batch only faster, with about the same loss?",
    cases=cases,
    measure=measure,
    verdict=verdict,
    draw=draw,
    version=2,
    brackets="95% intervals of the mean (Student's t), and of the median for the noise (ranks)",
)
