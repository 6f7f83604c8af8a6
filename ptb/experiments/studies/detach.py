"""What happens when the graph is not cut at window ends?

    ptb study detach [--quick] [--out=DIR] [--data_path=DIR]

Whoever carries the state and forgets to stop its gradient (`detach` in PyTorch, `stop_gradient`
here) keeps the graph of all windows so far, and walks back through all of them at each window.
Here the graph is kept for 1, 2, 4, ... windows before it is cut: the loss of each window is
differentiated through that window and all the kept ones before it, for the weights, which are
left as they are. Each seed has a process of its own, which goes from the fewest windows kept to the
most: memory is what the process has held at most so far, beyond what it held after one window.
"""

from __future__ import annotations

import itertools
import math
import time
from statistics import fmean

import numpy as np

from ptb.command_line.devices import start_tensorflow
from ptb.experiments.studies.measurements import (
    NOT_CLEAR,
    Row,
    Spread,
    estimate,
    estimates,
    ratio,
    values_by,
    within,
)
from ptb.experiments.studies.study import Options, Study
from ptb.machine.child import call
from ptb.machine.environment import peak_bytes

WINDOWS = 16  # that are timed, at least
SAME_MB = 10.0  # a smaller difference may be the allocator's
SLOWER = 1.5
GROWS, GROWS_IN_ALL, SAME = "grows", "grows in all", "same"
MEMORY = {
    GROWS: "Memory grows with every window that is kept",
    GROWS_IN_ALL: "Memory grows, but not clearly with every window that is kept",
    SAME: "Memory stays about the same",
    NOT_CLEAR: "It is not clear whether memory grows",
}
TIME = {
    GROWS: "The time of a window grows with every window that is kept",
    GROWS_IN_ALL: "The time of a window grows, but not clearly with every window that is kept",
    SAME: "The time of a window stays about the same",
    NOT_CLEAR: "It is not clear whether the time of a window grows",
}


def cases(options: Options) -> list[Row]:
    layers, num_steps = (1, 10) if options.quick else (2, 20)
    return [{"num_layers": layers, "num_steps": num_steps, "seed": seed} for seed in options.seeds]


def measure(case: Row, corpus, options: Options) -> list[Row]:
    kept = [1, 8] if options.quick else [1, 2, 4, 8, 16]
    return call(_measure_here, kept, case, corpus.train, len(corpus.vocabulary))


def _measure_here(all_kept: list[int], case: Row, ids, vocab_size: int) -> list[Row]:
    """Milliseconds a window, and peak memory beyond that of one window, in MB: a row for each."""
    from ptb.data import reader  # noqa: PLC0415
    from ptb.training.config import Config  # noqa: PLC0415
    from ptb.training.model import build_model  # noqa: PLC0415

    start_tensorflow()
    ids = np.asarray(ids, np.int32)
    config = Config(rnn_mode="static", **case)
    model = build_model(config, vocab_size)
    model.initialize(config.init_scale, config.seed)
    windows = reader.sequential(ids, config.batch_size, config.num_steps)
    window = _window_function(model)
    _differentiate(window, model, windows, 0, 1)  # traces forward and backward
    before, rows = peak_bytes(), []
    for kept in all_kept:
        groups = math.ceil(WINDOWS / kept)
        began = time.perf_counter()
        for group in range(groups):
            _differentiate(window, model, windows, group * kept, kept)
        seconds = time.perf_counter() - began
        rows.append(
            {
                "kept_windows": kept,
                "ms_per_window": 1000 * seconds / (groups * kept),
                "extra_mb": (peak_bytes() - before) / 1e6,
            }
        )
    return rows


def _window_function(model):
    """One window as a traced function of the weights and the state, without a cut between them."""
    import tensorflow as tf  # noqa: PLC0415

    @tf.function
    def window(inputs, targets, state):
        steps = tf.unstack(tf.gather(model.embedding.value, inputs), axis=1)
        next_state = []
        for layer, layer_state in zip(model.recurrent, state, strict=True):
            steps, layer_next_state = layer(steps, layer_state)
            next_state.append(layer_next_state)
        logits = tf.matmul(tf.stack(steps, axis=1), model.softmax_w) + model.softmax_b
        nats = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits)
        return tf.reduce_sum(tf.reduce_mean(nats, axis=0)), tuple(next_state)

    return window


