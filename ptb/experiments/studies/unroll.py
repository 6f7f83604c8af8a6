"""Static unroll, loop, or fused: what does each cost?

    ptb study unroll [--quick] [--out=DIR] [--data_path=DIR]

    static   the cell's operations once for each step in the graph, differentiated by TensorFlow
    fused    unrolled too, with all input products in one and a gradient of its own
    loop     keras.layers.LSTM, not unrolled: one `tf.while_loop`, whatever num_steps

All three compute the same numbers from the same weights. Each has a process of its own, and there
goes from the shortest window to the longest; memory is what the process held at most, beyond what
it held before.
"""

from __future__ import annotations

import dataclasses
import itertools
import time

import numpy as np

from ptb.experiments.studies.measurements import Row, doubt, spread, where
from ptb.experiments.studies.study import Options, Study, start_quietly
from ptb.machine.child import call
from ptb.machine.environment import peak_bytes

MODES = {"static": "static", "fused": "fused", "loop": "keras"}
LENGTHS = (5, 10, 20, 40, 80, 160)
SECONDS = 0.7  # training that is timed for each setting
WINDOWS_PER_CALL = 5


def cases(options: Options) -> list[Row]:
    longest = 20 if options.quick else 160
    return [
        {"unroll": mode, "longest": longest, "seed": seed}
        for mode, seed in itertools.product(MODES, options.seeds)
    ]


def measure(case: Row, corpus, options: Options) -> list[Row]:
    lengths = [num_steps for num_steps in LENGTHS if num_steps <= case["longest"]]
    mode, seed = MODES[case["unroll"]], case["seed"]
    return call(_measure_here, mode, lengths, seed, corpus.train, len(corpus.vocabulary))


def _measure_here(mode: str, lengths, seed: int, ids, vocab_size: int) -> list[Row]:
    """A row for each of the `lengths`, from the shortest to the longest."""
    from ptb.training.config import Config  # noqa: PLC0415
    from ptb.training.model import build_model  # noqa: PLC0415

    start_quietly()
    ids = np.asarray(ids, np.int32)
    config = Config(rnn_mode=mode, num_layers=1, seed=seed)
    model = build_model(config, vocab_size)
    model.initialize(config.init_scale, config.seed)
    _measure_length(model, config, 2, ids)  # the first trace pays for the whole process
    before = peak_bytes()
    rows = []
    for num_steps in lengths:
        row = _measure_length(model, config, num_steps, ids)
        rows.append(row | {"peak_mb": (peak_bytes() - before) / 1e6})
    return rows


def _measure_length(model, config, num_steps: int, ids) -> Row:
    """Operations of a training step's graph, seconds to trace it and to run it first, and speed."""
    import tensorflow as tf  # noqa: PLC0415

    from ptb.data import reader  # noqa: PLC0415
    from ptb.training.step import train_step  # noqa: PLC0415

    batch_size = config.batch_size
    text = reader.sequential(ids, batch_size, num_steps).take(WINDOWS_PER_CALL)
    stream, starts = tf.constant(text.stream), tf.constant(text.starts)
    state = model.initial_state(batch_size)
    step = train_step(model, dataclasses.replace(config, num_steps=num_steps))
    train = tf.function(lambda state: step(stream, starts, state, 0.1, 0, WINDOWS_PER_CALL)[0])
    began = time.perf_counter()
    graph = train.get_concrete_function(state).graph
    traced = time.perf_counter()
    train(state).numpy()
    ran = time.perf_counter()
    windows = 0
    while time.perf_counter() - ran < SECONDS:
        train(state).numpy()
        windows += WINDOWS_PER_CALL
    seconds = time.perf_counter() - ran
    operations = list(all_operations(graph))
    return {
        "num_steps": num_steps,
        "operations": len(operations),
        "while_loops": sum(name in ("While", "StatelessWhile") for name in operations),
        "trace_seconds": traced - began,
        "first_call_seconds": ran - traced,
        "words_per_second": windows * batch_size * num_steps / seconds,
    }


def all_operations(graph):
    """The types of all operations of a graph and of the functions that it calls, each once."""
    definition = graph.as_graph_def(add_shapes=False)
    nodes = [definition.node, *(function.node_def for function in definition.library.function)]
    return (node.op for node in itertools.chain.from_iterable(nodes))


