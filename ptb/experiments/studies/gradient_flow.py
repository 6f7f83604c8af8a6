"""How far back does a gradient reach, in a plain RNN, a GRU and an LSTM?

    ptb study gradient_flow [--quick] [--out=DIR] [--data_path=DIR]

For the loss at one step t, the norm of its gradient with respect to the state k steps earlier,
d loss_t / d state_{t-k}, over the norm for k = 1, the state that step t receives. (For k = 0 the
loss reads h alone: in an LSTM the gradient enters c only in the step from k = 0 to k = 1, which is
taken once for each loss.) Measured at the start, with weights uniform in +-init_scale, and after
training at a learning rate tuned for each network. For a linear RNN the gradient is (W^T)^k times
that of k = 0 exactly, which a test compares (Pascanu et al. 2013, arXiv 1211.5063).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from functools import partial
from typing import Any

from ptb.experiments.studies.measurements import (
    NOT_CLEAR,
    Row,
    Spread,
    compare,
    describe_failed,
    describe_rates,
    describe_size,
    estimate,
    estimates,
    in_words,
    or_,
    sound,
    where,
    wilson,
)
from ptb.experiments.studies.study import Options, Study

NETWORKS = {
    "RNN": ("rnn", 0.0),
    "GRU": ("gru", 0.0),
    "LSTM": ("lstm", 0.0),
    "LSTM, forget bias 1": ("lstm", 1.0),
}
HIDDEN_SIZE = 64
ROWS = 20
VANISHED, EXPLODED = 1e-3, 1e3
LEFT = (0.1, 0.01, VANISHED, 1e-4)  # the shares for which a gradient's reach is told
UNDERFLOW = 1e-30  # smaller norms are of numbers that float32 no longer holds exactly
# The spectral radius of H units is about init_scale * sqrt(H / 3): with 0.18 it is that of the
# tutorial's 200 units at its 0.1.
TRAINED_SCALE = 0.18
RATES = (0.125, 0.25, 0.5, 1.0, 2.0)
KEPT = (0, 1, 2, 3, 5, 8, 10, 15, 20, 30, 40, 50, 60)
TO_THE_END = "several, as far as was measured"
NEAR = 20  # the factor of a step is not the same near and far


def cases(options: Options) -> list[Row]:
    scales = (TRAINED_SCALE,) if options.quick else (0.05, 0.1, TRAINED_SCALE, 0.35)
    settings = [(scale, 0) for scale in scales] + [(TRAINED_SCALE, 1 if options.quick else 3)]
    return [
        {
            "network": network,
            "init_scale": scale,
            "trained_epochs": epochs,
            "steps_back": 20 if options.quick else 60,
        }
        for network in NETWORKS
        for scale, epochs in settings
    ]


def measure(case: Row, corpus, options: Options) -> list[Row]:
    from ptb.experiments.studies.stack import Stack, finite  # noqa: PLC0415
    from ptb.experiments.studies.tuning import tune_and_measure, untrained  # noqa: PLC0415
    from ptb.training.config import Config  # noqa: PLC0415

    cell, forget_bias = NETWORKS[case["network"]]
    config = Config(
        hidden_size=HIDDEN_SIZE,
        num_layers=1,
        cell=cell,
        forget_bias=forget_bias,
        init_scale=case["init_scale"],
        num_epochs=max(1, case["trained_epochs"]),
        constant_epochs=max(1, case["trained_epochs"]),
    )
    stacks = []

    def train(rates, seeds):
        stacks.append(Stack(corpus, config, rates, seeds))
        return stacks[-1].train()

    if case["trained_epochs"]:
        starts = tune_and_measure(train, RATES, options)
        stack = stacks[-1]
    else:
        stack = Stack(corpus, config, [0.0] * len(options.seeds), options.seeds)
        starts = untrained(stack)
    of_loss = ("learning_rate", "seed", "valid_nats", "unigram_nats", "clipped")
    columns = (*of_loss, "rates_tried", "rate_at_edge")
    reached, radii, gates = reach_of(stack, corpus.valid, case["steps_back"])
    return [
        {name: start[name] for name in columns}
        | {
            "spectral_radius": float(radii[g]),
            "gate": finite(gates[g]),
            "k": k,
            "norm": finite(reached[k, g]),
        }
        for g, start in enumerate(starts)
        for k in KEPT
        if k <= case["steps_back"]
    ]


def reach_of(stack, ids, steps_back: int):
    """For each model: `backward_norms`, the spectral radius and the mean gate.

    The spectral radius is that of the recurrent matrix beneath the tanh, in GRU and LSTM the
    candidate's. The gate is the LSTM's forget gate, the GRU's update gate, and for the plain RNN
    1 - h^2, the slope of its tanh: what a step multiplies by, beside the matrices.
    """
    import numpy as np  # noqa: PLC0415
    import tensorflow as tf  # noqa: PLC0415

    from ptb.data import reader  # noqa: PLC0415
    from ptb.experiments.studies.stack import spectral_radius  # noqa: PLC0415

    network, weights, size = stack.network, stack.weights, stack.network.hidden_size
    models = len(stack.seeds)
    # The first half brings the state to where it is in the middle of a text.
    inputs, targets = reader.sequential(ids, ROWS, 2 * steps_back)[0]
    tokens = tf.broadcast_to(inputs, [models, *inputs.shape])
    steps = tf.unstack(network.embed(weights, tokens)[0], axis=0)
    state, gates = network.initial_state(models, ROWS), []
    for step in steps[:steps_back]:
        h = state[-1]
        output, state = network.step(weights, step, state)
        gates.append(gate_of(network, weights, tf.concat([step, h], axis=-1), output))
    wanted = tf.broadcast_to(targets[:, -1], [models, ROWS])

    def loss(output):
        logits = tf.matmul(output, weights["softmax_w"]) + weights["softmax_b"]
        return tf.nn.sparse_softmax_cross_entropy_with_logits(wanted, logits)

    norms = backward_norms(
        lambda x, state: network.step(weights, x, state), steps[steps_back:], state, loss
    )
    kernel = weights["candidate_kernel" if network.cell == "gru" else "kernel"].numpy()
    columns = slice(size, 2 * size) if network.cell == "lstm" else slice(0, size)
    radii = spectral_radius(kernel[:, size:, columns])
    return norms, radii, np.mean([gate.numpy() for gate in gates], axis=(0, 2, 3))


def gate_of(network, weights, x_and_h, output):
    """The gate that decides how much of the old state stays, `[G, B, H]`, from 0 to 1."""
    import tensorflow as tf  # noqa: PLC0415

    if network.cell == "rnn":
        return 1 - tf.square(output)
    if network.cell == "gru":
        gates = tf.matmul(x_and_h, weights["gates_kernel"]) + weights["gates_bias"]
        return tf.sigmoid(tf.split(gates, 2, axis=-1)[1])
    parts = tf.matmul(x_and_h, weights["kernel"]) + weights["bias"]
    return tf.sigmoid(tf.split(parts, 4, axis=-1)[2] + network.forget_bias)


def backward_norms(cell, steps: list, state, loss):
    """Norms of the gradient of the last step's loss with respect to earlier states.

    Axis letters: G = models, of which there may be none, B = rows, D = input size, H = hidden size.

    Args:
      cell: called as `output, state = cell(inputs, state)`.
      steps: tensors `[G, B, D]`, one for each step.
      state: the state before the first of them, a tensor `[G, B, H]` or a structure of such.
      loss: from the last output `[G, B, H]` to the loss of each row, `[G, B]`.

    Returns:
      For k = 0, 1, ..., len(steps): the norm of d loss / d state k steps before the last, with all
      tensors of a state as one vector, as the median over the rows. Float64 `[len(steps) + 1, G]`.
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
    norms = []
    for gradient in reversed(tape.gradient(total, states)):
        vectors = [part.numpy() for part in tf.nest.flatten(gradient) if part is not None]
        # In double precision: the square of a small float32 underflows.
        rows = np.linalg.norm(np.concatenate(vectors, axis=-1).astype(np.float64), axis=-1)
        norms.append(np.median(rows, axis=-1))
    return np.array(norms)


