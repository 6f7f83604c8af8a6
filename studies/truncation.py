"""How wrong is the truncated gradient?

    python3 -m studies.truncation [--quick] [--out=DIR] [--data_path=DIR]

One stretch of text, one set of weights, the state carried through all of it. The full gradient
flows back through the whole stretch; the truncated one is cut every `num_steps` steps, and its
windows are summed. Their cosine is 1 where the truncated one points the same way, 0 where it has
nothing to do with it; the ratio of their norms says how much of the length is left.
"""

from __future__ import annotations

import itertools

from studies.measurements import Row, spread, where
from studies.study import Options, Study

ROWS = 10
NEARLY = 0.99
CONFIG = {"hidden_size": 64, "num_layers": 1, "rnn_mode": "fused"}


def cases(options: Options) -> list[Row]:
    stretch = 40 if options.quick else 160
    epochs = (0, 1) if options.quick else (0, 1, 5)
    return [
        {"trained_epochs": trained, "stretch": stretch, "seed": seed}
        for trained, seed in itertools.product(epochs, options.seeds)
    ]


def measure(case: Row, corpus) -> list[Row]:
    import numpy as np  # noqa: PLC0415

    from studies.training_run import TrainingRun  # noqa: PLC0415
    from training.config import Config  # noqa: PLC0415

    epochs, stretch = case["trained_epochs"], case["stretch"]
    run = TrainingRun(corpus, Config(num_epochs=max(1, epochs), seed=case["seed"], **CONFIG))
    if epochs:
        run.epochs()
    full = gradient(run.model, corpus.valid, ROWS, stretch, stretch)
    rows = []
    for num_steps in lengths(stretch):
        truncated = gradient(run.model, corpus.valid, ROWS, stretch, num_steps)
        norms = np.linalg.norm(truncated), np.linalg.norm(full)
        cosine = float(truncated @ full / (norms[0] * norms[1]))
        rows.append(
            {"num_steps": num_steps, "cosine": cosine, "norm_ratio": float(norms[0] / norms[1])}
        )
    return rows


def lengths(stretch: int) -> list[int]:
    """The windows that cut the stretch into equal parts."""
    return [n for n in (1, 2, 5, 10, 20, 40, 80) if stretch % n == 0 and n < stretch] + [stretch]


def gradient(model, ids, batch_size: int, stretch: int, num_steps: int):
    """The gradient of the loss over `stretch` columns of `batch_size` rows, cut at each window.

    The loss is summed over the steps and averaged over the rows. Float64 `[all weights]`.
    """
    import numpy as np  # noqa: PLC0415
    import tensorflow as tf  # noqa: PLC0415

    from ptb import reader  # noqa: PLC0415

    weights = [weight.value for weight in model.trainable_weights]
    windows = reader.sequential(ids[: batch_size * (len(ids) // batch_size)], batch_size, num_steps)
    state, total = model.initial_state(batch_size), 0.0
    for k in range(stretch // num_steps):
        with tf.GradientTape() as tape:
            nats, state = model.nats(*map(tf.constant, windows[k]), state)
            cost = tf.reduce_sum(tf.reduce_mean(nats, axis=0))
        parts = [tf.convert_to_tensor(part) for part in tape.gradient(cost, weights)]
        total = total + np.concatenate([part.numpy().ravel() for part in parts]).astype(np.float64)
    return total


def verdict(rows: list[Row]) -> str:
    lines = []
    # The trained model first: it is what is asked about.
    for epochs in sorted({row["trained_epochs"] for row in rows}, reverse=True):
        cosine = spread(where(rows, trained_epochs=epochs), "cosine", "num_steps")
        norm = spread(where(rows, trained_epochs=epochs), "norm_ratio", "num_steps")
        nearly = min(n for n, each in cosine.items() if each.mean >= NEARLY)
        when = f"After epoch {epochs}" if epochs else "Before training"
        short = min(cosine)
        shortest = f"num_steps {short} gives {cosine[short]:.3f}, "
        lines.append(
            f"**{when}, num_steps {nearly} gives a cosine of at least {NEARLY:g}** "
            f"({cosine[nearly]:.4f}{'); ' + shortest if short != nearly else ', '}at "
            f"{norm[short]:.2f} of the norm{'' if short != nearly else ')'}."
        )
    last = where(rows, trained_epochs=max(row["trained_epochs"] for row in rows))
    cosine = spread(last, "cosine", "num_steps")
    usual = 20 if 20 in cosine else sorted(cosine)[-2]
    wrong = 1 - cosine[usual].mean > 1 - NEARLY
    lines.append(
        f"At the usual num_steps of {usual}, the truncated gradient of the trained model is "
        f"{'noticeably' if wrong else 'hardly'} wrong: cosine {cosine[usual]:.4f} with the full "
        f"one. (The full gradient flows through {max(cosine)} steps.)"
    )
    return "\n\n".join(lines)


def draw(rows: list[Row]):
    from studies.figure import line, panels  # noqa: PLC0415
    from training.curve import log_axis  # noqa: PLC0415

    lengths_ = sorted({row["num_steps"] for row in rows})
    figure, (cosines, norms) = panels(2, height=3.8)
    for index, epochs in enumerate(dict.fromkeys(row["trained_epochs"] for row in rows)):
        label = f"after epoch {epochs}" if epochs else "not trained"
        some = where(rows, trained_epochs=epochs)
        line(cosines, some, "num_steps", "cosine", index, label)
        line(norms, some, "num_steps", "norm_ratio", index, label)
    cosines.set(title="Direction of the truncated gradient", ylabel="cosine with the full one")
    norms.set(title="Length of the truncated gradient", ylabel="norm, times the full one's")
    norms.set_ylim(0, 1.15)
    for axes in (cosines, norms):
        log_axis(axes, "x", lengths_)
        axes.set_xlabel("num_steps (log scale)")
        axes.axhline(1, color="#666666", linewidth=1)
    cosines.legend()
    return figure


STUDY = Study(
    name="truncation",
    question="How wrong is the truncated gradient?",
    cases=cases,
    measure=measure,
    verdict=verdict,
    draw=draw,
)

if __name__ == "__main__":
    STUDY.main()
