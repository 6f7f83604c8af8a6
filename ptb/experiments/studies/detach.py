"""What happens when the graph is not cut at window ends?

    ptb study detach [--quick] [--out=DIR] [--data_path=DIR]

Whoever carries the state and forgets to stop its gradient (`detach` in PyTorch, `stop_gradient`
here) keeps the graph of all windows so far, and walks back through all of them at each window.
Here the graph is kept for 1, 2, 4, ... windows before it is cut: the loss of each window is
differentiated through that window and all the kept ones before it, for the weights, which are
left as they are. Each setting has a process of its own, since memory is what the process held at
most, beyond what it held after one single window.
"""

from __future__ import annotations

import itertools
import math
import time

import numpy as np

from ptb.experiments.studies.measurements import Row, Spread, spread
from ptb.experiments.studies.study import Options, Study, start_quietly
from ptb.machine.child import call
from ptb.machine.environment import peak_bytes

WINDOWS = 16  # that are timed, at least


def cases(options: Options) -> list[Row]:
    kept = (1, 8) if options.quick else (1, 2, 4, 8, 16)
    return [
        {"kept_windows": count, "seed": seed}
        for count, seed in itertools.product(kept, options.seeds)
    ]


def measure(case: Row, corpus, options: Options) -> list[Row]:
    splits = (corpus.train, len(corpus.vocabulary))
    return [call(_measure_here, case["kept_windows"], case["seed"], *splits)]


def _measure_here(kept_windows: int, seed: int, ids, vocab_size: int) -> Row:
    """Milliseconds a window, and peak memory beyond that of one window, in MB."""
    from ptb.data import reader  # noqa: PLC0415
    from ptb.training.config import Config  # noqa: PLC0415
    from ptb.training.model import build_model  # noqa: PLC0415

    start_quietly()
    ids = np.asarray(ids, np.int32)
    config = Config(rnn_mode="static", seed=seed)
    model = build_model(config, vocab_size)
    model.initialize(config.init_scale, config.seed)
    windows = reader.sequential(ids, config.batch_size, config.num_steps)
    window = _window_function(model)
    _differentiate(window, model, windows, 0, 1)  # traces forward and backward
    before, groups = peak_bytes(), math.ceil(WINDOWS / kept_windows)
    began = time.perf_counter()
    for group in range(groups):
        _differentiate(window, model, windows, group * kept_windows, kept_windows)
    seconds = time.perf_counter() - began
    return {
        "ms_per_window": 1000 * seconds / (groups * kept_windows),
        "extra_mb": (peak_bytes() - before) / 1e6,
    }


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
    memory = spread(rows, "extra_mb", "kept_windows")
    times = spread(rows, "ms_per_window", "kept_windows")
    kept = max(times)
    per_window = (memory[kept].mean - memory[1].mean) / (kept - 1)
    slower = times[kept].mean / times[1].mean
    power = _growth(times)
    memory_grows = per_window * (kept - 1) > max(10.0, memory[1].high - memory[1].low)
    time_grows = slower > 1.5
    return "\n\n".join(
        [
            f"**Memory {'grows with every window that is kept' if memory_grows else 'stays'}**: "
            f"{memory[kept]:.0f} MB beyond a single window with {kept} windows kept, about "
            f"{per_window:.1f} MB a window.",
            f"**A window takes {'ever longer' if time_grows else 'hardly longer'}**: "
            f"{times[1]:.1f} ms when the graph is cut at each window, {times[kept]:.1f} ms on the "
            f"average of {kept} kept ones, {slower:.1f} times as long; over the last settings as "
            f"the number kept to the power {power:.2f} (1 is linear).",
            "Never cut, "
            + (
                "both go on growing until memory ends."
                if memory_grows and time_grows
                else "not both grew in this measurement."
            ),
            "Measured on the model `small`: 2 x 200 LSTM, batch_size 20, num_steps 20.",
        ]
    )


def _growth(times: dict[int, Spread]) -> float:
    """The exponent of time against windows kept, between the largest and two settings before."""
    counts = sorted(times)[-3:]
    ratio = times[counts[-1]].mean / times[counts[0]].mean
    return math.log(ratio) / math.log(counts[-1] / counts[0])


def draw(rows: list[Row]):
    from ptb.experiments.studies.figure import line, panels  # noqa: PLC0415

    figure, (memory, times) = panels(2, height=3.6)
    line(memory, rows, "kept_windows", "extra_mb", 0, "", of=spread)
    line(times, rows, "kept_windows", "ms_per_window", 1, "", of=spread)
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
    brackets="the range",
)
