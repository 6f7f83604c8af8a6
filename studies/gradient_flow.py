"""How far back does a gradient reach, in a plain RNN, a GRU and an LSTM?

    python3 -m studies.gradient_flow [--quick] [--out=DIR] [--data_path=DIR]

For the loss at one step t, the norm of its gradient with respect to the state k steps earlier,
d loss_t / d state_{t-k}, over the norm for k = 0. The weights start uniformly in +-init_scale, as
in training, so the recurrent matrix of H = 200 units has a spectral radius of about
init_scale * sqrt(H / 3); one setting has been trained as well. For a linear RNN the gradient is
(W^T)^k times that of k = 0 exactly, which a test compares (Pascanu et al. 2013, arXiv 1211.5063).
"""

from __future__ import annotations

import itertools
import math

from studies.measurements import Row, Spread, spread, where
from studies.study import Options, Study

HIDDEN_SIZE = 200
ROWS = 20
VANISHED, EXPLODED = 1e-3, 1e3
MAX_GRAD_NORM = 5.0
UNDERFLOW = 1e-30  # smaller norms are of numbers that float32 no longer holds exactly
TRAINED_SCALE = 0.1
CELLS = ("rnn", "gru", "lstm")


def cases(options: Options) -> list[Row]:
    scales = (0.1, 0.4) if options.quick else (0.05, 0.1, 0.2, 0.4)
    num_epochs = 1 if options.quick else 3
    steps_back = 20 if options.quick else 60
    settings = [(scale, 0) for scale in scales] + [(TRAINED_SCALE, num_epochs)]
    return [
        {
            "cell": cell,
            "init_scale": scale,
            "trained_epochs": epochs,
            "steps_back": steps_back,
            "seed": seed,
        }
        for cell, (scale, epochs), seed in itertools.product(CELLS, settings, options.seeds)
    ]


def measure(case: Row, corpus) -> list[Row]:
    import tensorflow as tf  # noqa: PLC0415

    from ptb import reader  # noqa: PLC0415
    from studies.training_run import TrainingRun  # noqa: PLC0415
    from training.config import Config  # noqa: PLC0415

    config = Config(
        hidden_size=HIDDEN_SIZE,
        num_layers=1,
        cell=case["cell"],
        rnn_mode="static",
        init_scale=case["init_scale"],
        num_epochs=max(1, case["trained_epochs"]),
        seed=case["seed"],
    )
    run = TrainingRun(corpus, config)
    if case["trained_epochs"]:
        run.epochs()
    model = run.model
    # The first half brings the state to where it is in the middle of a text.
    windows = reader.sequential(corpus.valid, ROWS, 2 * case["steps_back"])
    inputs, targets = windows[0]
    steps = tf.unstack(tf.gather(model.embedding.value, inputs), axis=1)
    cell = model.recurrent[0].cell
    (state,) = model.initial_state(ROWS)
    for step in steps[: case["steps_back"]]:
        _, state = cell(step, state)

    def loss(output):
        logits = tf.matmul(output, model.softmax_w) + model.softmax_b
        return tf.nn.sparse_softmax_cross_entropy_with_logits(targets[:, -1], logits)

    weights = [weight.value for weight in cell.trainable_weights]
    norms, weight_norm = backward_norms(cell, steps[case["steps_back"] :], state, loss, weights)
    factor = min(1.0, MAX_GRAD_NORM / weight_norm)
    return [
        {"k": k, "norm": norm, "weight_norm": weight_norm, "clipped_norm": factor * norm}
        for k, norm in enumerate(norms)
    ]