def recurrent(rows: list[Row]) -> list[Row]:
    """The rows whose state a step has received: all but k = 0, at which the loss reads h alone."""
    return [row for row in rows if row["k"] > 0]


def decay(rows: list[Row]) -> float:
    """The mean factor of one step back for one seed: geometric, before the norm underflows.

    If it underflows at once, that is at most the factor. NaN if the first norm has done so.
    """
    norms = {row["k"]: row["norm"] for row in rows}
    first, *others = sorted(norms)
    if norms[first] <= UNDERFLOW:
        return math.nan
    last = max((k for k in others if norms[k] > UNDERFLOW), default=others[0])
    return (max(norms[last], UNDERFLOW) / norms[first]) ** (1 / (last - first))


def reach(rows: list[Row], left: float = VANISHED) -> float:
    """The steps back from which on less than the share `left` of the norm is left, for one seed.

    Interpolated between the steps that were measured, on the logarithm of the norm. The farthest
    step that was measured if more is left there.
    """
    norms = {row["k"]: max(row["norm"], 1e-300) for row in rows}
    steps = sorted(norms)
    above = {k: math.log(norms[k] / norms[steps[0]] / left) for k in steps}
    if not above[steps[-1]] < 0:
        return float(steps[-1])
    # From the far end: a gradient that falls and rises again reaches as far as it rises.
    for one, other in reversed([*itertools.pairwise(steps)]):
        if above[one] >= 0:
            return one + (other - one) * above[one] / (above[one] - above[other])
    return float(steps[0])


