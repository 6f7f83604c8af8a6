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
from statistics import geometric_mean

import numpy as np

from ptb.command_line.devices import start_tensorflow
from ptb.experiments.studies.findings import OF_SEVERAL
from ptb.experiments.studies.measurements import Row, and_, estimates, ratio, values_by, where
from ptb.experiments.studies.study import Options, Study
from ptb.machine.child import call
from ptb.machine.environment import peak_bytes

MODES = {"static": "static", "fused": "fused", "loop": "keras"}
LENGTHS = (5, 10, 20, 40, 80, 160)
SECONDS, QUICK_SECONDS = 0.7, 0.3  # of training that is timed for each setting
WINDOWS_PER_CALL = 5
ABOUT_THE_SAME = 2  # operations grow by no more than this where the graph is not unrolled


def cases(options: Options) -> list[Row]:
    longest = 20 if options.quick else 160
    # Seed by seed, so that a machine that gets slower does so for all three.
    return [
        {"unroll": mode, "longest": longest, "seed": seed}
        for seed, mode in itertools.product(options.seeds, MODES)
    ]


def measure(case: Row, corpus, options: Options) -> list[Row]:
    lengths = [num_steps for num_steps in LENGTHS if num_steps <= case["longest"]]
    if options.quick:
        lengths = lengths[::2]
    mode, seconds = MODES[case["unroll"]], QUICK_SECONDS if options.quick else SECONDS
    text = (corpus.train, len(corpus.vocabulary))
    return call(_measure_here, mode, lengths, seconds, case["seed"], *text)


def _measure_here(mode: str, lengths, seconds: float, seed: int, ids, vocab_size: int) -> list[Row]:
    """Measures each of the `lengths`, from the shortest to the longest: a row each."""
    from ptb.training.config import Config  # noqa: PLC0415
    from ptb.training.model import build_model  # noqa: PLC0415

    start_tensorflow()
    ids = np.asarray(ids, np.int32)
    config = Config(rnn_mode=mode, num_layers=1, seed=seed)
    model = build_model(config, vocab_size)
    model.initialize(config.init_scale, config.seed)
    _measure_length(model, config, 2, ids, 0)  # the first trace pays for the whole process
    before = peak_bytes()
    rows = []
    for num_steps in lengths:
        row = _measure_length(model, config, num_steps, ids, seconds)
        rows.append(row | {"peak_mb": (peak_bytes() - before) / 1e6})
    return rows


def _measure_length(model, config, num_steps: int, ids, seconds: float) -> Row:
    """Measures a training step: operations, seconds to trace, first call, and speed.

    The speed is that of training for so many `seconds`, and of one call at least.
    """
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
    while not windows or time.perf_counter() - ran < seconds:
        train(state).numpy()
        windows += WINDOWS_PER_CALL
    trained = time.perf_counter() - ran
    operations = list(all_operations(graph))
    return {
        "num_steps": num_steps,
        "operations": len(operations),
        "while_loops": sum(name in ("While", "StatelessWhile") for name in operations),
        "trace_seconds": traced - began,
        "first_call_seconds": ran - traced,
        "words_per_second": windows * batch_size * num_steps / trained,
    }


def all_operations(graph):
    """The operations of a graph and of the functions that it calls, each function once."""
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
        figures = estimates(where(rows, num_steps=long), column, "unroll")
        table.append(f"| {label} | " + " | ".join(f"{figures[m]:{spec}}" for m in MODES) + " |")
    model = "Measured on one layer of 200 LSTM units, batch_size 20."
    speed = " ".join(_fastest(rows, num_steps) for num_steps in (short, long))
    parts = (_graph(rows, short, long), f"{speed}{_paid_back(rows, long)}", "\n".join(table), model)
    return "\n\n".join(parts)


def _graph(rows: list[Row], short: int, long: int) -> str:
    growth = {}
    for mode in MODES:
        operations = values_by(where(rows, unroll=mode), "operations", "num_steps")
        growth[mode] = ratio(operations[long], operations[short])
    unrolled = [mode for mode, factor in growth.items() if factor.low > ABOUT_THE_SAME]
    constant = [mode for mode in MODES if mode not in unrolled]
    parts = []
    if unrolled:
        parts.append(f"grows with num_steps for {and_(unrolled)}")
    if constant:
        parts.append(f"stays about the same for {and_(constant)}")
    factors = ", ".join(f"{mode} {factor:.1f}" for mode, factor in growth.items())
    return (
        f"**The graph {' and '.join(parts)}**. From num_steps {short} to {long} is a factor of "
        f"{long / short:.0f}. The number of operations grows by these factors: {factors}. A factor "
        f"of up to {ABOUT_THE_SAME} counts as about the same."
    )


def _fastest(rows: list[Row], num_steps: int) -> str:
    """The finding on the fastest mode, and on the modes that may be as fast.

    Compared are the modes seed by seed, which were measured one right after the other.
    """
    speed = values_by(where(rows, num_steps=num_steps), "words_per_second", "unroll")
    fastest = max(MODES, key=lambda mode: geometric_mean(speed[mode]))
    factors = {mode: ratio(speed[fastest], speed[mode]) for mode in MODES if mode != fastest}
    near = [mode for mode, factor in factors.items() if factor.low <= 1]
    head = f"{fastest} is fastest"
    if near:
        head = f"{and_([fastest, *near])} are fastest{OF_SEVERAL}"
    others = " and ".join(f"{factor:.2f} times {mode}" for mode, factor in factors.items())
    return f"**At num_steps {num_steps}, {head}**: {fastest} is {others}."


def _paid_back(rows: list[Row], num_steps: int) -> str:
    """After how many words the speed of fused makes up for its longer tracing."""
    some = where(rows, num_steps=num_steps)
    speed, trace = (
        values_by(some, column, "unroll") for column in ("words_per_second", "trace_seconds")
    )
    faster = ratio(speed["fused"], speed["loop"])
    longer = ratio(trace["fused"], trace["loop"])
    if faster.low <= 1 or longer.low <= 1:
        return ""
    gained = 1 / geometric_mean(speed["loop"]) - 1 / geometric_mean(speed["fused"])
    words = (geometric_mean(trace["fused"]) - geometric_mean(trace["loop"])) / gained
    return (
        f" At num_steps {num_steps}, fused takes longer to trace than loop. Its speed makes up for "
        f"that after about {float(f'{words:.1e}'):,.0f} words of training."
    )


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
            line(axes, where(rows, unroll=mode), "num_steps", column, index, mode)
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
    quick_seeds=2,  # each starts TensorFlow three times
)
