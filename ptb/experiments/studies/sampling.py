"""Sequential or random sampling: when is the state carried, and what is that worth?

    ptb study sampling [--quick] [--out=DIR] [--data_path=DIR]

    sequential, carried   windows follow each other, the state goes from each to the next
    sequential, reset     the same windows in the same order, the state zeroed before each
    random                windows in random order, so the state must be zeroed

Each is trained on the same words at a learning rate tuned for it, and scored twice: with the state
zeroed before each window, and with the state carried. The rate is the one that is best in the
scoring that belongs to the training.
"""

from __future__ import annotations

import math

from ptb.experiments.studies.measurements import (
    Row,
    Spread,
    bootstrap,
    describe_failed,
    describe_rates,
    describe_size,
    difference,
    perplexity_of,
    sound,
    where,
    within,
)
from ptb.experiments.studies.study import Options, Study

CARRIED, RESET, RANDOM = "sequential, carried", "sequential, reset", "random"
KINDS = (CARRIED, RESET, RANDOM)
LOWERS, RAISES = "lowers the loss", "raises the loss"
CLOSE_NATS = 0.02  # losses this near are called equal
HIDDEN_SIZE = 32
RATES = (1.0, 2.0, 4.0)


def cases(options: Options) -> list[Row]:
    lengths = (5,) if options.quick else (5, 20)
    return [
        {"num_steps": num_steps, "sampling": kind, "num_epochs": 1 if options.quick else 4}
        for num_steps in lengths
        for kind in KINDS
    ]


def measure(case: Row, corpus, options: Options) -> list[Row]:
    from ptb.experiments.studies.stack import Stack, finite  # noqa: PLC0415
    from ptb.experiments.studies.tuning import tune_and_measure  # noqa: PLC0415
    from ptb.training.config import Config  # noqa: PLC0415

    config = Config(
        hidden_size=HIDDEN_SIZE,
        num_layers=1,
        num_steps=case["num_steps"],
        # As the loss is a sum over the steps, so is the gradient: the tutorial's 5 for 20 steps.
        max_grad_norm=0.25 * case["num_steps"],
        num_epochs=case["num_epochs"],
        constant_epochs=max(1, case["num_epochs"] - 2),
        learning_rate_decay=0.4,
        sampling="random" if case["sampling"] == RANDOM else "sequential",
    )
    stacks = []

    def train(rates, seeds):
        stacks.append(Stack(corpus, config, rates, seeds, reset_state=case["sampling"] == RESET))
        return stacks[-1].train()

    rows = tune_and_measure(train, RATES, options)
    carried, reset = (stacks[-1].nats(corpus.valid, carries) for carries in (True, False))
    floors = (math.nan, math.nan)
    if corpus.grammar:
        memories = (None, case["num_steps"])
        floors = tuple(corpus.grammar.perplexity_floor(memory) for memory in memories)
    return [
        row
        | {
            "nats_if_carried": finite(carried[g]),
            "nats_if_reset": finite(reset[g]),
            "floor_full_memory": floors[0],
            "floor_window_memory": floors[1],
        }
        for g, row in enumerate(rows)
    ]


def verdict(rows: list[Row]) -> str:
    rows_, failed = sound(rows, "num_steps", "sampling")
    parts = []
    for length in sorted({row["num_steps"] for row in rows}):
        some = where(rows_, num_steps=length)
        if {row["sampling"] for row in some} == set(KINDS):
            parts.append(_of_length(some, length))
    return "\n\n".join(
        part
        for part in (
            *parts,
            describe_failed(failed, "num_steps"),
            describe_rates(rows, "num_steps", "sampling", what="num_steps"),
            describe_size(HIDDEN_SIZE),
        )
        if part
    )


def _perplexity(rows: list[Row], column: str) -> Spread:
    """Perplexity from a column of nats."""
    return perplexity_of(bootstrap(row[column] for row in rows))


def _gap(rows: list[Row], one: tuple[str, str], other: tuple[str, str]) -> Spread:
    """The mean nats of one (kind, column) minus the mean of another."""
    nats = [[row[column] for row in where(rows, sampling=kind)] for kind, column in (one, other)]
    return difference(*nats)


