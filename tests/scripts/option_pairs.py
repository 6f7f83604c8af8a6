"""The options of `train.py`, of `evaluate.py` too, and rows in which any two values meet.

`covering_array` has strength two: any two values of different options are together in at least one
row, unless `refused` says that `train.py` does not take them together.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter
from pathlib import Path

from models.registry import CELLS, cells_that_read, rnn_modes

Row = dict[str, str]  # a value for each option

# Fits every row: a few windows an epoch, which two replicas can share.
COMMON = (
    "--model=test",
    "--hidden_size=6",
    "--batch_size=4",
    "--num_steps=3",
    "--num_epochs=2",
    "--learning_rate=0.05",
)

# The values of each option as a flag; "" leaves it out.
OPTIONS = dict(
    rnn_mode=["--rnn_mode=auto", "--rnn_mode=fused", "--rnn_mode=static", "--rnn_mode=keras"],
    cell=[f"--cell={cell}" for cell in CELLS],
    precision=["", "--precision=mixed_float16", "--precision=mixed_bfloat16"],
    softmax=["--softmax=full", "--softmax=adaptive"],
    adaptive_cutoffs=["", "--adaptive_cutoffs=3", "--adaptive_cutoffs=2,5000"],
    softmax_bias=["--softmax_bias=uniform", "--softmax_bias=unigram"],
    optimizer=["--optimizer=sgd", "--optimizer=adamw"],
    weight_decay=["", "--weight_decay=0.1"],
    schedule=["--schedule=step", "--schedule=linear"],
    warmup=["", "--warmup=0.4"],
    constant_epochs=["", "--constant_epochs=0"],
    sampling=["--sampling=sequential", "--sampling=random"],
    reset_at=["", "--reset_at=line", "--reset_at=blank_line"],
    distribution=["--distribution=none", "--distribution=mirrored"],
    num_devices=["", "--num_devices=2"],
    tie_weights=["", "--tie_weights"],
    keep_prob=["", "--keep_prob=0.7"],
    weight_keep_prob=["", "--weight_keep_prob=0.7"],
    embedding_keep_prob=["", "--embedding_keep_prob=0.7"],
    activation_regularization=["", "--activation_regularization=2"],
    temporal_activation_regularization=["", "--temporal_activation_regularization=1"],
    ema_momentum=["", "--ema_momentum=0.8"],
    max_grad_norm=["--max_grad_norm=0.2", "--max_grad_norm=100"],
    forget_bias=["", "--forget_bias=1"],
    num_layers=["--num_layers=1", "--num_layers=2"],
    data_path=["--data_path=text", "--data_path=all.txt"],
    split=["", "--split=70,10,20"],
    tokens=["--tokens=word", "--tokens=char", "--tokens=wordpunct", "--tokens=subword"],
    lowercase=["", "--lowercase"],
    min_count=["", "--min_count=2"],
    vocab_size=["", "--vocab_size=5"],
    checkpoint_every=["", "--checkpoint_every=2w", "--checkpoint_every=0"],
    keep=["", "--keep=1"],
    on_divergence=["", "--on_divergence=rollback"],
    early_stopping=["", "--early_stopping=3"],
    sample_every=["", "--sample_every=2"],
    # Of evaluate.py.
    evaluation=["", "--dynamic_evaluation", "--neural_cache=9", "--batch_size=2"],
)


def _cells(allows) -> tuple[str, set[str]]:
    return "cell", {f"--cell={cell}" for cell in CELLS if allows(cell)}


# Subwords have no rare ones, and need a token for each byte.
NOT_SUBWORDS = set(OPTIONS["tokens"]) - {"--tokens=subword"}

# A flag, and the values of another option beside which alone it is read.
PREREQUISITES = {
    "--rnn_mode=fused": _cells(lambda cell: "fused" in rnn_modes(cell)),
    "--rnn_mode=keras": _cells(lambda cell: "keras" in rnn_modes(cell)),
    "--forget_bias=1": _cells(lambda cell: cell in cells_that_read("forget_bias")),
    "--weight_keep_prob=0.7": _cells(lambda cell: cell in cells_that_read("weight_keep_prob")),
    "--weight_decay=0.1": ("optimizer", {"--optimizer=adamw"}),
    "--warmup=0.4": ("schedule", {"--schedule=linear"}),
    "--constant_epochs=0": ("schedule", {"--schedule=step"}),
    "--adaptive_cutoffs=3": ("softmax", {"--softmax=adaptive"}),
    "--adaptive_cutoffs=2,5000": ("softmax", {"--softmax=adaptive"}),
    "--num_devices=2": ("distribution", {"--distribution=mirrored"}),
    "--split=70,10,20": ("data_path", {"--data_path=all.txt"}),
    **dict.fromkeys(("--min_count=2", "--vocab_size=5"), ("tokens", NOT_SUBWORDS)),
}


def refused(row: Row) -> bool:
    """Whether `train.py` refuses the values of `row`, which may leave options open."""
    allowed = {option: {value} for option, value in row.items()}
    for option, values in (
        PREREQUISITES[value] for value in row.values() if value in PREREQUISITES
    ):
        allowed[option] = allowed.get(option, values) & values
    return not all(allowed.values())


def pairs() -> list[Row]:
    """Each two values of different options."""
    return [
        {a: value_of_a, b: value_of_b}
        for a, b in itertools.combinations(OPTIONS, 2)
        for value_of_a, value_of_b in itertools.product(OPTIONS[a], OPTIONS[b])
    ]


def pairs_of(row: Row) -> set[frozenset]:
    """The pairs that the row covers."""
    return {frozenset(pair) for pair in itertools.combinations(row.items(), 2)}


def covering_array() -> list[Row]:
    """Rows that cover all pairs but the refused ones.

    Each row begins with a pair that no earlier row has. Every further option takes the value that
    covers the most new pairs, of equals the one that was used least. (`allpairspy` leaves pairs
    out where some are refused.)
    """
    rows, used = [], Counter()
    left = {frozenset(pair.items()): pair for pair in pairs() if not refused(pair)}
    while left:
        row = dict(next(iter(left.values())))
        for option in sorted(OPTIONS.keys() - row.keys(), key=_order):
            allowed = [value for value in OPTIONS[option] if not refused(row | {option: value})]

            def worth(value, option=option, row=row):
                new = sum(frozenset([(option, value), other]) in left for other in row.items())
                return new, -used[option, value]

            row[option] = max(allowed, key=worth)
        for pair in pairs_of(row):
            left.pop(pair, None)
        used.update(row.items())
        rows.append(row)
    return rows


def _order(option: str):
    """Options of many values first: fewer rows are needed so."""
    return -len(OPTIONS[option]), list(OPTIONS).index(option)


def train_flags(row: Row) -> list[str]:
    """What `train.py` gets."""
    return [*COMMON, *(value for name, value in row.items() if value and name != "evaluation")]


def write_text(folder: Path) -> None:
    """A text for every row: the three splits in `text`, and one after the other in `all.txt`.

    It has capitals, words that train has once, and in test a word and a character that train lacks.
    """
    (folder / "text").mkdir(parents=True)
    whole = ""
    for split, lines in (("train", 35), ("valid", 5), ("test", 10)):
        words = random.Random(split).choices(["a", "b", "B", "cd", "Cd", "e"], k=3 * lines)
        if split == "train":
            words[:2] = ["once", "Twice"]
        if split == "test":
            words[:2] = ["7", "once"]
        ends = itertools.cycle(("\n", "\n", "\n\n"))  # documents of three lines
        text = "".join(" ".join(words[i : i + 3]) + next(ends) for i in range(0, len(words), 3))
        (folder / "text" / f"{split}.txt").write_text(text)
        whole += text
    (folder / "all.txt").write_text(whole)
