"""Sequential or random sampling: when is the state carried, and what is that worth?

    python3 -m studies.sampling [--quick] [--out=DIR] [--data_path=DIR]

    sequential, carried   windows follow each other, the state goes from each to the next
    sequential, reset     the same windows in the same order, the state zeroed before each
    random                windows in random order, so the state must be zeroed

Each model is scored as it was trained, and also with the state carried: what a model that never saw
a state from before its window makes of one.
"""

from __future__ import annotations

import itertools
import math

from studies.measurements import Row, Spread, spread, where
from studies.study import Options, Study

CARRIED, RESET, RANDOM = "sequential, carried", "sequential, reset", "random"
CLOSE_NATS = 0.02  # losses this near are called equal


def cases(options: Options) -> list[Row]:
    lengths = (5,) if options.quick else (5, 20)
    num_epochs = 3 if options.quick else 6
    return [
        {"num_steps": num_steps, "sampling": kind, "num_epochs": num_epochs, "seed": seed}
        for num_steps, kind, seed in itertools.product(
            lengths, (CARRIED, RESET, RANDOM), options.seeds
        )
    ]


def measure(case: Row, corpus) -> list[Row]:
    from studies.training_run import TrainingRun  # noqa: PLC0415
    from training.config import Config  # noqa: PLC0415

    config = Config(
        hidden_size=64,
        num_layers=1,
        num_steps=case["num_steps"],
        num_epochs=case["num_epochs"],
        constant_epochs=max(1, case["num_epochs"] - 2),
        learning_rate_decay=0.4,
        sampling="random" if case["sampling"] == RANDOM else "sequential",
        seed=case["seed"],
    )
    run = TrainingRun(corpus, config, reset_state=case["sampling"] == RESET)
    row = run.epochs()[-1]
    floors = (math.nan, math.nan)
    if corpus.grammar:
        memories = (None, case["num_steps"])
        floors = tuple(corpus.grammar.perplexity_floor(memory) for memory in memories)
    return [
        {
            "words_per_second": row["words_per_second"],
            "valid_nats": row["valid_nats"],
            "perplexity": math.exp(row["valid_nats"]),
            "perplexity_if_carried": math.exp(run.valid_nats(carries_state=True)),
            "floor_full_memory": floors[0],
            "floor_window_memory": floors[1],
        }
    ]


def verdict(rows: list[Row]) -> str:
    lengths = sorted({row["num_steps"] for row in rows})
    return "\n\n".join(_of_length(where(rows, num_steps=length), length) for length in lengths)


def _of_length(rows: list[Row], num_steps: int) -> str:
    nats = spread(rows, "valid_nats", "sampling")
    perplexity = spread(rows, "perplexity", "sampling")
    carried_later = spread(rows, "perplexity_if_carried", "sampling")
    worth = nats[RESET].mean - nats[CARRIED].mean
    order = nats[RANDOM].mean - nats[RESET].mean
    if worth > CLOSE_NATS:
        head = f"carrying the state is worth {worth:.3f} nats a word"
    elif worth < -CLOSE_NATS:
        head = f"carrying the state costs {-worth:.3f} nats a word"
    else:
        head = f"carrying the state makes no difference above {CLOSE_NATS} nats a word"
    if abs(order) <= CLOSE_NATS:
        shuffling = f"the order of the windows makes no difference above {CLOSE_NATS} nats"
    else:
        shuffling = f"random order {'costs' if order > 0 else 'gains'} {abs(order):.3f} nats"
    text = (
        f"**At num_steps {num_steps}, {head}**: valid perplexity {perplexity[CARRIED]:.2f} "
        f"carried, {perplexity[RESET]:.2f} reset, {perplexity[RANDOM]:.2f} random. Once the state "
        f"is zeroed, {shuffling}. Scored with a carried state, the model of random windows has "
        f"{carried_later[RANDOM]:.2f}."
    )
    if worth > CLOSE_NATS:
        text += f" So {_where(perplexity[CARRIED], carried_later[RANDOM])}."
    full, window = (float(rows[0][f"floor_{name}_memory"]) for name in ("full", "window"))
    if math.isnan(full):
        return text
    below = perplexity[CARRIED].mean < window
    return (
        f"{text} No model that forgets at window starts gets below {window:.2f} in the long run "
        f"(with full memory {full:.2f}): the carried one {'does' if below else 'does not'}."
    )


def _where(carried: Spread, carried_later: Spread) -> str:
    """Where the worth of a carried state lies: in training with it, or in scoring with it."""
    gained = math.log(carried_later.mean / carried.mean)
    if gained > CLOSE_NATS:
        return f"training with it is worth {gained:.3f} nats of that, and scoring with it the rest"
    return "its worth lies in scoring with it: a model that was trained without it is as good then"


def draw(rows: list[Row]):
    from studies.figure import COLOURS, GREY, panels  # noqa: PLC0415

    lengths = sorted({row["num_steps"] for row in rows})
    kinds = (CARRIED, RESET, RANDOM)
    figure, all_axes = panels(len(lengths), height=3.6)
    for axes, num_steps in zip(all_axes, lengths, strict=True):
        some = where(rows, num_steps=num_steps)
        perplexity = spread(some, "perplexity", "sampling")
        means = [perplexity[kind].mean for kind in kinds]
        errors = [
            [perplexity[kind].mean - perplexity[kind].low for kind in kinds],
            [perplexity[kind].high - perplexity[kind].mean for kind in kinds],
        ]
        bars = axes.bar(kinds, means, yerr=errors, color=COLOURS[:3], width=0.55, capsize=5)
        labels = [f"{mean:.2f}" for mean in means]
        axes.bar_label(bars, labels, label_type="center", color="white", weight="bold")
        top = max(means)
        for name, style, label in (
            ("floor_window_memory", ":", "floor, memory of one window"),
            ("floor_full_memory", "--", "floor, full memory"),
        ):
            if not math.isnan(some[0][name]):
                axes.axhline(some[0][name], linestyle=style, color=GREY, label=label)
                axes.legend(loc="upper center", ncols=2)
        axes.set(title=f"num_steps {num_steps}", ylabel="valid perplexity", ylim=(0, 1.3 * top))
        axes.set_xlabel("how windows are drawn, what becomes of the state")
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

if __name__ == "__main__":
    STUDY.main()