def mark_of(steps: list[float], farthest: float) -> str:
    """What stands before a mean reach where a seed reaches farther than was measured."""
    return "≥ " if farthest in steps else ""


def _steps(rows: list[Row], left: float = VANISHED) -> str:
    """The mean reach of one network over the seeds, with its mark and interval."""
    steps = of_seeds(rows, partial(reach, left=left))
    return f"{mark_of(steps, max(row['k'] for row in rows))}{estimate(steps):.1f}"


def of_seeds(rows: list[Row], figure: Callable[[list[Row]], Any]) -> list:
    """A figure of each seed."""
    return [figure(where(rows, seed=seed)) for seed in dict.fromkeys(row["seed"] for row in rows)]


def region(rows: list[Row]) -> str:
    """What became of the gradient at the farthest step, for clearly more than half of the seeds.

    "vanished", "exploded" or "reaches"; else NOT_CLEAR.
    """
    regions = of_seeds(rows, _region_of_seed)
    said = max(set(regions), key=regions.count)
    return said if wilson(regions.count(said), len(regions)).low > 0.5 else NOT_CLEAR


def _region_of_seed(rows: list[Row]) -> str:
    norms = {row["k"]: row["norm"] for row in rows}
    ratio = norms[max(norms)] / max(norms[min(norms)], 1e-300)
    return "vanished" if ratio < VANISHED else "exploded" if ratio > EXPLODED else "reaches"


def verdict(rows: list[Row]) -> str:
    rows = recurrent(rows)
    trained, failed = sound([row for row in rows if row["trained_epochs"]], "network")
    start = [row for row in rows if not row["trained_epochs"]]
    return "\n\n".join(
        part
        for part in (
            _after_training(trained),
            _what_is_left(trained),
            _forget_bias(trained),
            _at_start(start),
            _table(rows),
            _of_trained([row for row in rows if row["trained_epochs"]]),
            describe_failed(failed, "the trained"),
            describe_rates([row for row in rows if row["trained_epochs"]], "network"),
            describe_size(HIDDEN_SIZE),
        )
        if part
    )