def _differentiate(window, model, windows, first: int, count: int) -> None:
    """The gradient of each of `count` windows, back to where the first of them began."""
    import tensorflow as tf  # noqa: PLC0415

    weights = [weight.value for weight in model.trainable_weights]
    state = model.initial_state(windows.batch_size)
    with tf.GradientTape(persistent=True) as tape:
        for k in range(first, first + count):
            cost, state = window(*windows[k % len(windows)], state)
            with tape.stop_recording():
                gradients = tape.gradient(cost, weights)
                tf.nest.map_structure(lambda gradient: gradient.shape, gradients)


def verdict(rows: list[Row]) -> str:
    times = estimates(rows, "ms_per_window", "kept_windows")
    kept = max(times)
    megabytes = values_by(rows, "extra_mb", "kept_windows")
    more = estimate(most - one for most, one in zip(megabytes[kept], megabytes[1], strict=True))
    per_window = more.map(lambda each: each / (kept - 1))
    milliseconds = values_by(rows, "ms_per_window", "kept_windows")
    slower = ratio(milliseconds[kept], milliseconds[1])
    memory_growth = _growth(megabytes, within(more, SAME_MB))
    # A factor is the same within SLOWER as its logarithm is within that of SLOWER.
    time_growth = _growth(milliseconds, within(slower.map(math.log), math.log(SLOWER)))
    size, num_steps = rows[0]["num_layers"], rows[0]["num_steps"]
    return "\n\n".join(
        [
            f"**{MEMORY[memory_growth]}**: {kept} windows take {more:.0f} MB more than one, about "
            f"{per_window:.1f} MB a window. A difference of up to {SAME_MB:.0f} MB counts as about "
            "the same.",
            f"**{TIME[time_growth]}**: {times[1]:.1f} ms if the graph is cut after every window. "
            f"If it is cut after {kept} windows, it holds 1 to {kept} of them, {(1 + kept) / 2:g} "
            f"on average, and a window takes {times[kept]:.1f} ms on average. That is {slower:.1f} "
            "times as long. Over the last settings, the time grows as the windows held to the "
            f"power {_power(milliseconds):.2f} (1 is linear). A time of up to {SLOWER:g} times as "
            "long counts as about the same.",
            "If the graph is never cut, both grow until memory runs out."
            if memory_growth == time_growth == GROWS
            else "Memory and time did not both clearly grow in this measurement.",
            f"Measured with {size} x 200 LSTM, batch_size 20, num_steps {num_steps}.",
        ]
    )


def _growth(values: dict[int, list[float]], same: bool | None) -> str:
    """A key of MEMORY and TIME: how a figure grows with the windows that are kept.

    `values` has it for each seed, whose process kept more and more windows: compared are the values
    of the same seed. `same` says whether those of the most and of one window are the same, in
    effect; None for not clear.
    """
    if same:
        return SAME
    most = max(values)
    if same is None or fmean(values[most]) < fmean(values[1]):
        return NOT_CLEAR
    steps = [
        estimate(after - before for before, after in zip(values[fewer], values[more], strict=True))
        for fewer, more in itertools.pairwise(sorted(values))
    ]
    return GROWS if all(step.low > 0 for step in steps) else GROWS_IN_ALL


def _power(times: dict[int, list[float]]) -> Spread:
    """The exponent of time against windows held, between the largest and two settings before.

    A graph that is cut after k windows holds (1 + k) / 2 of them on average.
    """
    counts = sorted(times)[-3:]
    span = math.log((1 + counts[-1]) / (1 + counts[0]))
    return ratio(times[counts[-1]], times[counts[0]]).map(lambda each: math.log(each) / span)


def draw(rows: list[Row]):
    from ptb.experiments.studies.figure import line, panels  # noqa: PLC0415

    figure, (memory, times) = panels(2, height=3.6)
    line(memory, rows, "kept_windows", "extra_mb", 0, "")
    line(times, rows, "kept_windows", "ms_per_window", 1, "")
    memory.set(title="Memory beyond one window", ylabel="memory, MB")
    times.set(title="Time for one window, on the average", ylabel="time, ms", ylim=(0, None))
    for axes in (memory, times):
        axes.set_xlabel("windows kept in the graph before it is cut")
        axes.set_xticks(sorted({row["kept_windows"] for row in rows if row["kept_windows"] != 2}))
    return figure


STUDY = Study(
    name="detach",
    question="What happens when the graph is not cut at window ends?",
    cases=cases,
    measure=measure,
    verdict=verdict,
    draw=draw,
    in_children=True,
    seeds=5,
)
