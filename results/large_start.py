"""Why `large` learns nothing with some seeds: the first windows of its recipe, looked at closely.

    python3 -m results.large_start FOLDER --data_path=DIR

Trains the first `--windows` windows of `large` with several seeds, and with half its clip and half
its learning rate; with PyTorch too, where that is installed. Every 25 windows it notes their
perplexity, and how much the outputs that the softmax sees vary from word to word: a model whose
outputs are all alike can only learn how frequent each word is. Leaves `measurements.csv` and
`figure.png` in FOLDER.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from absl import flags
from matplotlib.figure import Figure

from command_line.devices import start_tensorflow
from command_line.program import FLAGS, note, run_tool, user_errors
from command_line.text_source import TextSource, define_data_flags, define_text_flags
from ptb import reader
from studies.figure import COLOURS, DASHES, MARKERS, panels, png
from studies.measurements import Row, to_csv
from training.atomic_file import write_atomically, write_text_atomically
from training.config import Config, preset
from training.curve import log_axis

EVERY = 25
# The words over which outputs are compared, and those before them, while the state settles.
WORDS, SETTLING = 150, 20
CASES = [
    *({"seed": seed} for seed in range(1, 7)),
    {"seed": 1, "max_grad_norm": 5.0},
    {"seed": 1, "learning_rate": 0.5},
]


def measure(config: Config, corpus, num_windows: int) -> Iterator[Row]:
    """A row for every EVERY windows of the start of a run.

    `perplexity` is that of these windows, `worst_perplexity` that of the worst of them, both while
    learning; `variation` is the standard deviation of a top output over the words of valid's first
    lines, averaged over the units.
    """
    import tensorflow as tf  # noqa: PLC0415

    from training.model import build_model  # noqa: PLC0415
    from training.step import TrainStep  # noqa: PLC0415

    model = build_model(config.resolve_rnn_mode(on_gpu=False), len(corpus.vocabulary))
    model.initialize(config.init_scale, config.seed)
    step = TrainStep(model, config.num_steps, config.max_grad_norm)
    windows = reader.sequential(corpus.train, config.batch_size, config.num_steps)
    stream, starts = tf.constant(windows.stream), tf.constant(windows.starts)
    state, seed = model.initial_state(config.batch_size), (config.seed, 0)
    for first in range(0, num_windows, EVERY):
        count = min(EVERY, num_windows - first)
        costs, _, state = step(stream, starts, state, config.learning_rate, first, count, seed)
        row = _perplexities(costs.numpy(), config.num_steps)
        yield {"window": first + count} | row | {"variation": variation(model, corpus.valid)}


def variation(model, ids: np.ndarray) -> float:
    """How much what the softmax sees varies from word to word of `ids` `[N]`: a mean over units."""
    import tensorflow as tf  # noqa: PLC0415

    outputs, _ = model.outputs(tf.constant(ids[None, :WORDS]), model.initial_state(1))
    return float(np.stack(outputs)[SETTLING:, 0].std(axis=0).mean())


def measure_torch(config: Config, corpus) -> Row:
    """The first EVERY windows by PyTorch, from the same weights, with dropout masks of its own."""
    import torch  # noqa: PLC0415

    from benchmarks.sides import Torch  # noqa: PLC0415
    from benchmarks.workload import Workload  # noqa: PLC0415

    torch.manual_seed(config.seed)
    side = Torch(Workload.create(config, len(corpus.vocabulary), corpus.train))
    return {"window": EVERY} | _perplexities(side.train(0, EVERY), config.num_steps)


def _perplexities(costs, num_steps: int) -> Row:
    nats = np.asarray(costs, np.float64) / num_steps
    return {"perplexity": math.exp(nats.mean()), "worst_perplexity": math.exp(nats.max())}


def draw(rows: list[Row]) -> Figure:
    """Perplexity, and variation of the outputs, against the window."""
    figure, (perplexities, variations) = panels(2)
    cases = list(dict.fromkeys(row["case"] for row in rows if row["variation"] != ""))
    for i, case in enumerate(cases):
        own = [row for row in rows if row["case"] == case]
        style = {"color": COLOURS[i % len(COLOURS)], "marker": MARKERS[i % len(MARKERS)]}
        style |= {"linestyle": DASHES[i % len(DASHES)], "label": case}
        for axes, column in ((perplexities, "perplexity"), (variations, "variation")):
            axes.plot([row["window"] for row in own], [row[column] for row in own], **style)
    perplexities.set(title="Perplexity of the last 25 windows", ylabel="perplexity (log scale)")
    variations.set(title="What the softmax sees", xlabel="window")
    variations.set_ylabel("variation from word to word (log scale)")
    for axes in (perplexities, variations):
        log_axis(axes, "y")
    perplexities.legend(fontsize=9, ncols=2)
    return figure


def main(arguments: list[str]) -> None:
    with user_errors():
        if len(arguments) != 1:
            raise ValueError("name the folder for the figures, and beside it where the text is")
        corpus = TextSource.from_flags().load(("train", "valid"))
        _check_length(corpus)
        folder = Path(arguments[0])
        folder.mkdir(parents=True, exist_ok=True)
    start_tensorflow()
    rows = []
    for changes in CASES:
        case = ", ".join(f"{name} {value:g}" for name, value in changes.items())
        for row in measure(dataclasses.replace(preset("large"), **changes), corpus, FLAGS.windows):
            rows.append({"case": case} | row)
            print(rows[-1], flush=True)
    try:
        config = preset("large")
        rows.append({"case": "PyTorch, seed 1"} | measure_torch(config, corpus) | {"variation": ""})
        print(rows[-1])
    except ImportError:
        note("PyTorch is not installed, and not measured")
    write_text_atomically(folder / "measurements.csv", to_csv(rows))
    write_atomically(folder / "figure.png", lambda file: file.write(png(draw, rows)))


def _check_length(corpus) -> None:
    """Raises ValueError for a text that is too short for the windows."""
    config = preset("large")
    found = len(reader.sequential(corpus.train, config.batch_size, config.num_steps))
    if found < FLAGS.windows:
        raise ValueError(
            f"the train split has {found} windows and --windows={FLAGS.windows}: give a longer "
            "text, or fewer"
        )


if __name__ == "__main__":
    define_data_flags(save_path=False)
    define_text_flags()
    flags.DEFINE_integer("windows", 100, "windows to train", 1, 1000)
    run_tool(main)
