"""How many time steps are enough, and do more of them explode the gradient?

    ptb study num_steps [--quick] [--out=DIR] [--data_path=DIR]

Each `num_steps` is trained on the same words: with the state carried from window to window, so that
only the gradient is cut, and with the state zeroed before each window, so that memory is cut too.
No model with zeroed state gets below the computed floor for a memory of that length. How many steps
are enough depends on how long one trains, so each is trained for few epochs and for several.

The loss is a sum over the steps, so one learning rate moves the weights as far for a word whatever
the window; the clip, which is of that sum, grows with `num_steps` for the same reason.

What a longer window does to the gradient is measured on the plain RNN, of which it is said, with
the recurrent matrix scaled to several spectral radii, and on it and the LSTM after training. The
loss of step t depends on the weights through each of the steps 1 to t. So the gradient of a window
of T steps is a sum of T (T + 1) / 2 terms. If its norm grows faster than their number, the terms
themselves grow, or cancel less: a sign that the gradient explodes. The reverse does not hold.
"""

from __future__ import annotations

import itertools
import math

import numpy as np

from ptb.experiments.studies.measurements import (
    Row,
    Spread,
    and_,
    describe_failed,
    describe_rates,
    describe_size,
    difference,
    estimate,
    estimates,
    in_words,
    lowest,
    perplexity_of,
    ratio,
    sound,
    values_by,
    where,
)
from ptb.experiments.studies.study import Options, Study

CLIP_PER_STEP = 0.25  # the tutorial's: 5 for 20 steps
ENOUGH = 1.02  # a perplexity this close to the lowest counts as "enough steps"
HIDDEN_SIZE = 32
RATES = (1.0, 2.0, 4.0)
RNN_RATES = (0.125, 0.25, 0.5, 1.0)
LOSS, NORM = "loss", "gradient norm"
RADII = (0.5, 0.9, 1.1, 1.5, 2.0)
NORM_LENGTHS = (1, 2, 5, 10, 20, 40, 80)
EPOCHS = (2, 8)
SHORT = 40  # the window that the longest is compared with: an explosion shows in long ones
ROWS = 20
TRAINED_STEPS = 20  # num_steps in training of the networks whose gradient is then measured
QUICK_WORDS = 40_000


def cases(options: Options) -> list[Row]:
    lengths = (5, 20) if options.quick else (1, 2, 5, 10, 20, 40)
    radii = RADII[::4] if options.quick else RADII
    epochs = (1,) if options.quick else EPOCHS
    losses = [
        {"measured": LOSS, "setting": state, "num_steps": num_steps, "num_epochs": trained}
        for trained in epochs
        for state in ("carried", "reset")
        for num_steps in lengths
    ]
    norms = [
        {
            "measured": NORM,
            "setting": setting,
            "num_steps": max(NORM_LENGTHS),
            "num_epochs": trained,
        }
        for setting, trained in (
            *((f"RNN, radius {radius:g}", 0) for radius in radii),
            ("RNN, trained", epochs[0]),
            ("LSTM, trained", epochs[0]),
        )
    ]
    return losses + norms


def measure(case: Row, corpus, options: Options) -> list[Row]:
    if case["measured"] == NORM:
        return _norms(case, corpus, options)
    from ptb.experiments.studies.stack import Stack  # noqa: PLC0415
    from ptb.experiments.studies.tuning import tune_and_measure  # noqa: PLC0415
    from ptb.training.config import Config  # noqa: PLC0415

    num_steps, reset = case["num_steps"], case["setting"] == "reset"
    config = Config(
        hidden_size=HIDDEN_SIZE,
        num_layers=1,
        num_steps=num_steps,
        num_epochs=case["num_epochs"],
        constant_epochs=max(1, case["num_epochs"] - 1),
        learning_rate_decay=0.4,
        max_grad_norm=CLIP_PER_STEP * num_steps,
    )
    rows = tune_and_measure(
        lambda rates, seeds: Stack(corpus, config, rates, seeds, reset).train(
            _updates(config, options)
        ),
        RATES,
        options,
    )
    floor = math.nan
    if corpus.grammar:
        floor = corpus.grammar.perplexity_floor(num_steps if reset else None)
    return [
        row | {"window": num_steps, "floor": floor, "spectral_radius": math.nan} for row in rows
    ]


