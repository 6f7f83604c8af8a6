"""Do larger hidden sizes train faster or slower?

    ptb study hidden_size [--quick] [--out=DIR] [--data_path=DIR]

Three things can be held equal: the updates, and with them the words; the multiplications; the
seconds. The first two are compared here. Each hidden size has a learning rate tuned for it, once
for the same updates as all others, and once for as many multiplications as the next smaller size
needs for them. Seconds depend on the machine: `ptb benchmark --hidden_size=N` measures them.
"""

from __future__ import annotations

import itertools

from ptb.experiments.studies.findings import OF_SEVERAL
from ptb.experiments.studies.measurements import (
    NOT_CLEAR,
    Row,
    and_,
    describe_failed,
    describe_rates,
    difference,
    estimate,
    estimates,
    last_points,
    lowest,
    sign_of,
    sound,
    values_by,
    where,
)
from ptb.experiments.studies.study import Options, Study

POINTS = 10
RATES = (0.5, 1.0, 2.0)
UPDATES = 450


def cases(options: Options) -> list[Row]:
    """`as_many_as`: the size whose multiplications this one may make."""
    sizes, budget = ((16, 32, 64), 100) if options.quick else ((8, 16, 32, 64, 128), UPDATES)
    pairs = [(size, size) for size in sizes] + [
        (large, small) for small, large in itertools.pairwise(sizes)
    ]
    return [{"hidden_size": size, "as_many_as": other, "budget": budget} for size, other in pairs]


def measure(case: Row, corpus, options: Options) -> list[Row]:
    from ptb.experiments.studies.stack import Stack  # noqa: PLC0415
    from ptb.experiments.studies.tuning import tune_and_measure  # noqa: PLC0415
    from ptb.training.config import Config  # noqa: PLC0415

    config = Config(
        hidden_size=case["hidden_size"], num_layers=1, num_epochs=100, constant_epochs=100
    )
    each, other = (
        multiplications(case[name], len(corpus.vocabulary))
        for name in ("hidden_size", "as_many_as")
    )
    updates = case["budget"] * other // each
    rows = tune_and_measure(
        lambda rates, seeds: Stack(corpus, config, rates, seeds).train(updates, POINTS),
        RATES,
        options,
    )
    return [row | {"giga_multiplications": row["words"] * each / 1e9} for row in rows]


def multiplications(hidden_size: int, vocab_size: int) -> int:
    """Multiplications to train on one word: LSTM and softmax, forward and twice that backward."""
    return 3 * (8 * hidden_size * hidden_size + hidden_size * vocab_size)


def verdict(rows: list[Row]) -> str:
    ends = last_points(rows, "hidden_size", "as_many_as", "seed")
    usable, failed = sound(ends, "hidden_size", "as_many_as")
    return "\n\n".join(
        part
        for part in (
            _by_update(_same_updates(usable)),
            _by_multiplication(usable),
            _table(_same_updates(ends)),
            describe_failed([_named(*each) for each in failed], "hidden_size"),
            describe_rates(
                [row | {"named": _named(row["hidden_size"], row["as_many_as"])} for row in rows],
                "named",
            ),
            "This study does not compare seconds: `ptb benchmark --hidden_size=N` measures speed.",
        )
        if part
    )


def _same_updates(rows: list[Row]) -> list[Row]:
    """The rows of trainings with as many updates as those of every other size."""
    return [row for row in rows if row["as_many_as"] == row["hidden_size"]]


def _named(size: int, as_many_as: int) -> str:
    return f"{size}" if size == as_many_as else f"{size} with the multiplications of {as_many_as}"


def _by_update(rows: list[Row]) -> str:
    """The findings at equal updates; "" if fewer than two sizes can be compared."""
    losses = values_by(rows, "valid_nats", "hidden_size")
    if len(losses) < 2:
        return ""
    loss = {size: estimate(values) for size, values in losses.items()}
    best, near = lowest(losses)
    head = f"{and_(sorted([best, *near]))} units have the lowest loss"
    if near:
        head += OF_SEVERAL
    small, large = min(loss), max(loss)
    said = {
        "lower": f"{large} units have a lower loss than {small} units",
        "higher": f"{large} units have a higher loss than {small} units",
        NOT_CLEAR: f"the losses of {large} units and {small} units do not clearly differ",
    }[sign_of(difference(losses[large], losses[small]))]
    when = f"After the same {rows[0]['updates']} updates (and words)"
    return (
        f"- **{when}, {head}**: {loss[best]:.3f} nats a word with {best};\n"
        f"- **{when}, {said}**: {loss[large]:.3f} nats a word with {large}, and "
        f"{loss[small]:.3f} with {small}."
    )


