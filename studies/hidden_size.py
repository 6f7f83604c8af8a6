"""Do larger hidden sizes train faster or slower?

    python3 -m studies.hidden_size [--quick] [--out=DIR] [--data_path=DIR]

"Faster" can mean three things: time for one step, loss after the same number of steps, or time to
a given loss. Each hidden size has the best of several learning rates.
"""

from __future__ import annotations

import itertools

from studies.measurements import (
    Row,
    at_best_learning_rates,
    describe_learning_rates,
    doubt,
    last_points,
    loss_after,
    mean_seconds,
    quickest_to,
    spread,
    where,
)
from studies.study import Options, Study

POINTS = 10


def cases(options: Options) -> list[Row]:
    sizes = (16, 64, 128) if options.quick else (16, 32, 64, 128, 256)
    rates = (1.0, 2.0) if options.quick else (0.5, 1.0, 2.0)
    num_epochs = 1 if options.quick else 2
    return [
        {"hidden_size": size, "learning_rate": rate, "num_epochs": num_epochs, "seed": seed}
        for size, rate, seed in itertools.product(sizes, rates, options.seeds)
    ]


def measure(case: Row, corpus) -> list[Row]:
    from studies.training_run import TrainingRun  # noqa: PLC0415
    from training.config import Config  # noqa: PLC0415

    config = Config(num_layers=1, constant_epochs=case["num_epochs"], **case)
    rows = TrainingRun(corpus, config).epochs(points=POINTS)
    words_per_step = config.batch_size * config.num_steps
    for row in rows:
        row["ms_per_step"] = 1000 * words_per_step / row["words_per_second"]
        row["steps"] = row["words"] // words_per_step
    return rows


def verdict(rows: list[Row]) -> str:
    rates = describe_learning_rates(rows, "hidden_size")
    rows = at_best_learning_rates(rows, "hidden_size")
    ends = last_points(rows, "hidden_size", "seed")
    step = spread(ends, "ms_per_step", "hidden_size")
    loss = spread(ends, "valid_nats", "hidden_size")
    small, large = min(step), max(step)
    lowest = min(loss, key=lambda size: loss[size].mean)
    slower, better = step[large].mean / step[small].mean, loss[small].mean - loss[large].mean
    return "\n\n".join(
        [
            f"**A step is {'slower' if slower > 1 else 'faster'} with a larger hidden size**: "
            f"{step[small]:.2f} ms with {small} units, {step[large]:.2f} ms with {large}, "
            f"{slower:.1f} times the time for {(large / small) ** 2:.0f} times the recurrent "
            "weights.",
            f"**A step {'teaches more' if better > 0 else 'does not teach more'}**: after the "
            f"same {ends[0]['steps']} steps the valid loss is {loss[small]:.3f} nats a word with "
            f"{small} units and {loss[large]:.3f} with {large}; the lowest with "
            f"{lowest}{doubt(loss, lowest)}, {loss[lowest]:.3f}.",
            _by_the_second(rows, ends),
            quickest_to(rows, "hidden_size"),
            rates,
        ]
    )


def _by_the_second(rows: list[Row], ends: list[Row]) -> str:
    """Which size has learned most when the first of them is through."""
    seconds = min(each.mean for each in spread(ends, "seconds", "hidden_size").values())
    loss = loss_after(rows, seconds, "hidden_size")
    if not loss:
        return f"By the second: nothing was measured within {seconds:.2f} s."
    lowest = min(loss, key=lambda size: loss[size].mean)
    figures = ", ".join(f"{each:.3f} with {size}" for size, each in loss.items())
    return (
        f"**By the second {lowest} units learn most**{doubt(loss, lowest)}: after the "
        f"{seconds:.2f} s in which the first was through, the valid loss was {figures} units."
    )


def draw(rows: list[Row]):
    from studies.figure import legend_above, line, panels  # noqa: PLC0415
    from training.curve import log_axis  # noqa: PLC0415

    rows = at_best_learning_rates(rows, "hidden_size")
    sizes = sorted({row["hidden_size"] for row in rows})
    figure, (steps, by_steps, by_seconds) = panels(3, height=3.7)
    line(steps, last_points(rows, "hidden_size", "seed"), "hidden_size", "ms_per_step", 0, "")
    log_axis(steps, "x", sizes)
    log_axis(steps, "y")
    steps.set(title="Time of one step", xlabel="hidden_size, units (log scale)")
    steps.set_ylabel("ms a step (log scale)")
    for index, size in enumerate(sizes):
        some = mean_seconds(where(rows, hidden_size=size))
        line(by_steps, some, "steps", "valid_nats", index, f"{size} units")
        line(by_seconds, some, "seconds", "valid_nats", index, f"{size} units")
    by_steps.set(title="Loss after the same steps", xlabel="training steps")
    legend_above(by_steps, ncols=2)
    log_axis(by_seconds, "x")
    by_seconds.set(title="Loss after the same time", xlabel="training time, seconds (log scale)")
    for axes in (by_steps, by_seconds):
        axes.set_ylabel("valid loss, nats a word")
    return figure


STUDY = Study(
    name="hidden_size",
    question="Do larger hidden sizes train faster or slower?",
    cases=cases,
    measure=measure,
    verdict=verdict,
    draw=draw,
)

if __name__ == "__main__":
    STUDY.main()