def _updates(config, options: Options) -> int | None:
    """None for all of `config.num_epochs`."""
    return QUICK_WORDS // (config.batch_size * config.num_steps) if options.quick else None


def _norms(case: Row, corpus, options: Options) -> list[Row]:
    """The norm of a window's gradient, for windows of every length, at one set of weights."""
    import numpy as np  # noqa: PLC0415
    import tensorflow as tf  # noqa: PLC0415

    from ptb.experiments.studies.stack import Stack, finite, spectral_radius  # noqa: PLC0415
    from ptb.experiments.studies.tuning import tune_and_measure, untrained  # noqa: PLC0415
    from ptb.training.config import Config  # noqa: PLC0415

    config = Config(
        hidden_size=HIDDEN_SIZE,
        num_layers=1,
        num_steps=TRAINED_STEPS,
        cell="lstm" if case["setting"].startswith("LSTM") else "rnn",
        num_epochs=max(1, case["num_epochs"]),
        constant_epochs=max(1, case["num_epochs"]),
        init_scale=0.25,
    )
    stacks = []

    def train(rates, seeds):
        stacks.append(Stack(corpus, config, rates, seeds))
        return stacks[-1].train(_updates(config, options))

    if case["num_epochs"]:
        grid = RATES if config.cell == "lstm" else RNN_RATES
        rows = tune_and_measure(train, grid, options)
    else:
        stacks.append(Stack(corpus, config, [0.0] * len(options.seeds), options.seeds))
        rows = untrained(stacks[-1])
    stack = stacks[-1]
    kernel = stack.weights["kernel"].numpy()
    columns = slice(HIDDEN_SIZE, 2 * HIDDEN_SIZE) if config.cell == "lstm" else slice(None)
    radii = spectral_radius(kernel[:, HIDDEN_SIZE:, columns])
    if not case["num_epochs"]:
        wanted = float(case["setting"].rsplit(" ", 1)[1])
        kernel[:, HIDDEN_SIZE:] *= (wanted / radii)[:, None, None]
        stack.weights["kernel"], radii = tf.constant(kernel), np.full(len(rows), wanted)
    lengths = NORM_LENGTHS[3:] if options.quick else NORM_LENGTHS
    norms = {length: window_norms(stack, corpus.valid, length) for length in lengths}
    return [
        row
        | {
            "window": length,
            "grad_norm": finite(norms[length][g]),
            "floor": math.nan,
            "spectral_radius": float(radii[g]),
        }
        for length in lengths
        for g, row in enumerate(rows)
    ]


