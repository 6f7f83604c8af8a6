"""Sequential or random sampling: when is the state carried, and what is that worth?

    ptb study sampling [--quick] [--out=DIR] [--data_path=DIR]

    sequential, carried   windows follow each other, the state goes from each to the next
    sequential, reset     the same windows in the same order, the state zeroed before each
    random                windows in random order, so the state must be zeroed; another border
                          between the windows in each epoch
    shuffled              as random, with the same borders in each epoch

Each is trained on the same words and scored in two ways: with the state zeroed before each window,
and with the state carried. For each way it has the learning rate that is best in that way.
"""

from __future__ import annotations

import math

from ptb.experiments.studies.measurements import (
    NOT_CLEAR,
    Row,
    Spread,
    describe_failed,
    describe_rates,
    describe_size,
    difference,
    estimate,
    perplexity_of,
    sign_of,
    sound,
    where,
    within,
)
from ptb.experiments.studies.study import Options, Study

CARRIED, RESET, RANDOM = "sequential, carried", "sequential, reset", "random"
SHUFFLED = "shuffled"
KINDS = (CARRIED, RESET, SHUFFLED, RANDOM)
# How the state is treated in scoring.
CARRY, ZERO = "carried", "zeroed"
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

    class Shuffled(Stack):
        def _windows(self, epoch):
            """Random windows, moved to where a window starts in every epoch."""
            starts = super()._windows(epoch)
            return starts - starts % self.config.num_steps

    kind = case["sampling"]
    config = Config(
        hidden_size=HIDDEN_SIZE,
        num_layers=1,
        num_steps=case["num_steps"],
        # As the loss is a sum over the steps, so is the gradient: the tutorial's 5 for 20 steps.
        max_grad_norm=0.25 * case["num_steps"],
        num_epochs=case["num_epochs"],
        constant_epochs=max(1, case["num_epochs"] - 2),
        learning_rate_decay=0.4,
        sampling="random" if kind in (RANDOM, SHUFFLED) else "sequential",
    )
    trained = {}  # by rate and seed: the row of each scoring, of the same training

    def train(rates, seeds):
        pairs = list(zip(rates, seeds, strict=True))
        if new := [pair for pair in pairs if pair not in trained]:
            new_rates, new_seeds = zip(*new, strict=True)
            stack = (Shuffled if kind == SHUFFLED else Stack)(
                corpus, config, new_rates, new_seeds, reset_state=kind == RESET
            )
            rows = stack.train()
            nats = {each: stack.nats(corpus.valid, each == CARRY) for each in (CARRY, ZERO)}
            for g, pair in enumerate(new):
                trained[pair] = {
                    scored: rows[g] | {"scored": scored, "valid_nats": finite(values[g])}
                    for scored, values in nats.items()
                }
        return [trained[pair] for pair in pairs]

    rows = [
        row
        for scored in (CARRY, ZERO)
        for row in tune_and_measure(
            lambda *pairs, scored=scored: [rows[scored] for rows in train(*pairs)], RATES, options
        )
    ]
    floors = (math.nan, math.nan)
    if corpus.grammar:
        memories = (None, case["num_steps"])
        floors = tuple(corpus.grammar.perplexity_floor(memory) for memory in memories)
    return [
        row | {"floor_full_memory": floors[0], "floor_window_memory": floors[1]} for row in rows
    ]


def verdict(rows: list[Row]) -> str:
    rows_, failed = sound(rows, "num_steps", "sampling", "scored")
    parts = []
    for length in sorted({row["num_steps"] for row in rows}):
        some = where(rows_, num_steps=length)
        if some:
            parts.append(_of_length(some, length))
    return "\n\n".join(
        part
        for part in (
            *parts,
            "Shuffled windows are random windows with the same borders in each epoch. The borders "
            "of random windows move from epoch to epoch."
            if parts
            else "",
            describe_failed(
                [(*each, f"(scored {scored})") for *each, scored in failed], "num_steps"
            ),
            describe_rates(
                [row | {"scored": f"(scored {row['scored']})"} for row in rows],
                *("num_steps", "sampling", "scored"),
                what="num_steps",
            ),
            describe_size(HIDDEN_SIZE),
        )
        if part
    )


def _perplexity(rows: list[Row], kind: str, scored: str) -> Spread:
    some = where(rows, sampling=kind, scored=scored)
    return perplexity_of(estimate(row["valid_nats"] for row in some))


def _gap(rows: list[Row], one: tuple[str, str], other: tuple[str, str]) -> Spread:
    """The mean nats of one (kind, scoring) minus the mean of another."""
    nats = [
        [row["valid_nats"] for row in where(rows, sampling=kind, scored=scored)]
        for kind, scored in (one, other)
    ]
    return difference(*nats)


