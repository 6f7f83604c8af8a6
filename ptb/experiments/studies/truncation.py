"""How wrong is the truncated gradient?

    ptb study truncation [--quick] [--out=DIR] [--data_path=DIR]

A stretch of the train split, one set of weights, the state carried through all of it. The full
gradient flows back through the whole stretch; the truncated one is cut every `num_steps` steps, and
its windows are summed. Each seed draws its own stretch, so the intervals over the seeds hold for
the text too. The cosine is 1 where the truncated gradient points the same way, 0 where it has
nothing to do with it; the ratio of their norms says how much of the length is left. Both are taken
for each group of weights: no cut can change the gradient of the softmax, so that one vector of all
weights would hide what becomes of the recurrent ones.
"""

from __future__ import annotations

from ptb.experiments.studies.measurements import (
    Row,
    Spread,
    and_,
    describe_failed,
    describe_rates,
    describe_size,
    estimates,
    sound,
    where,
)
from ptb.experiments.studies.study import Options, Study

ROWS = 10
NEARLY = 0.99
HIDDEN_SIZE = 32
RATES = (0.5, 1.0, 2.0, 4.0)
RECURRENT = "recurrent kernel"


def cases(options: Options) -> list[Row]:
    stretch, epochs = (40, (0, 1)) if options.quick else (160, (0, 1, 4))
    return [{"trained_epochs": trained, "stretch": stretch} for trained in epochs]


def measure(case: Row, corpus, options: Options) -> list[Row]:
    import numpy as np  # noqa: PLC0415

    from ptb.experiments.studies.stack import Stack  # noqa: PLC0415
    from ptb.experiments.studies.tuning import tune_and_measure, untrained  # noqa: PLC0415
    from ptb.training.config import Config  # noqa: PLC0415

    epochs, stretch = case["trained_epochs"], case["stretch"]
    config = Config(
        hidden_size=HIDDEN_SIZE,
        num_layers=1,
        num_epochs=max(1, epochs),
        constant_epochs=max(1, epochs),
    )
    stacks = []

    def train(rates, seeds):
        stacks.append(Stack(corpus, config, rates, seeds))
        return stacks[-1].train()

    if epochs:
        losses = tune_and_measure(train, RATES, options)
    else:
        stacks.append(Stack(corpus, config, [0.0] * len(options.seeds), options.seeds))
        losses = untrained(stacks[-1])
    network, weights = stacks[-1].network, stacks[-1].weights
    starts = draw_starts(options.seeds, corpus.train, ROWS, stretch)
    full = gradients(network, weights, corpus.train, starts, stretch, stretch)
    rows = []
    for num_steps in lengths(stretch):
        cut = gradients(network, weights, corpus.train, starts, stretch, num_steps)
        for group, vectors in cut.items():
            norms = np.linalg.norm(vectors, axis=1), np.linalg.norm(full[group], axis=1)
            cosines = np.sum(vectors * full[group], axis=1) / (norms[0] * norms[1])
            for g, loss in enumerate(losses):
                rows.append(
                    loss
                    | {
                        "start": int(starts[g, 0]),
                        "num_steps": num_steps,
                        "weights": group,
                        "cosine": float(cosines[g]),
                        "norm_ratio": float(norms[0][g] / norms[1][g]),
                    }
                )
    return rows


def lengths(stretch: int) -> list[int]:
    """The window lengths that cut the stretch into equal parts."""
    return [n for n in (1, 2, 5, 10, 20, 40, 80) if stretch % n == 0 and n < stretch] + [stretch]


def draw_starts(seeds, ids, batch_size: int, stretch: int):
    """Where the stretch of each of G seeds starts in each of B rows of a text, int32 `[G, B]`.

    Raises ValueError if the text is shorter than one stretch.
    """
    import numpy as np  # noqa: PLC0415

    columns = len(ids) // batch_size
    if columns <= stretch:
        raise ValueError(
            f"the text has {len(ids):,} tokens: give at least {batch_size * (stretch + 1):,}"
        )
    first = [np.random.default_rng(seed).integers(columns - stretch) for seed in seeds]
    return np.add.outer(first, columns * np.arange(batch_size)).astype(np.int32)