def _by_network(rows: list[Row], figure: Callable[[list[Row]], float]) -> dict[str, Spread]:
    """The mean of a figure over the seeds, for each network that has rows."""
    return {
        network: estimate(of_seeds(some, figure))
        for network in NETWORKS
        if (some := where(rows, network=network))
    }


def _reaches(rows: list[Row]) -> dict[float, dict[str, Spread]]:
    """For each of the shares LEFT, the reach of each network."""
    return {left: _by_network(rows, partial(reach, left=left)) for left in LEFT}


def _farther(reaches: dict, one: str, other: str) -> tuple[set[str], str]:
    """How the reach of `one` clearly compares with that of `other`: "higher", "lower", both, none.

    Beside it, in words, the shares at which it is not clear, if it is clear at others.
    """
    said = {left: compare(each[one], each[other]) for left, each in reaches.items()}
    unclear = [f"{left:g}" for left, each in said.items() if each == NOT_CLEAR]
    clear = set(said.values()) - {NOT_CLEAR}
    but = f", but not clearly if the share is {or_(unclear)}" if clear and unclear else ""
    return clear, but


def _after_training(rows: list[Row]) -> str:
    reaches = _reaches(rows)
    if "RNN" not in reaches[VANISHED]:
        return "**The plain RNN did not learn, so nothing is compared with it.**"
    if len(reaches[VANISHED]) < 2:
        return ""
    farthest = max(row["k"] for row in rows)
    lines = []
    for network in reaches[VANISHED]:
        if network == "RNN":
            continue
        name = in_words(network)
        clear, but = _farther(reaches, network, "RNN")
        if len(clear) == 2:
            head = (
                f"Whether the gradient of the {name} or of the plain RNN reaches farther depends "
                "on how much must be left"
            )
        elif clear == {"higher"}:
            head = f"The gradient of the {name} reaches farther back than the plain RNN's"
        elif clear == {"lower"}:
            head = f"The gradient of the {name} reaches less far back than the plain RNN's"
        else:
            head = (
                f"It is not clear whether the gradient of the {name} or of the plain RNN reaches "
                "farther"
            )
        lines.append(
            f"- **{head}{but}**: {_steps(where(rows, network=network))} steps until less than "
            f"{VANISHED:g} is left, the RNN {_steps(where(rows, network='RNN'))};"
        )
    for network, factor in (far := _by_network(_far(rows), decay)).items():
        if network == "RNN":
            continue
        name = in_words(network)
        head = {
            "higher": f"Far back, the gradient of the {name} falls more slowly than the plain "
            "RNN's",
            "lower": f"Far back, the gradient of the {name} falls faster than the plain RNN's",
            NOT_CLEAR: f"Far back, it is not clear whether the gradient of the {name} or of the "
            "plain RNN falls faster",
        }[compare(factor, far["RNN"])]
        lines.append(
            f"- **{head}**: one step back multiplies it by {factor:.3f}, the RNN's by "
            f"{far['RNN']:.3f};"
        )
    head = (
        "After training on the same words, each network at its best learning rate. The norm at k "
        "steps back is divided by that at k = 1, the state that the last step receives. A gradient "
        f"reaches as far back as a share of that is left: {', '.join(f'{x:g}' for x in LEFT)}. "
        "A finding holds for each of these shares, except those that it names."
    )
    if far:
        head += f" Far back is from step {NEAR} to {farthest}."
    return "\n".join([head, "", *lines[:-1], lines[-1][:-1] + "."])


def _far(rows: list[Row]) -> list[Row]:
    """The rows from NEAR on; [] if there are none beyond."""
    far = [row for row in rows if row["k"] >= NEAR]
    return far if any(row["k"] > NEAR for row in far) else []