def backward_norms(cell, steps: list, state, loss, weights=()) -> tuple[list[float], float]:
    """How the gradient of the last step's loss shrinks or grows on its way back.

    Axis letters: B = rows, D = input size, H = hidden size.

    Args:
      cell: called as `output, state = cell(inputs, state)`.
      steps: tensors `[B, D]`, one for each step.
      state: the state before the first of them, a tensor `[B, H]` or a structure of such.
      loss: from the last output `[B, H]` to the loss of each row, `[B]`.
      weights: those whose gradient's norm is wanted too.

    Returns:
      For k = 0, 1, ..., len(steps): the norm of d loss / d state k steps before the last, with all
      tensors of a state as one vector, as the median over the rows. And the global norm of the
      gradient of the mean loss with respect to `weights`.
    """
    import numpy as np  # noqa: PLC0415
    import tensorflow as tf  # noqa: PLC0415

    states = [state]
    with tf.GradientTape() as tape:
        tape.watch(state)
        for step in steps:
            output, state = cell(step, state)
            states.append(state)
        total = tf.reduce_sum(loss(output))
    by_state, by_weight = tape.gradient(total, (states, list(weights)))
    norms = []
    for gradient in reversed(by_state):
        vectors = [part.numpy() for part in tf.nest.flatten(gradient) if part is not None]
        # In double precision: the square of a small float32 underflows.
        rows = np.linalg.norm(np.concatenate(vectors, axis=1).astype(np.float64), axis=1)
        norms.append(float(np.median(rows)))
    weight_norm = float(tf.linalg.global_norm(by_weight)) / len(rows) if by_weight else math.nan
    return norms, weight_norm


def decay(rows: list[Row]) -> float:
    """The factor of one step back: a geometric mean over the steps before the norm underflows."""
    logs = {k: each.mean for k, each in spread(_logs(rows), "log_norm", "k").items()}
    last = max(k for k, log in logs.items() if k == 0 or log > math.log(UNDERFLOW))
    return math.exp((logs[last] - logs[0]) / max(last, 1))


def decays(rows: list[Row]) -> Spread:
    """`decay` of all seeds together, and of the seeds with the smallest and the largest."""
    by_seed = [decay(where(rows, seed=seed)) for seed in {row["seed"] for row in rows}]
    return Spread(decay(rows), min(by_seed), max(by_seed))


def _logs(rows: list[Row]) -> list[Row]:
    """The rows with the logarithm of their norm, of which a mean over seeds makes sense."""
    return [row | {"log_norm": math.log(max(row["norm"], 1e-300))} for row in rows]


def region(rows: list[Row]) -> str:
    """What became of the gradient at the farthest step: "vanished", "exploded" or "reaches"."""
    norms = {key: math.exp(each.mean) for key, each in spread(_logs(rows), "log_norm", "k").items()}
    ratio = norms[max(norms)] / norms[0]
    return "vanished" if ratio < VANISHED else "exploded" if ratio > EXPLODED else "reaches"


def verdict(rows: list[Row]) -> str:
    farthest = max(row["k"] for row in rows)
    settings = list(dict.fromkeys((row["init_scale"], row["trained_epochs"]) for row in rows))
    lines = [
        _plain_rnn_forgets(rows),
        f"The factor of one step back, and what is left after {farthest} steps (vanished: less "
        f"than {VANISHED:g} of the norm at k = 0; exploded: more than {EXPLODED:g} times it; "
        "reaches: between the two):",
        "| weights | " + " | ".join(CELLS) + " |\n|---|" + "---|" * len(CELLS),
    ]
    for scale, epochs in settings:
        cells = []
        for cell in CELLS:
            some = where(rows, cell=cell, init_scale=scale, trained_epochs=epochs)
            cells.append(f"{decays(some):.3f}, {region(some)}")
        lines[-1] += f"\n| {_weights(scale, epochs)} | " + " | ".join(cells) + " |"
    return "\n\n".join([*lines, _clipping(rows)])


def _weights(scale: float, epochs: int) -> str:
    start = f"init_scale {scale:g}"
    return f"{start}, after epoch {epochs}" if epochs else start