def window_norms(stack, ids, num_steps: int):
    """The norm of the gradient of one window's cost, `[G]`; its last word is the same for all."""
    import tensorflow as tf  # noqa: PLC0415

    from ptb.data import reader  # noqa: PLC0415
    from ptb.experiments.studies.stack import window_gradients  # noqa: PLC0415

    models, longest, before = len(stack.seeds), max(NORM_LENGTHS), 20
    tokens = reader.window_tokens(ids, len(ids) // ROWS * tf.range(ROWS), before + longest)
    tokens = tf.broadcast_to(tokens, [models, *tokens.shape])
    start = before + longest - num_steps
    state = stack.network.initial_state(models, ROWS)
    embedded, _ = stack.network.embed(stack.weights, tokens[:, :, :start])
    _, state = stack.network.run(stack.weights, embedded, state)
    return window_gradients(stack.network, stack.weights, tokens[:, :, start:], state)[1].numpy()


def verdict(rows: list[Row]) -> str:
    losses, norms = (where(rows, measured=kind) for kind in (LOSS, NORM))
    tuned = [row for row in norms if row["num_epochs"]]
    trained, failed = sound(tuned, "setting")
    by_epochs = [where(losses, num_epochs=n) for n in _epochs(losses)]
    named = [row | {"after": _when(row)} for row in losses]
    parts = [
        *map(_enough, by_epochs),
        _number_of_updates(by_epochs[-1]),
        _clipped(by_epochs[-1]),
        _explodes([row for row in norms if not row["num_epochs"]] + trained),
        *(f"{_when(some[0]).capitalize()}:\n\n{_table(some)}" for some in by_epochs),
        "A model that knows only the words' frequencies has a perplexity of "
        f"{math.exp(losses[0]['unigram_nats']):.1f}.",
        _norm_table(norms),
        describe_failed(sound(named, "setting", "num_steps", "after")[1] + failed, "num_steps"),
        # A network has one rate for the windows of all lengths.
        describe_rates(
            named + [row | {"num_steps": "", "after": ""} for row in tuned],
            "setting",
            "num_steps",
            "after",
        ),
        describe_size(HIDDEN_SIZE),
    ]
    return "\n\n".join(part for part in parts if part)


def _epochs(rows: list[Row]) -> list[int]:
    return sorted({row["num_epochs"] for row in rows})


def _when(row: Row) -> str:
    return f"after epoch {row['num_epochs']}"


def _number_of_updates(rows: list[Row]) -> str:
    """What is not held equal."""
    updates = {row["num_steps"]: row["updates"] for row in rows}
    short, long = min(updates), max(updates)
    return (
        f"From the same words, a longer window makes fewer updates. {_when(rows[0]).capitalize()} "
        f"they are {updates[short]:,} at num_steps {short}, and {updates[long]:,} at {long}. With "
        "more words, the longest may do better."
    )


def _perplexities(rows: list[Row]) -> dict:
    losses = estimates(rows, "valid_nats", "num_steps")
    return {num_steps: perplexity_of(nats) for num_steps, nats in losses.items()}


def _enough(rows: list[Row]) -> str:
    """The findings, of rows after the same epochs, on how many steps are enough."""
    lines = [
        _enough_of(
            where(rows, setting=state), f"{_when(rows[0]).capitalize()}, with the state {state}"
        )
        for state in ("carried", "reset")
    ]
    return (
        f"After the same words (about {rows[0]['words']:,}), each num_steps at its best learning "
        "rate:\n\n" + "\n".join(lines)
    )


def _enough_of(rows: list[Row], when: str) -> str:
    usable, failed = sound(rows, "num_steps")
    losses, perplexity = values_by(usable, "valid_nats", "num_steps"), _perplexities(usable)
    if not losses:
        return f"- **{when}, nothing was learned**."
    if len(losses) == 1:
        return f"- **{when}, only num_steps {next(iter(losses))} learned**."
    best, near = lowest(losses)
    gaps = {n: difference(each, losses[best]) for n, each in losses.items()}
    margin = math.log(ENOUGH)
    enough = min(n for n, gap in gaps.items() if gap.high <= margin or n == best)
    doubtful = [n for n, gap in gaps.items() if n < enough and gap.low <= margin]
    longest = max(row["num_steps"] for row in rows)
    only = f"nothing below num_steps {enough}" if enough == longest else f"num_steps {enough}"
    # Of what failed it is not known whether it would be enough.
    head = f"num_steps {enough}" if failed else only
    doubt = f"; whether {and_(doubtful)} would be enough is not clear" if doubtful else ""
    note = ""
    if best == longest:
        note = " That is the longest that was tried: a longer one may be better."
    others = f", not clearly below {and_(near)}" if near else ""
    return (
        f"- **{when}, {head} is enough{doubt}**. Its perplexity of {perplexity[enough]:.2f} is "
        f"within {ENOUGH - 1:.0%} of the lowest. The lowest is {perplexity[best]:.2f} at num_steps "
        f"{best}{others}.{note}"
    )


def _clipped(rows: list[Row]) -> str:
    """What is not tuned, and differs between the lengths."""
    some = where(rows, setting="carried")
    clipped = estimates(some, "clipped", "num_steps")
    short, long = min(clipped), max(clipped)
    return (
        f"max_grad_norm is {CLIP_PER_STEP:g} for each step of the window, and was not tuned. "
        f"{_when(rows[0]).capitalize()} it clips {clipped[short].mean:.0%} of the windows at "
        f"num_steps {short}, and {clipped[long].mean:.0%} at {long}, with the state carried. So a "
        "part of the differences may come from the clip."
    )


def _growth(rows: list[Row], short: int, long: int) -> Spread:
    """How many times as large a long window's gradient is as a short one's: a geometric mean."""
    norms = values_by(rows, "grad_norm", "window")
    return ratio(norms[long], norms[short])


def _terms(num_steps: int) -> int:
    """The terms of which a window's gradient is the sum: pairs of a loss and a step up to it."""
    return num_steps * (num_steps + 1) // 2


def _exceeding(rows: list[Row], short: int, long: int) -> list[bool]:
    """For each seed, whether its norm grows more than the number of terms."""
    norms = values_by(rows, "grad_norm", "window")
    terms = _terms(long) / _terms(short)
    pairs = zip(norms[long], norms[short], strict=True)
    return [after > terms * before for after, before in pairs]


def _explodes(rows: list[Row]) -> str:
    short, long = SHORT, max(row["window"] for row in rows)
    terms = _terms(long) / _terms(short)
    lines = []
    for setting in dict.fromkeys(row["setting"] for row in rows):
        some = where(rows, setting=setting)
        growth, seeds = _growth(some, short, long), _exceeding(some, short, long)
        verb = "does not clearly grow faster"
        if growth.low > terms and sum(seeds) > len(seeds) / 2:
            verb = "grows faster"
        elif growth.high < terms and sum(seeds) < len(seeds) / 2:
            verb = "grows no faster"
        lines.append(
            f"- **With longer windows, the gradient of the {in_words(setting)} {verb} than its "
            "number of terms**;"
        )
    # A finding for each network: one that other seeds do not bear out leaves the others standing.
    return (
        "\n".join(lines)[:-1]
        + ".\n\nThe loss of each step depends on the weights through all steps of the window "
        f"before it. So the gradient of {long} steps is a sum of {_terms(long):,} terms, and that "
        f"of {short} steps of {_terms(short):,}: {terms:.3g} times as many. If the norm grows more "
        "than that, the terms themselves grow, or cancel less: a sign that the gradient explodes. "
        "If it grows less, the terms may still grow and cancel. A finding needs both: the mean "
        "growth clearly on one side, and most seeds too."
    )


def _table(rows: list[Row]) -> str:
    lengths = sorted({row["num_steps"] for row in rows})
    lines = [
        "| num_steps | " + " | ".join(map(str, lengths)) + " |",
        "|---|" + "---|" * len(lengths),
    ]
    for state in ("carried", "reset"):
        some = where(rows, setting=state)
        perplexity = _perplexities(some)
        lines.append(
            f"| valid perplexity, state {state} | "
            + " | ".join(f"{perplexity[n]:.2f}" for n in lengths)
            + " |"
        )
        floors = estimates(some, "floor", "num_steps")
        if math.isfinite(floors[lengths[0]].mean):
            floor = "state zeroed every num_steps" if state == "reset" else "full memory"
            lines.append(
                f"| computed floor, {floor} | "
                + " | ".join(f"{floors[n].mean:.2f}" for n in lengths)
                + " |"
            )
        clipped = estimates(some, "clipped", "num_steps")
        lines.append(
            f"| windows clipped, state {state} | "
            + " | ".join(f"{clipped[n].mean:.0%}" for n in lengths)
            + " |"
        )
    return "\n".join(lines)


def _norm_table(rows: list[Row]) -> str:
    lengths = sorted({row["window"] for row in rows})
    longest = max(lengths)
    terms = _terms(longest) / _terms(SHORT)
    lines = [
        "Norm of a window's gradient before clipping, by the number of steps (median over the "
        f"seeds). Growth is the norm at {longest} steps over the norm at {SHORT} steps (geometric "
        f"mean). The last column has the seeds with a growth of more than {terms:.3g}:",
        "",
        "| network | spectral radius | valid loss, nats a word | "
        + " | ".join(map(str, lengths))
        + " | growth | grew faster |",
        "|---|---|---|" + "---|" * (len(lengths) + 2),
    ]
    for setting in dict.fromkeys(row["setting"] for row in rows):
        some = where(rows, setting=setting)
        radius = estimate(row["spectral_radius"] for row in where(some, window=lengths[0])).mean
        loss = estimate(row["valid_nats"] for row in where(some, window=lengths[0]))
        norms = values_by(some, "grad_norm", "window")
        faster = _exceeding(some, SHORT, longest)
        lines.append(
            f"| {setting} | {radius:.2f} | "
            + (f"{loss:.3f}" if some[0]["num_epochs"] else "not trained")
            + " | "
            + " | ".join(f"{np.median(norms[n]):.3g}" for n in lengths)
            + f" | {_growth(some, SHORT, longest):.3g} | {sum(faster)} of {len(faster)} |"
        )
    lines += ["", f"The trained networks were trained with num_steps {TRAINED_STEPS}."]
    return "\n".join(lines)


def draw(rows: list[Row]):
    from ptb.experiments.studies.figure import (  # noqa: PLC0415
        DASHES,
        MARKERS,
        legend_above,
        line,
        panels,
    )
    from ptb.machine.colours import (  # noqa: PLC0415
        GREY,
        NETWORKS,
        RESET,
        SERIES,
        STATE,
        shades,
    )
    from ptb.runs.curve import log_axis  # noqa: PLC0415

    losses, norms = (where(rows, measured=kind) for kind in (LOSS, NORM))
    lengths = sorted({row["num_steps"] for row in losses})
    figure, (quality, sizes) = panels(2, height=4.4)
    epochs = _epochs(losses)
    pairs = itertools.product(("reset", "carried"), epochs)
    for index, (state, after) in enumerate(pairs):
        some = [
            row | {"perplexity": math.exp(row["valid_nats"])}
            for row in sound(where(losses, setting=state, num_epochs=after), "num_steps")[0]
        ]
        label = f"state {state}, after epoch {after}"
        style = {"color": STATE if state == "carried" else RESET}
        line(quality, some, "num_steps", "perplexity", index, label, **style)
        if after == epochs[-1] and not math.isnan(losses[0]["floor"]):
            label = (
                "floor, state zeroed every num_steps" if state == "reset" else "floor, full memory"
            )
            floors = estimates(some, "floor", "num_steps")
            dash = ":" if state == "reset" else "-."
            places = sorted(floors)
            quality.plot(places, [floors[n].mean for n in places], dash, color=GREY, label=label)
    quality.set(title="Perplexity after the same words", ylabel="valid perplexity")
    log_axis(quality, "x", lengths)
    legend_above(quality, fontsize=9.5)
    windows = sorted({row["window"] for row in norms})
    settings = list(dict.fromkeys(row["setting"] for row in norms))
    # The trained networks have their own colours, the radii go from light to dark.
    trained = {f"{name}, trained": SERIES[place] for name, place in NETWORKS.items()}
    radii = [setting for setting in settings if setting not in trained]
    colours = trained | dict(zip(radii, shades(len(radii)), strict=True))
    for index, setting in enumerate(settings):
        by_window = values_by(where(norms, setting=setting), "grad_norm", "window")
        sizes.plot(
            windows,
            [np.median(by_window[n]) for n in windows],
            color=colours[setting],
            marker=MARKERS[index],
            linestyle=DASHES[index],
            label=setting,
        )
    log_axis(sizes, "x", windows)
    sizes.set(
        yscale="log", title="Gradient of one window", ylabel="norm (log scale), median of seeds"
    )
    for axes in (quality, sizes):
        axes.set_xlabel("num_steps (log scale)")
    sizes.legend(fontsize=9.5, ncols=2)
    return figure


STUDY = Study(
    name="num_steps",
    question="How many time steps are enough?",
    cases=cases,
    measure=measure,
    verdict=verdict,
    draw=draw,
    may_lack=lambda case: case["num_epochs"] > EPOCHS[0],
)