def verdict(rows: list[Row]) -> str:
    short, long = (end(row["num_steps"] for row in rows) for end in (min, max))
    table = [
        f"| at num_steps {long} | " + " | ".join(MODES) + " |",
        "|---|" + "---|" * len(MODES),
    ]
    for column, label, spec in (
        ("operations", "operations in the graph", ",.0f"),
        ("trace_seconds", "seconds to trace it", ".2f"),
        ("first_call_seconds", "seconds of the first call", ".2f"),
        ("words_per_second", "words/s", ",.0f"),
        ("peak_mb", "peak memory, MB", ",.0f"),
    ):
        figures = spread(where(rows, num_steps=long), column, "unroll")
        table.append(f"| {label} | " + " | ".join(f"{figures[m]:{spec}}" for m in MODES) + " |")
    model = "Measured on one layer of 200 LSTM units, batch_size 20."
    return "\n\n".join(
        [_graph(rows, short, long), _speed(rows, short, long), "\n".join(table), model]
    )


def _graph(rows: list[Row], short: int, long: int) -> str:
    growth = {mode: _ratio(rows, mode, "operations", short, long) for mode in MODES}
    unrolled = [mode for mode, factor in growth.items() if factor > 2]
    constant = [mode for mode, factor in growth.items() if factor <= 2]
    parts = []
    if unrolled:
        parts.append(f"grows with num_steps for {' and '.join(unrolled)}")
    if constant:
        parts.append(f"stays about the same for {' and '.join(constant)}")
    factors = ", ".join(f"{mode} {factor:.1f}" for mode, factor in growth.items())
    return (
        f"**The graph {' and '.join(parts)}**: from num_steps {short} to {long}, "
        f"{long / short:.0f} times as many, the number of its operations grows by these factors: "
        f"{factors}."
    )


def _ratio(rows: list[Row], mode: str, column: str, short: int, long: int) -> float:
    figures = spread(where(rows, unroll=mode), column, "num_steps")
    return figures[long].mean / figures[short].mean


def _speed(rows: list[Row], short: int, long: int) -> str:
    lines = []
    for num_steps in (short, long):
        speed = spread(where(rows, num_steps=num_steps), "words_per_second", "unroll")
        fastest = max(speed, key=lambda mode: speed[mode].mean)
        others = " and ".join(
            f"{speed[fastest].mean / speed[mode].mean:.2f} times {mode}"
            for mode in speed
            if mode != fastest
        )
        lines.append(
            f"**At num_steps {num_steps} the fastest is {fastest}**{doubt(speed, fastest)}, "
            f"{others}."
        )
    trace = spread(where(rows, num_steps=long), "trace_seconds", "unroll")
    speed = spread(where(rows, num_steps=long), "words_per_second", "unroll")
    if trace["fused"].mean > trace["loop"].mean and speed["fused"].mean > speed["loop"].mean:
        rate = 1 / speed["loop"].mean - 1 / speed["fused"].mean
        words = (trace["fused"].mean - trace["loop"].mean) / rate
        lines.append(
            f"The longer trace of fused against loop at num_steps {long} is paid back after "
            f"{words:,.0f} words of training."
        )
    return " ".join(lines)


def draw(rows: list[Row]):
    from ptb.experiments.studies.figure import line, panels  # noqa: PLC0415
    from ptb.runs.curve import log_axis  # noqa: PLC0415

    lengths = sorted({row["num_steps"] for row in rows})
    kinds = (
        ("operations", "Operations in the graph of a training step", "operations (log scale)"),
        ("trace_seconds", "Time to trace it", "seconds (log scale)"),
        ("words_per_second", "Speed of training", "words a second"),
        ("peak_mb", "Peak memory of training", "memory, MB"),
    )
    figure, all_axes = panels(len(kinds), height=3.3)
    for axes, (column, title, unit) in zip(all_axes, kinds, strict=True):
        for index, mode in enumerate(MODES):
            line(axes, where(rows, unroll=mode), "num_steps", column, index, mode, of=spread)
        log_axis(axes, "x", lengths)
        if "log" in unit:
            log_axis(axes, "y")
        else:
            axes.set_ylim(0, None)
            axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.set(title=title, xlabel="num_steps (log scale)", ylabel=unit)
    all_axes[0].legend()
    return figure


STUDY = Study(
    name="unroll",
    question="Static unroll, loop, or fused: what does each cost?",
    cases=cases,
    measure=measure,
    verdict=verdict,
    draw=draw,
    in_children=True,
    seeds=5,
    brackets="the range",
)