def _of_length(rows: list[Row], num_steps: int) -> str:
    at = f"At num_steps {num_steps}"
    head = (
        f"{at}, after the same {rows[0]['words']:,} words. Slightly means not clearly by more than "
        f"{CLOSE_NATS:g} nats a word:"
    )
    lines, counted = [], {(row["sampling"], row["scored"]) for row in rows}
    if {(RESET, ZERO), (CARRIED, CARRY)} <= counted:
        worth = _gap(rows, (RESET, ZERO), (CARRIED, CARRY))
        lines.append(
            f"- **{at}, carrying the state {_verb(worth, LOWERS)}**, compared with zeroing it in "
            f"training and in scoring: {worth:+.3f} nats a word;"
        )
    zeroed, carried = "with the state zeroed", "with the state carried in scoring"
    trained_carried = "training with the carried state"
    for said, than, one, other in (
        (f"{zeroed}, training on random windows", "training on sequential ones",
         (RANDOM, ZERO), (RESET, ZERO)),
        (f"{zeroed}, training on shuffled windows", "training on sequential ones",
         (SHUFFLED, ZERO), (RESET, ZERO)),
        (f"{carried}, training on random windows", trained_carried,
         (RANDOM, CARRY), (CARRIED, CARRY)),
        (f"{carried}, training with the state zeroed", trained_carried,
         (RESET, CARRY), (CARRIED, CARRY)),
        ("with the state zeroed in scoring, training with the carried state",
         "training with it zeroed", (CARRIED, ZERO), (RESET, ZERO)),
    ):  # fmt: skip
        if not {one, other} <= counted:
            continue
        gap = _gap(rows, one, other)
        lines.append(
            f"- **{at}, {said} {_verb(gap, RAISES)}**, compared with {than}: {gap:+.3f} nats a "
            "word;"
        )
    if lines:
        lines = [head, "", *lines[:-1], lines[-1][:-1] + ".", ""]
    lines += [
        f"| valid perplexity at num_steps {num_steps} | scored with the state carried | scored "
        "with it zeroed at each window | windows clipped, % |",
        "|---|---|---|---|",
    ]
    for kind in KINDS:
        cells = [
            f"{_perplexity(rows, kind, each):.2f}" if (kind, each) in counted else ""
            for each in (CARRY, ZERO)
        ]
        own = CARRY if kind == CARRIED else ZERO
        if (kind, own) in counted:
            some = where(rows, sampling=kind, scored=own)
            cells.append(f"{100 * estimate(row['clipped'] for row in some).mean:.0f}")
        lines.append(" | ".join([f"| trained {kind}", *cells, *[""] * (3 - len(cells))]) + " |")
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
    close, sign = within(gap, CLOSE_NATS), sign_of(gap)
    if sign == NOT_CLEAR:
        return "makes no difference" if close else "makes no clear difference"
    verb = positive if sign == "higher" else negative
    return verb if close is False else f"slightly {verb}"


def draw(rows: list[Row]):
    from ptb.experiments.studies.figure import panels  # noqa: PLC0415
    from ptb.machine.colours import GREY, RESET, STATE  # noqa: PLC0415

    lengths = sorted({row["num_steps"] for row in rows})
    figure, all_axes = panels(len(lengths), height=4.0)
    width = 0.38
    for axes, num_steps in zip(all_axes, lengths, strict=True):
        some = where(rows, num_steps=num_steps)
        learned, top = sound(some, "sampling", "scored")[0], 0.0
        for index, (scored, label) in enumerate(
            (
                (CARRY, "scored with the state carried"),
                (ZERO, "scored with it zeroed"),
            )
        ):
            places = [
                i for i, kind in enumerate(KINDS) if where(learned, sampling=kind, scored=scored)
            ]
            bars = [_perplexity(learned, KINDS[i], scored) for i in places]
            means = [bar.mean for bar in bars]
            errors = [
                [bar.mean - bar.band[0] for bar in bars],
                [bar.band[1] - bar.mean for bar in bars],
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
                axes.text(middle, 0.03 * max(means), f"{mean:.2f}", fontsize=8.5, **at_foot)
            top = max([top, *(bar.band[1] for bar in bars)])
        for name, style, label in (
            ("floor_window_memory", ":", "floor, state zeroed at each window"),
            ("floor_full_memory", "--", "floor, full memory"),
        ):
            if not math.isnan(some[0][name]):
                axes.axhline(some[0][name], linestyle=style, color=GREY, label=label)
        axes.set_xticks(range(len(KINDS)), KINDS, fontsize=9.5)
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
    version=2,
)
