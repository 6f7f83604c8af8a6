"""Shows why `large` learns nothing with some seeds, by measuring its first windows.

    ptb large_start FOLDER --data_path=DIR

Trains the first `--windows` windows of `large` with several seeds. Seed 1 also trains with half the
clip, with half the learning rate, and in PyTorch if it is installed. If --tf1_python names
TensorFlow 1.15, the original trains with three seeds too. After each of the first five windows,
and then after every 25, the perplexity and the variation of the LSTM's outputs are recorded. If
the outputs are the same for all words, the model can learn only word frequencies.
Writes `measurements.csv` and `figure.png` to FOLDER.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
from absl import flags
from matplotlib.figure import Figure

from ptb.command_line.devices import start_tensorflow
from ptb.command_line.help import flag_group
from ptb.command_line.paths import define_path
from ptb.command_line.program import FLAGS, note, run_tool, user_errors
from ptb.command_line.text_source import TextSource, define_data_flags, define_text_flags
from ptb.data import reader
from ptb.experiments.original.oracle import PYTHON_VARIABLE, Oracle, settings_of
from ptb.experiments.studies.figure import MARKERS, panels, png
from ptb.experiments.studies.measurements import Row, to_csv
from ptb.experiments.studies.study_files import CSV
from ptb.machine.atomic_file import write_atomically, write_text_atomically
from ptb.machine.colours import SERIES
from ptb.machine.own_folder import refuse_foreign, refuse_other_content
from ptb.runs.curve import log_axis
from ptb.training.config import Config, preset

SINGLY, EVERY = 5, 25
ORIGINAL = "TensorFlow 1.15,"
EQUAL = 0.01  # of the variation at the start: outputs that vary less are equal for all words
# The words over which outputs are compared, and those before them, while the state settles.
WORDS, SETTLING = 150, 20
SEEDS, SEEDS_OF_ORIGINAL = range(1, 7), range(1, 4)
CASES: list[Row] = [
    *({"seed": seed} for seed in SEEDS),
    {"seed": 1, "max_grad_norm": 5.0},
    {"seed": 1, "learning_rate": 0.5},
]


def measure(config: Config, corpus, num_windows: int) -> Iterator[Row]:
    """Measures each of the first SINGLY windows of a run, then every EVERY-th window.

    `nats` a word are those of the windows since the row before, `worst_nats` those of the worst of
    them, both while learning; then what `outputs` says.
    """
    from ptb.training.loop import Training  # noqa: PLC0415
    from ptb.training.model import build_model  # noqa: PLC0415

    model = build_model(config.resolve_rnn_mode(on_gpu=False), len(corpus.vocabulary))
    training = Training(model, corpus.train, corpus.valid, config, windows_per_call=EVERY)
    training.initialize()
    ends = _ends(num_windows)
    calls = training.advance(
        max_windows=lambda progress: min(e for e in ends if e > progress.window) - progress.window
    )
    for end, costs in zip(ends, calls, strict=False):
        yield _row(end, costs, config) | outputs(model, corpus.valid)


def measure_original(oracle: Oracle, config: Config, corpus, num_windows: int) -> Iterator[Row]:
    """As `measure`, in TensorFlow 1.15, from its own first weights and with its own dropout."""
    from ptb.experiments.original.parity import weights_of  # noqa: PLC0415
    from ptb.training.model import build_model  # noqa: PLC0415

    vocab_size = len(corpus.vocabulary)
    model = build_model(config.resolve_rnn_mode(on_gpu=False), vocab_size)
    oracle.open(settings_of(config, vocab_size), {"train": corpus.train})
    for before, end in pairwise([0, *_ends(num_windows)]):
        costs = oracle.train(end - before, config.learning_rate)["costs"]
        model.import_weights(weights_of(oracle))
        yield _row(end, costs, config) | outputs(model, corpus.valid)


def _ends(num_windows: int) -> list[int]:
    """The windows after which a run is measured."""
    singly = min(SINGLY, num_windows)
    return [*range(1, singly + 1), *range(EVERY, num_windows + 1, EVERY)]


def outputs(model, ids: np.ndarray) -> Row:
    """Statistics of the softmax's inputs after the words `ids` `[N]`.

    `variation` is the standard deviation of an output over the words, averaged over the units.
    `common_score` is what the most favoured word gets from the mean of the outputs over the words:
    as its bias, it does not depend on what was read.
    """
    import tensorflow as tf  # noqa: PLC0415

    steps, _ = model.outputs(tf.constant(ids[None, :WORDS]), model.initial_state(1))
    seen = np.stack(steps)[SETTLING:, 0]
    common = seen.mean(axis=0) @ model.softmax_w.numpy()
    return {"variation": float(seen.std(axis=0).mean()), "common_score": float(common.max())}


def measure_torch(config: Config, corpus) -> Row:
    """The first SINGLY windows in PyTorch, from the same weights, with other dropout masks."""
    import torch  # noqa: PLC0415

    from ptb.experiments.benchmarks.sides import Torch  # noqa: PLC0415
    from ptb.experiments.benchmarks.workload import Workload  # noqa: PLC0415

    torch.manual_seed(config.seed)
    side = Torch(Workload.create(config, len(corpus.vocabulary), corpus.train))
    return _row(SINGLY, side.train(0, SINGLY), config)


def _row(window: int, costs, config: Config) -> Row:
    nats = np.asarray(costs, np.float64) / config.num_steps
    return {"window": window, "nats": float(nats.mean()), "worst_nats": float(nats.max())}


def draw(rows: list[Row]) -> Figure:
    """Draws each column against the window. A seed whose outputs become equal stands out.

    Lines of the original are dashed.
    """
    rows = [row for row in rows if row["variation"] != ""]
    figure, all_axes = panels(3)
    columns = {
        "nats": ("Training loss", "nats per word"),
        "common_score": ("Largest logit from the mean output", "logit"),
        "variation": (
            "Variation of the outputs from word to word",
            "standard deviation (log scale)",
        ),
    }
    cases = list(dict.fromkeys(row["case"] for row in rows))
    others = {False: "other seeds", True: "seeds in TensorFlow 1.15"}
    changed = [case for case in cases if case.startswith("seed ") and "," in case]
    for case in cases:
        original = case.startswith(ORIGINAL)
        own = [row for row in rows if row["case"] == case]
        if case in changed:
            index = 1 + changed.index(case)
            style = {"color": SERIES[index], "marker": MARKERS[index], "label": case}
        elif own[-1]["variation"] < EQUAL * own[0]["variation"]:
            label = f"{case}: outputs become equal"
            style = {"color": SERIES[0], "marker": "o", "zorder": 3, "label": label}
        else:
            style = {"color": SERIES[-1], "marker": ".", "label": others.pop(original, None)}
        style["linestyle"] = "--" if original else "-"
        for axes, column in zip(all_axes, columns, strict=True):
            axes.plot([row["window"] for row in own], [row[column] for row in own], **style)
    for axes, (title, unit) in zip(all_axes, columns.values(), strict=True):
        log_axis(axes, "x", sorted({row["window"] for row in rows} - {4}))
        axes.set(title=title, xlabel="window (log scale)", ylabel=unit)
    log_axis(all_axes[-1], "y", [10.0**-n for n in range(8)])
    all_axes[0].legend(fontsize=9.5)
    return figure


def main(arguments: list[str]) -> None:
    with user_errors():
        if len(arguments) != 1:
            raise ValueError("name the folder for the figures, and beside it where the text is")
        corpus = TextSource.from_flags().load(("train", "valid"))
        _check_length(corpus)
        folder = Path(arguments[0])
        _check_own(folder)
        oracle = _oracle()
        folder.mkdir(parents=True, exist_ok=True)
    start_tensorflow()
    rows = []
    with oracle or contextlib.nullcontext():
        for row in _rows(corpus, oracle):
            rows.append(row)
            print(row, flush=True)
            write_text_atomically(folder / CSV, to_csv(rows))
    write_atomically(folder / "figure.png", lambda file: file.write(png(draw, rows)))


def _oracle() -> Oracle | None:
    """TensorFlow 1.15, if it is named. Raises ValueError if it is not found there."""
    if FLAGS.tf1_python or os.environ.get(PYTHON_VARIABLE):
        return Oracle(FLAGS.tf1_python, flag="tf1_python")
    note("no --tf1_python is given: TensorFlow 1.15 is not measured")
    return None


def _rows(corpus, oracle: Oracle | None) -> Iterator[Row]:
    """The measurements of all cases, of this project and of what else there is."""
    config, num_windows = preset("large"), FLAGS.windows
    for changes in CASES:
        case = {"case": ", ".join(f"{name} {value:g}" for name, value in changes.items())}
        for row in measure(dataclasses.replace(config, **changes), corpus, num_windows):
            yield case | row
    try:
        yield {"case": "PyTorch, seed 1"} | measure_torch(config, corpus) | {"variation": ""}
    except ImportError:
        note("PyTorch is not installed, and not measured")
    if oracle is not None:
        for seed in SEEDS_OF_ORIGINAL:
            case = {"case": f"{ORIGINAL} seed {seed}"}
            seeded = dataclasses.replace(config, seed=seed)
            for row in measure_original(oracle, seeded, corpus, num_windows):
                yield case | row


def _check_own(folder: Path) -> None:
    """Raises ValueError if the folder has files but no measurements of this program."""
    if os.path.lexists(folder / CSV):
        refuse_other_content(folder / CSV, str(folder / CSV), b"case,window,nats,worst_nats,")
    else:
        refuse_foreign(folder, str(folder))


def _check_length(corpus) -> None:
    """Raises ValueError if the text is too short for the windows."""
    config = preset("large")
    found = len(reader.sequential(corpus.train, config.batch_size, config.num_steps))
    if found < FLAGS.windows:
        raise ValueError(
            f"the train split has {found} windows and --windows={FLAGS.windows}: give a longer "
            "text, or fewer"
        )


def start() -> None:
    """Defines the flags and runs the command."""
    define_data_flags()
    define_text_flags()
    with flag_group("training"):
        flags.DEFINE_integer("windows", 100, "Number of windows to train.", 1, 1000)
        define_path(
            "tf1_python",
            None,
            "A Python that has TensorFlow 1.15 (see ptb original --help). Default: "
            f"${PYTHON_VARIABLE}.",
        )
    run_tool(main)