def _plain_rnn_forgets(rows: list[Row]) -> str:
    trained = [row for row in rows if row["trained_epochs"]]
    spreads = {cell: decays(where(trained, cell=cell)) for cell in CELLS}
    factors = {cell: each.mean for cell, each in spreads.items()}
    gated = {cell: factors[cell] for cell in ("gru", "lstm")}
    named = " and ".join(f"{spreads[cell]:.3f} for the {cell.upper()}" for cell in gated)
    if min(gated.values()) > factors["rnn"]:
        head = (
            "After training, the gradient of both gated cells reaches farther back than the RNN's"
        )
    elif max(gated.values()) > factors["rnn"]:
        best = max(gated, key=gated.get)
        head = f"After training, of the gated cells only the {best}'s gradient beats the RNN's"
    else:
        head = "After training, no gated cell's gradient reaches farther back than the RNN's"
    rnn = f"{spreads['rnn']:.3f} for the RNN"
    return f"**{head}**: a step back multiplies it by {named}, against {rnn}."


def _clipping(rows: list[Row]) -> str:
    clipped = [row for row in rows if row["clipped_norm"] < 0.999 * row["norm"]]
    if not clipped:
        largest = max(row["weight_norm"] for row in rows)
        return (
            f"Clipping at a global norm of {MAX_GRAD_NORM:g} changed nothing: the largest gradient "
            f"of the recurrent weights had the norm {largest:.2g}."
        )
    worst = max(clipped, key=lambda row: (row["weight_norm"], row["k"]))
    return (
        f"Clipping at a global norm of {MAX_GRAD_NORM:g} divided the largest gradient of the "
        f"recurrent weights ({worst['cell']}, init_scale {worst['init_scale']:g}) by "
        f"{worst['weight_norm'] / MAX_GRAD_NORM:.3g}: its norm {worst['k']} steps back goes from "
        f"{worst['norm']:.2g} to {worst['clipped_norm']:.2g}. The factor is one for every k: "
        "beside the norm at k = 0, what vanished or exploded stays so."
    )


def draw(rows: list[Row]):
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415

    from studies.figure import COLOURS, DASHES, panels  # noqa: PLC0415

    settings = list(dict.fromkeys((row["init_scale"], row["trained_epochs"]) for row in rows))
    farthest = max(row["k"] for row in rows)
    figure, all_axes = panels(len(CELLS), height=3.7)
    for axes, cell in zip(all_axes, CELLS, strict=True):
        for index, (scale, epochs) in enumerate(settings):
            some = _logs(where(rows, cell=cell, init_scale=scale, trained_epochs=epochs))
            logs = spread(some, "log_norm", "k")
            low, mean, high = (
                [math.exp(getattr(logs[k], end) - logs[0].mean) for k in sorted(logs)]
                for end in ("low", "mean", "high")
            )
            colour = "black" if epochs else COLOURS[index]
            label = _weights(scale, epochs)
            axes.plot(sorted(logs), mean, color=colour, linestyle=DASHES[index], label=label)
            axes.fill_between(sorted(logs), low, high, color=colour, alpha=0.2, linewidth=0)
        axes.set(yscale="log", ylim=(1e-9, 1e9), xlim=(0, farthest))
        axes.axhspan(1e-9, VANISHED, color="#56b4e9", alpha=0.18, linewidth=0)
        axes.axhspan(EXPLODED, 1e9, color="#e69f00", alpha=0.22, linewidth=0)
        for height, label in ((1e-6, "vanished"), (1e6, "exploded")):
            # Beside the panel, where no line can cross it.
            place = {"transform": axes.get_yaxis_transform(), "rotation": 270, "va": "center"}
            axes.text(1.02, height, label, **place)
        axes.set(title=cell.upper(), xlabel="k, steps back", ylabel="gradient norm, times k = 0")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    all_axes[-1].legend(loc="upper right", fontsize=10.5)
    return figure


STUDY = Study(
    name="gradient_flow",
    question="How far back does a gradient reach, in a plain RNN, a GRU and an LSTM?",
    cases=cases,
    measure=measure,
    verdict=verdict,
    draw=draw,
)

if __name__ == "__main__":
    STUDY.main()