def _what_is_left(rows: list[Row]) -> str:
    if not rows:
        return ""
    farthest = max(row["k"] for row in rows)
    named = {
        "vanished": "vanished",
        "exploded": "exploded",
        "reaches": "neither vanished nor exploded",
        NOT_CLEAR: NOT_CLEAR,
    }
    regions = {
        network: named[region(where(rows, network=network))]
        for network in dict.fromkeys(row["network"] for row in rows)
    }
    unclear = [in_words(network) for network, said in regions.items() if said == NOT_CLEAR]
    clear = set(regions.values()) - {NOT_CLEAR}
    if not clear:
        head = "it is not clear what became of the trained networks' gradients"
    elif len(clear) == 1:
        head = f"the gradient of every trained network has {clear.pop()}"
        if unclear:
            head += f", but not clearly for the {or_(unclear)}"
    else:
        said = "; ".join(f"{in_words(network)}: {said}" for network, said in regions.items())
        head = f"the gradients of the trained networks differ: {said}"
    return (
        f"**{farthest} steps back, {head}.** Vanished: less than {VANISHED:g} of the norm is left. "
        f"Exploded: the norm is more than {EXPLODED:g} times as large. A network is clear if that "
        "holds for clearly more than half of its seeds."
    )


def _forget_bias(rows: list[Row]) -> str:
    one, other = "LSTM, forget bias 1", "LSTM"
    reaches = _reaches(rows)
    if not {one, other} <= reaches[VANISHED].keys():
        return ""
    clear, but = _farther(reaches, one, other)
    subject = "With a forget bias of 1, the trained LSTM's gradient reaches"
    if clear == {"higher"}:
        head = f"{subject} farther than with 0{but}"
    elif clear == {"lower"}:
        head = f"{subject} less far than with 0{but}"
    else:
        head = "It is not clear whether a forget bias of 1 helps the trained LSTM's gradient"
    return f"**{head}.**"


def _at_start(rows: list[Row]) -> str:
    winners, farthest = {}, max(row["k"] for row in rows)
    for scale in dict.fromkeys(row["init_scale"] for row in rows):
        reaches = _by_network(where(rows, init_scale=scale), reach)
        if sum(steps.low == farthest for steps in reaches.values()) > 1:
            winners[scale] = TO_THE_END
            continue
        best = max(reaches, key=lambda network: reaches[network].mean)
        alone = all(compare(r, reaches[best]) == "lower" for n, r in reaches.items() if n != best)
        winners[scale] = best if alone else NOT_CLEAR
    named = "; ".join(f"{in_words(winner)} at {scale:g}" for scale, winner in winners.items())
    clear = set(winners.values()) & NETWORKS.keys()
    if not clear:
        head = "Before training, it is not clear which network reaches farthest"
    elif len(clear) > 1:
        head = "Before training, which network reaches farthest depends on the weights' scale"
    else:
        head = f"Before training, the {in_words(*clear)} reaches farthest"
        if clear != set(winners.values()):
            head += ", but not clearly at every scale"
    return f"**{head}** (init_scale): {named}."