def _by_multiplication(rows: list[Row]) -> str:
    """The finding at equal multiplications: each size against the next larger size."""
    lines, said = [], {}
    sizes = sorted({row["as_many_as"] for row in rows})
    for small in sizes:
        with_as_many = where(rows, as_many_as=small)
        losses = values_by(with_as_many, "valid_nats", "hidden_size")
        if small not in losses or len(losses) < 2:
            continue
        large = max(losses)
        said[f"{small} to {large}"] = sign_of(difference(losses[large], losses[small]))
        budget = where(with_as_many, hidden_size=small)[0]["giga_multiplications"]
        lines.append(
            f"{budget:.3g} billion: {estimate(losses[small]):.3f} with {small} units, "
            f"{estimate(losses[large]):.3f} with {large}"
        )
    if not lines:
        return ""
    if set(said.values()) == {NOT_CLEAR}:
        head = "no size is clearly ahead"
    elif "lower" not in said.values():
        head = "no larger size has a clearly lower loss than the next smaller one"
    elif "higher" not in said.values():
        head = "no larger size has a clearly higher loss than the next smaller one"
    else:
        pairs = ", ".join(f"{sizes}: {each}" for sizes, each in said.items())
        head = f"the loss of the larger of two sizes is ({pairs})"
    return (
        f"**After the same number of multiplications, {head}**. Nats a word: {'; '.join(lines)}. "
        "The count includes the LSTM and the softmax, forward and backward. Each size has the "
        "learning rate that is best after that many."
    )


def _table(rows: list[Row]) -> str:
    lines = [
        "| hidden_size | multiplications, billions | valid loss, nats a word | windows "
        "clipped, % |",
        "|---|---|---|---|",
    ]
    loss = estimates(rows, "valid_nats", "hidden_size")
    for size, each in loss.items():
        some = where(rows, hidden_size=size)
        clipped = 100 * estimate(row["clipped"] for row in some).mean
        lines.append(
            f"| {size} | {some[0]['giga_multiplications']:.3g} | {each:.3f} | {clipped:.0f} |"
        )
    return (
        "\n".join(lines) + f"\n\nA model that knows only the words' frequencies has "
        f"{rows[0]['unigram_nats']:.3f} nats a word. "
        "The share of clipped windows is from the last tenth of training."
    )


def draw(rows: list[Row]):
    from ptb.experiments.studies.figure import legend_above, line, panels  # noqa: PLC0415
    from ptb.machine.colours import LOSS, shades  # noqa: PLC0415
    from ptb.runs.curve import log_axis  # noqa: PLC0415

    rows = _same_updates(rows)
    sizes = sorted({row["hidden_size"] for row in rows})
    ends = last_points(rows, "hidden_size", "seed")
    figure, (at_end, by_updates, by_cost) = panels(3, height=3.9)
    line(at_end, ends, "hidden_size", "valid_nats", 0, "", color=LOSS)
    log_axis(at_end, "x", sizes)
    at_end.set(title=f"Loss after the same {ends[0]['updates']} updates")
    at_end.set_xlabel("hidden_size, units (log scale)")
    log_axis(by_cost, "x")  # first: without a finite loss it could not be set later
    for index, (size, colour) in enumerate(zip(sizes, shades(len(sizes)), strict=True)):
        some, style = where(rows, hidden_size=size), {"color": colour}
        line(by_updates, some, "updates", "valid_nats", index, f"{size} units", **style)
        line(by_cost, some, "giga_multiplications", "valid_nats", index, f"{size} units", **style)
    by_updates.set(title="Loss against updates", xlabel="updates")
    legend_above(by_updates, ncols=2)
    by_cost.set(
        title="Loss against multiplications", xlabel="multiplications, billions (log scale)"
    )
    for axes in (at_end, by_updates, by_cost):
        axes.set_ylabel("valid loss, nats a word")
    return figure


STUDY = Study(
    name="hidden_size",
    question="Do larger hidden sizes train faster or slower?",
    cases=cases,
    measure=measure,
    verdict=verdict,
    draw=draw,
    version=2,
)