def _of_length(rows: list[Row], num_steps: int) -> str:
    worth = _gap(rows, (RESET, "nats_if_reset"), (CARRIED, "nats_if_carried"))
    order = _gap(rows, (RANDOM, "nats_if_reset"), (RESET, "nats_if_reset"))
    later = _gap(rows, (RANDOM, "nats_if_carried"), (CARRIED, "nats_if_carried"))
    lines = [
        f"At num_steps {num_steps}, after the same {rows[0]['words']:,} words. Slightly means "
        f"not clearly by more than {CLOSE_NATS:g} nats a word:",
        "",
        f"- **At num_steps {num_steps}, carrying the state {_verb(worth, LOWERS)}**, compared with "
        f"zeroing it in training and in scoring: {worth:+.3f} nats a word;",
        f"- **At num_steps {num_steps}, with the state zeroed, random order "
        f"{_verb(order, RAISES)}**, compared with sequential order: {order:+.3f} nats a word;",
        f"- **At num_steps {num_steps}, with the state carried in scoring, training on random "
        f"windows {_verb(later, RAISES)}**, compared with training with the carried state: "
        f"{later:+.3f} nats a word.",
        "",
        f"| valid perplexity at num_steps {num_steps} | scored with the state carried | scored "
        "with "
        "it zeroed at each window | windows clipped, % |",
        "|---|---|---|---|",
    ]
    for kind in KINDS:
        some = where(rows, sampling=kind)
        clipped = 100 * bootstrap(row["clipped"] for row in some).mean
        lines.append(
            f"| trained {kind} | {_perplexity(some, 'nats_if_carried'):.2f} | "
            f"{_perplexity(some, 'nats_if_reset'):.2f} | {clipped:.0f} |"
        )
    floors = [float(rows[0][f"floor_{name}_memory"]) for name in ("full", "window")]
    if not math.isnan(floors[0]):
        lines += [
            "",
            f"The computed floor is {floors[0]:.2f} with full memory. With the state zeroed at "
            f"each window it is {floors[1]:.2f}. A model that knows only the words' frequencies "
            f"has a perplexity of {math.exp(rows[0]['unigram_nats']):.1f}.",
        ]
    return "\n".join(lines)


def _verb(gap: Spread, positive: str) -> str:
    """The verb for a gap: `positive` if it is clearly above 0, and its opposite if below."""
    negative = RAISES if positive == LOWERS else LOWERS
    close = within(gap, CLOSE_NATS)
    if gap.low <= 0 <= gap.high:
        return "makes no difference" if close else "makes no clear difference"
    verb = positive if gap.mean > 0 else negative
    return verb if close is False else f"slightly {verb}"


def draw(rows: list[Row]):
    from ptb.experiments.studies.figure import panels  # noqa: PLC0415
    from ptb.machine.colours import GREY, RESET, STATE  # noqa: PLC0415

    lengths = sorted({row["num_steps"] for row in rows})
    figure, all_axes = panels(len(lengths), height=4.0)
    width = 0.38
    for axes, num_steps in zip(all_axes, lengths, strict=True):
        some = where(rows, num_steps=num_steps)
        learned = sound(some, "sampling")[0]
        places = [i for i, kind in enumerate(KINDS) if where(learned, sampling=kind)]
        top = 0.0
        for index, (column, label) in enumerate(
            (
                ("nats_if_carried", "scored with the state carried"),
                ("nats_if_reset", "scored with it zeroed"),
            )
        ):
            bars = [_perplexity(where(learned, sampling=KINDS[i]), column) for i in places]
            means = [bar.mean for bar in bars]
            errors = [
                [bar.mean - bar.low for bar in bars],
                [bar.high - bar.mean for bar in bars],
            ]
            middles = [i + (index - 0.5) * width for i in places]
            axes.bar(
                middles,
                means,
                width,
                yerr=errors,
                color=(STATE, RESET)[index],
                capsize=4,
                label=label,
            )
            # At the foot of the bars, where no floor crosses them.
            for middle, mean in zip(middles, means, strict=True):
                at_foot = {"ha": "center", "va": "bottom", "color": "white", "weight": "bold"}
                axes.text(middle, 0.03 * max(means), f"{mean:.2f}", fontsize=9.5, **at_foot)
            top = max([top, *(bar.high for bar in bars)])
        for name, style, label in (
            ("floor_window_memory", ":", "floor, state zeroed at each window"),
            ("floor_full_memory", "--", "floor, full memory"),
        ):
            if not math.isnan(some[0][name]):
                axes.axhline(some[0][name], linestyle=style, color=GREY, label=label)
        axes.set_xticks(range(len(KINDS)), KINDS)
        axes.set(
            title=f"num_steps {num_steps}", ylabel="valid perplexity", ylim=(0, 1.45 * top or 1)
        )
        axes.set_xlabel("how it was trained")
        axes.legend(loc="upper center", ncols=2, fontsize=10)
        axes.grid(axis="x", visible=False)
        axes.set_axisbelow(True)
    return figure


STUDY = Study(
    name="sampling",
    question="Sequential or random sampling: what is carrying the state worth?",
    cases=cases,
    measure=measure,
    verdict=verdict,
    draw=draw,
)
