"""Is a larger batch only faster, with about the same loss?

    python3 -m studies.batch_size [--quick] [--out=DIR] [--data_path=DIR]

Every batch size reads the same words, so a batch of 256 makes 1/256 of the updates of a batch of 1.
Since that may want another learning rate, each is trained with several, and judged at its best.
"""

from __future__ import annotations

import itertools
import math

from studies.measurements import (
    Row,
    Spread,
    at_best_learning_rates,
    describe_learning_rates,
    doubt,
    last_points,
    mean_seconds,
    quickest_to,
    spread,
    where,
)
from studies.study import Options, Study

# What "about 4 times as fast" and "the losses are close" are taken to mean.
ABOUT_FOUR = (3.2, 4.8)
CLOSE_NATS = 0.05
POINTS = 10


def cases(options: Options) -> list[Row]:
    batch_sizes = (1, 4, 64) if options.quick else (1, 4, 20, 64, 256)
    rates = (0.5, 2.0) if options.quick else (0.125, 0.25, 1.0, 2.0)
    num_epochs = 1 if options.quick else 2
    return [
        {"batch_size": size, "learning_rate": rate, "num_epochs": num_epochs, "seed": seed}
        for size, rate, seed in itertools.product(batch_sizes, rates, options.seeds)
    ]


def measure(case: Row, corpus) -> list[Row]:
    from studies.training_run import TrainingRun  # noqa: PLC0415
    from training.config import Config  # noqa: PLC0415

    config = Config(hidden_size=64, num_layers=1, constant_epochs=case["num_epochs"], **case)
    return TrainingRun(corpus, config).epochs(points=POINTS)


def verdict(rows: list[Row]) -> str:
    rates = describe_learning_rates(rows, "batch_size")
    rows = at_best_learning_rates(rows, "batch_size")
    ends = last_points(rows, "batch_size", "seed")
    loss = spread(ends, "valid_nats", "batch_size")
    speed = spread(ends, "words_per_second", "batch_size")
    small, large = min(loss), max(loss)
    lowest = min(loss, key=lambda size: loss[size].mean)
    lines = [
        _claim(loss, speed),
        f"From batch_size {small} to {large} the speed goes from {speed[small]:,.0f} to "
        f"{speed[large]:,.0f} words/s. After the same {ends[0]['words']:,.0f} words the valid loss "
        f"is lowest with batch_size {lowest}{doubt(loss, lowest)}, {loss[lowest]:.3f} nats a "
        f"word, and {loss[large].mean - loss[small].mean:+.3f} nats from batch_size {small} to "
        f"{large}: {_per_token(loss[large].mean - loss[small].mean)}",
        quickest_to(rows, "batch_size"),
        rates,
    ]
    return "\n\n".join(lines)


def _claim(loss: dict, speed: dict[int, Spread]) -> str:
    ratio = speed[4].mean / speed[1].mean
    apart = abs(loss[4].mean - loss[1].mean)
    fast, close = ABOUT_FOUR[0] <= ratio <= ABOUT_FOUR[1], apart <= CLOSE_NATS
    true = {True: "true", False: "false"}
    return (
        '**"Batch 4 is about 4 times as fast as batch 1, and the losses are close": '
        f"{true[fast and close]} here.** It was {ratio:.2f} times as fast (about 4 is taken as "
        f"{ABOUT_FOUR[0]} to {ABOUT_FOUR[1]}: {true[fast]}), and after the same words the losses, "
        f"{loss[4]:.3f} and {loss[1]:.3f}, were {apart:.3f} nats a word apart (close is taken as "
        f"at most {CLOSE_NATS}: {true[close]})."
    )


def _per_token(difference: float) -> str:
    if abs(difference) <= CLOSE_NATS:
        return "close, so that here the larger batch is merely faster."
    if difference > 0:
        return (
            "a larger batch is not merely faster: it makes fewer updates from the same words, and "
            f"pays with a perplexity {math.exp(difference):.2f} times as high."
        )
    return (
        f"the larger batch has a perplexity {math.exp(difference):.2f} times that of the smaller."
    )


def draw(rows: list[Row]):
    from studies.figure import legend_above, line, panels  # noqa: PLC0415
    from training.curve import log_axis  # noqa: PLC0415

    rows = at_best_learning_rates(rows, "batch_size")
    sizes = sorted({row["batch_size"] for row in rows})
    speed = spread(last_points(rows, "batch_size", "seed"), "words_per_second", "batch_size")
    figure, (by_words, by_seconds, speeds) = panels(3, height=3.7)
    for index, size in enumerate(sizes):
        some = where(rows, batch_size=size)
        label = f"batch {size}"
        line(by_words, _thousands(some), "thousand_words", "valid_nats", index, label)
        line(by_seconds, mean_seconds(some), "seconds", "valid_nats", index, label)
    by_words.set(title="Loss after the same words", xlabel="words seen, thousands")
    by_seconds.set(title="Loss after the same time", xlabel="training time, seconds (log scale)")
    log_axis(by_seconds, "x")
    for axes in (by_words, by_seconds):
        axes.set_ylabel("valid loss, nats a word")
    legend_above(by_words, ncols=2)
    line(
        speeds,
        last_points(rows, "batch_size", "seed"),
        "batch_size",
        "words_per_second",
        0,
        "measured",
    )
    exact = [speed[sizes[0]].mean * size / sizes[0] for size in sizes]
    speeds.plot(sizes, exact, ":", color="#666666", label="proportional to batch_size")
    log_axis(speeds, "x", sizes)
    log_axis(speeds, "y")
    speeds.set(title="Speed", xlabel="batch_size (log scale)", ylabel="words a second (log scale)")
    speeds.legend()
    return figure


def _thousands(rows: list[Row]) -> list[Row]:
    return [row | {"thousand_words": row["words"] / 1000} for row in rows]


STUDY = Study(
    name="batch_size",
    question="Is a larger batch only faster, with about the same loss?",
    cases=cases,
    measure=measure,
    verdict=verdict,
    draw=draw,
)

if __name__ == "__main__":
    STUDY.main()