def gradients(network, weights, ids, starts, stretch: int, num_steps: int) -> dict:
    """The gradient of the loss over `stretch` columns of text, cut at each window.

    `starts` int32 `[G, B]` is where they start. The loss is summed over the steps and averaged over
    the rows. Float64 `[G, weights]` for each group of weights: the embedding; of the kernel the
    rows of x and those of h; the bias; the softmax.
    """
    import numpy as np  # noqa: PLC0415

    from ptb.data import reader  # noqa: PLC0415
    from ptb.experiments.studies.stack import window_gradients  # noqa: PLC0415

    models, batch_size = starts.shape
    state, total = network.initial_state(models, batch_size), {}
    for k in range(stretch // num_steps):
        tokens = reader.window_tokens(ids, starts + k * num_steps, num_steps)
        parts, _, _, state = window_gradients(network, weights, tokens, state)
        for name, part in parts.items():
            total[name] = total.get(name, 0.0) + part.numpy().astype(np.float64)
    size = network.hidden_size
    groups = {
        RECURRENT: [total["kernel"][:, size:]],
        "input kernel": [total["kernel"][:, :size]],
        "bias": [total["bias"]],
        "embedding": [total["embedding"]],
        "softmax": [total["softmax_w"], total["softmax_b"]],
    }
    groups["all weights"] = [part for parts in groups.values() for part in parts]
    return {
        name: np.concatenate([part.reshape(models, -1) for part in parts], axis=1)
        for name, parts in groups.items()
    }


def verdict(rows: list[Row]) -> str:
    epochs = sorted({row["trained_epochs"] for row in rows}, reverse=True)
    trained, failed = sound([row for row in rows if row["trained_epochs"]], "trained_epochs")
    recurrent = where(rows, weights=RECURRENT)
    usable = [n for n in epochs if n not in failed]
    parts = []
    if usable and usable[0]:
        parts.append(_usual(where(trained, trained_epochs=usable[0])))
    parts += [_enough(where(recurrent, trained_epochs=n), n) for n in usable]
    parts += [
        _table(where(rows, trained_epochs=epochs[0]), epochs[0]),
        _losses(rows, epochs),
        describe_failed(failed, "epoch"),
        describe_rates(trained, "trained_epochs", what="epoch") if trained else "",
        describe_size(HIDDEN_SIZE),
        "Each seed was measured on a stretch of the train split of its own."
        if "start" in rows[0]
        else "",
    ]
    return "\n\n".join(part for part in parts if part)


def _when(epochs: int) -> str:
    return f"after epoch {epochs}" if epochs else "before training"


def _usual(rows: list[Row]) -> str:
    """The finding on the usual window: how truncation changes each group's gradient."""
    usual = _usual_length(rows)
    at = where(rows, num_steps=usual)
    cosine = estimates(at, "cosine", "weights")
    head = {
        True: "hardly changes",
        False: "noticeably changes",
        None: "does not clearly change",
    }[_at_least(cosine[RECURRENT])]
    others = ", ".join(
        f"{cosine[name]:.4f} for {_the(name)}" for name in cosine if name != RECURRENT
    )
    norm = estimates(where(at, weights=RECURRENT), "norm_ratio", "weights")[RECURRENT]
    return (
        f"**At num_steps {usual}, truncation {head} the direction of the recurrent weights' "
        f"gradient after training**. Its cosine with the full gradient is {cosine[RECURRENT]:.4f}, "
        f"and its length is {norm:.3f} of the full length. (Hardly: a cosine of at least "
        f"{NEARLY:g}. Noticeably: a lower one.) The cosine is {others}. "
        f"The full gradient flows back through {rows[0]['stretch']} steps."
    )


def _usual_length(rows: list[Row]) -> int:
    """The tutorial's window of 20 steps, or the longest that is shorter than the full gradient."""
    lengths_ = {row["num_steps"] for row in rows}
    return 20 if 20 in lengths_ else max(lengths_ - {rows[0]["stretch"]})


def _the(name: str) -> str:
    return name if name == "all weights" else f"the {name}"


def _at_least(cosine) -> bool | None:
    """Whether the cosine is at least NEARLY; None if its interval includes NEARLY."""
    if cosine.low >= NEARLY:
        return True
    return False if cosine.high < NEARLY else None


def _enough(rows: list[Row], epochs: int) -> str:
    """The finding on whether the usual window is enough, and the shortest window that is."""
    cosine, usual = estimates(rows, "cosine", "num_steps"), _usual_length(rows)
    finding = {
        True: f"num_steps {usual} is enough for the recurrent weights",
        False: f"num_steps {usual} is not enough for the recurrent weights",
        None: f"it is not clear whether num_steps {usual} is enough for the recurrent weights",
    }[_at_least(cosine[usual])]
    # The whole stretch, whose cosine is 1, is enough whatever its rounding.
    enough = min([max(cosine), *(n for n, each in cosine.items() if _at_least(each))])
    doubtful = [n for n, each in cosine.items() if n < enough and _at_least(each) is None]
    note = f" Not clear: num_steps {and_(doubtful)}." if doubtful else ""
    short = min(cosine)
    when = _when(epochs)
    return (
        f"**{when[0].upper()}{when[1:]}, {finding}**. A cosine of {NEARLY:g} takes num_steps "
        f"{enough}: it is {cosine[enough]:.4f} there, and {cosine[short]:.3f} at num_steps "
        f"{short}.{note}"
    )


def _table(rows: list[Row], epochs: int) -> str:
    lengths_ = sorted({row["num_steps"] for row in rows})
    lines = [
        f"Cosine with the full gradient, {_when(epochs)}:",
        "",
        "| num_steps | " + " | ".join(map(str, lengths_)) + " |",
        "|---|" + "---|" * len(lengths_),
    ]
    for name in dict.fromkeys(row["weights"] for row in rows):
        cosine = estimates(where(rows, weights=name), "cosine", "num_steps")
        lines.append(f"| {name} | " + " | ".join(f"{cosine[n].mean:.4f}" for n in lengths_) + " |")
    return "\n".join(lines)


def _losses(rows: list[Row], epochs: list[int]) -> str:
    loss = estimates(where(rows, weights=RECURRENT, num_steps=1), "valid_nats", "trained_epochs")
    clipped = estimates(where(rows, weights=RECURRENT, num_steps=1), "clipped", "trained_epochs")
    named = "; ".join(
        f"{loss[n]:.3f} {_when(n)}" + (f" ({clipped[n].mean:.0%} of windows clipped)" if n else "")
        for n in epochs
    )
    return (
        f"Valid loss in nats a word: {named}. A model that knows only the words' frequencies has "
        f"{rows[0]['unigram_nats']:.3f}."
    )


def _means(rows: list[Row], value: str, by: str) -> dict:
    return {key: Spread(*[each.mean] * 3) for key, each in estimates(rows, value, by).items()}


def draw(rows: list[Row]):
    from ptb.experiments.studies.figure import line, panels  # noqa: PLC0415
    from ptb.machine.colours import GREY, shades  # noqa: PLC0415
    from ptb.runs.curve import log_axis  # noqa: PLC0415

    epochs = sorted({row["trained_epochs"] for row in rows})
    lengths_ = sorted({row["num_steps"] for row in rows})
    figure, (by_epoch, by_group) = panels(2, height=4.0)
    for index, (each, colour) in enumerate(zip(epochs, shades(len(epochs)), strict=True)):
        some = where(rows, trained_epochs=each, weights=RECURRENT)
        line(by_epoch, some, "num_steps", "cosine", index, _when(each), color=colour)
    groups = dict.fromkeys(row["weights"] for row in rows)
    for index, name in enumerate(groups):
        some = where(rows, trained_epochs=epochs[-1], weights=name)
        # Without intervals: six bands would hide the lines.
        line(by_group, some, "num_steps", "cosine", index, name, of=_means)
    by_epoch.set_title("Direction of the recurrent weights' gradient")
    by_group.set_title(f"Direction by group of weights, {_when(epochs[-1])}")
    for axes in (by_epoch, by_group):
        log_axis(axes, "x", lengths_)
        axes.set(xlabel="num_steps (log scale)", ylabel="cosine with the full gradient")
        axes.axhline(1, color=GREY, linewidth=1)
        axes.legend(loc="lower right", fontsize=10.5)
    return figure


STUDY = Study(
    name="truncation",
    question="How wrong is the truncated gradient?",
    cases=cases,
    measure=measure,
    verdict=verdict,
    draw=draw,
    version=2,
)