def _table(rows: list[Row]) -> str:
    farthest = max(row["k"] for row in rows)
    networks = list(dict.fromkeys(row["network"] for row in rows))
    lines = [
        f"How many steps back the gradient reaches, until less than {VANISHED:g} is left. A seed "
        f"that reaches farther than {farthest} counts as that many, and the mean is marked with ≥. "
        "Radius: the spectral radius of the recurrent matrix. In GRU and LSTM it is the "
        "candidate's matrix.",
        "",
        "| weights | " + " | ".join(networks) + " |",
        "|---|" + "---|" * len(networks),
    ]
    for scale, epochs in dict.fromkeys((row["init_scale"], row["trained_epochs"]) for row in rows):
        cells = []
        for network in networks:
            some = where(rows, network=network, init_scale=scale, trained_epochs=epochs)
            radius = estimate(row["spectral_radius"] for row in where(some, k=1)).mean
            cells.append(f"{_steps(some)}, radius {radius:.2f}" if some else "")
        lines.append(f"| {_weights(scale, epochs)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _of_trained(rows: list[Row]) -> str:
    """A table of the trained networks: factors, loss, share of clipped windows, gate."""
    farthest = max(row["k"] for row in rows)
    near, far = [row for row in rows if row["k"] <= NEAR], _far(rows)
    starts = where(rows, k=1)
    networks = list(dict.fromkeys(row["network"] for row in starts))
    lines = ["| after training | " + " | ".join(networks) + " |", "|---|" + "---|" * len(networks)]
    for column, label, scale, spec in (
        ("valid_nats", "valid loss, nats a word", 1, ".3f"),
        ("clipped", "windows clipped, %", 100, ".0f"),
        ("gate", "mean gate", 1, ".2f"),
    ):
        figures = estimates(
            [row | {column: scale * row[column]} for row in starts], column, "network"
        )
        lines.append(f"| {label} | " + " | ".join(f"{figures[n]:{spec}}" for n in networks) + " |")
    for left in LEFT:
        cells = " | ".join(_steps(where(rows, network=n), left) for n in networks)
        lines.append(f"| steps back, until less is left than {left:g} | {cells} |")
    for steps, some in [(f"1 to {NEAR}", near), (f"{NEAR} to {farthest}", far)] if far else []:
        label = f"factor of one step, k = {steps}"
        factors = _by_network(some, decay)
        lines.append(f"| {label} | " + " | ".join(f"{factors[n]:.3f}" for n in networks) + " |")
    return (
        "\n".join(lines) + "\n\nA model that knows only the words' frequencies has "
        f"{rows[0]['unigram_nats']:.3f} nats a word. "
        "The gate is the LSTM's forget gate, the GRU's update gate, and the slope 1 - h² of the "
        "RNN's tanh."
    )


def _weights(scale: float, epochs: int) -> str:
    start = f"init_scale {scale:g}"
    return f"{start}, after epoch {epochs}" if epochs else start


def draw(rows: list[Row]):
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415

    from ptb.experiments.studies.figure import DASHES, panels  # noqa: PLC0415
    from ptb.machine.colours import GREY, NETWORKS, SERIES  # noqa: PLC0415

    rows = recurrent(rows)
    networks = list(dict.fromkeys(row["network"] for row in rows))
    farthest = max(row["k"] for row in rows)
    before = [row for row in rows if not row["trained_epochs"]]
    # At the scale that the trained ones begin with.
    scale = max(row["init_scale"] for row in rows if row["trained_epochs"])
    figure, all_axes = panels(2, height=4.4)
    for axes, some, title in (
        (all_axes[0], where(before, init_scale=scale), f"Before training, init_scale {scale:g}"),
        (all_axes[1], [row for row in rows if row["trained_epochs"]], "After training"),
    ):
        for index, network in enumerate(networks):
            of_network = where(some, network=network)
            first = {row["seed"]: row["norm"] for row in where(of_network, k=1)}
            points = {
                k: estimate(
                    math.log10(max(row["norm"], 1e-300) / first[row["seed"]])
                    for row in where(of_network, k=k)
                )
                for k in sorted({row["k"] for row in of_network})
            }
            mean = [10**each.mean for each in points.values()]
            low, high = ([10 ** each.band[end] for each in points.values()] for end in (0, 1))
            colour = SERIES[NETWORKS[network]]
            style = {"color": colour, "linestyle": DASHES[index]}
            axes.plot(list(points), mean, label=network, **style)
            axes.fill_between(list(points), low, high, color=colour, alpha=0.2, linewidth=0)
        axes.set(yscale="log", ylim=(1e-9, 1e3), xlim=(1, farthest), title=title)
        axes.axhspan(1e-9, VANISHED, color=GREY, alpha=0.1, linewidth=0)
        place = {"transform": axes.get_yaxis_transform(), "rotation": 270, "va": "center"}
        axes.text(1.02, 1e-6, "vanished", **place)
        axes.set(xlabel="k, steps back", ylabel="gradient norm, times k = 1")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(loc="upper right", fontsize=10.5, ncols=2)
    return figure


STUDY = Study(
    name="gradient_flow",
    question="How far back does a gradient reach, in a plain RNN, a GRU and an LSTM?",
    cases=cases,
    measure=measure,
    verdict=verdict,
    draw=draw,
)
