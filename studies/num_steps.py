"""How many time steps are enough?

    python3 -m studies.num_steps [--quick] [--out=DIR] [--data_path=DIR]

Each `num_steps` is trained twice: with the state carried from window to window, so that only the
gradient is cut, and with the state zeroed before each window, so that memory is cut too. No model
with zeroed state gets below the computed floor for a memory of that length.

The loss is a sum over the steps, so one learning rate moves the weights as far for a word whatever
the window; the clip, which is of that sum, grows with `num_steps` for the same reason.
"""

from __future__ import annotations

import itertools
import math

from studies.measurements import Row, spread, where
from studies.study import Options, Study

CLIP_PER_STEP = 0.25  # the tutorial's: 5 for 20 steps
ENOUGH = 1.02  # a perplexity this close to the lowest counts as "enough steps"


def cases(options: Options) -> list[Row]:
    lengths = (1, 5, 20) if options.quick else (1, 2, 5, 10, 20, 40)
    num_epochs = 2 if options.quick else 6
    return [
        {"state": state, "num_steps": num_steps, "num_epochs": num_epochs, "seed": seed}
        for state, num_steps, seed in itertools.product(
            ("carried", "reset"), lengths, options.seeds
        )
    ]


def measure(case: Row, corpus) -> list[Row]:
    from studies.training_run import TrainingRun  # noqa: PLC0415
    from training.config import Config  # noqa: PLC0415

    num_steps = case["num_steps"]
    config = Config(
        hidden_size=64,
        num_layers=1,
        num_steps=num_steps,
        num_epochs=case["num_epochs"],
        constant_epochs=max(1, case["num_epochs"] - 2),
        learning_rate_decay=0.4,
        max_grad_norm=CLIP_PER_STEP * num_steps,
        seed=case["seed"],
    )
    rows = TrainingRun(corpus, config, reset_state=case["state"] == "reset").epochs()
    floor = math.nan
    if corpus.grammar:
        floor = corpus.grammar.perplexity_floor(num_steps if case["state"] == "reset" else None)
    last = rows[-1]
    return [last | {"perplexity": math.exp(last["valid_nats"]), "floor": floor}]


def verdict(rows: list[Row]) -> str:
    lines = [_enough(where(rows, state=state), state) for state in ("carried", "reset")]
    carried, reset = (
        spread(where(rows, state=state), "perplexity", "num_steps")
        for state in ("carried", "reset")
    )
    longest, shortest = max(carried), min(carried)
    lines.append(
        f"What a carried state is worth: at num_steps {shortest} a perplexity of "
        f"{carried[shortest]:.2f} in place of {reset[shortest]:.2f}, at num_steps {longest} "
        f"{carried[longest]:.2f} in place of {reset[longest]:.2f}."
    )
    speed = spread(where(rows, state="carried"), "words_per_second", "num_steps")
    lines.append(
        f"Speed, with the state carried: {speed[shortest]:,.0f} words/s at num_steps {shortest}, "
        f"{speed[longest]:,.0f} at {longest}."
    )
    lines.append(_explodes(where(rows, state="carried")))
    return "\n\n".join(lines)


def _enough(rows: list[Row], state: str) -> str:
    perplexity = spread(rows, "perplexity", "num_steps")
    lowest = min(perplexity, key=lambda num_steps: perplexity[num_steps].mean)
    enough = min(
        num_steps
        for num_steps, each in perplexity.items()
        if each.mean <= ENOUGH * perplexity[lowest].mean
    )
    longest = enough == max(perplexity)
    head = f"nothing below num_steps {enough}" if longest else f"num_steps {enough}"
    text = (
        f"**With the state {state}, {head} is enough**: the lowest valid perplexity of "
        f"those tried is {perplexity[lowest]:.2f} at num_steps {lowest}, and {enough} is the first "
        f"within {ENOUGH - 1:.0%} of it ({perplexity[enough]:.2f})."
    )
    if longest:
        text += " That is the longest that was tried: more may be better still."
    floors = spread(rows, "floor", "num_steps")
    if math.isnan(floors[lowest].mean):
        return text
    ratio = {n: perplexity[n].mean / floors[n].mean for n in perplexity}
    memory = "a memory of that length" if state == "reset" else "full memory"
    return (
        f"{text} Over the computed floor for {memory} the perplexity is "
        + ", ".join(f"{ratio[n]:.3f} times at num_steps {n}" for n in (min(ratio), max(ratio)))
        + "."
    )


def _explodes(rows: list[Row]) -> str:
    norm = spread(rows, "grad_norm", "num_steps")
    short, long = min(norm), max(norm)
    growth = norm[long].mean / norm[short].mean
    explodes = growth > long / short
    return (
        f"**A longer window {'explodes' if explodes else 'does not explode'} the gradient here**: "
        f"its norm is {norm[short]:.2f} at num_steps {short} and {norm[long]:.2f} at {long}, "
        f"{growth:.1f} times as large, where a sum of {long / short:.0f} times as many terms may "
        f"grow {long / short:.0f} times without any of them growing."
    )


def draw(rows: list[Row]):
    from studies.figure import GREY, legend_above, line, panels  # noqa: PLC0415
    from training.curve import log_axis  # noqa: PLC0415

    lengths = sorted({row["num_steps"] for row in rows})
    figure, (quality, speed) = panels(2)
    for index, state in enumerate(("reset", "carried")):
        some = where(rows, state=state)
        line(quality, some, "num_steps", "perplexity", index, f"state {state}")
        if not math.isnan(some[0]["floor"]):
            label = "floor, memory of num_steps" if state == "reset" else "floor, full memory"
            floors = spread(some, "floor", "num_steps")
            style = ":" if state == "reset" else "-."
            quality.plot(lengths, [floors[n].mean for n in lengths], style, color=GREY, label=label)
        line(speed, some, "num_steps", "words_per_second", index, f"state {state}")
    quality.set(title="Loss", ylabel="valid perplexity")
    speed.set(title="Speed", ylabel="words a second", ylim=(0, None))
    for axes in (quality, speed):
        log_axis(axes, "x", lengths)
        axes.set_xlabel("num_steps (log scale)")
    legend_above(quality)
    speed.legend(loc="lower right")
    speed.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    return figure


STUDY = Study(
    name="num_steps",
    question="How many time steps are enough?",
    cases=cases,
    measure=measure,
    verdict=verdict,
    draw=draw,
)

if __name__ == "__main__":
    STUDY.main()
