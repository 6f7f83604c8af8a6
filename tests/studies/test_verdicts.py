"""Every verdict says the opposite when the numbers do. All numbers here are made up."""

import itertools
import math

import matplotlib
import pytest

from studies import (
    batch_size,
    detach,
    gradient_flow,
    hidden_size,
    memory,
    num_steps,
    sampling,
    truncation,
    unroll,
)
from studies.figure import STYLE


def training_rows(column, ends, rates=(1.0,)):
    """Curves of two points; `ends` maps a value of `column` to (words/s, first loss, last loss)."""
    return [
        {
            column: value,
            "learning_rate": rate,
            "seed": seed,
            "words": words,
            "seconds": words / speed,
            "words_per_second": speed,
            "valid_nats": loss + 0.5 * (rate != 1.0),
            "ms_per_step": 400_000 / speed,
            "steps": words // 400,
        }
        for value, (speed, *losses) in ends.items()
        for rate in rates
        for seed in (1, 2)
        for words, loss in zip((4000, 8000), losses, strict=True)
    ]


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        (
            {1: (1000, 3.0, 2.50), 4: (4000, 3.0, 2.52), 64: (9000, 3.0, 2.53)},
            ["losses are close\": true here", "4.00 times", "is merely faster", "is batch_size 64"],
        ),
        (
            {1: (1000, 3.0, 2.50), 4: (2000, 3.0, 2.52), 64: (9000, 5.0, 4.0)},
            ["losses are close\": false here", "4.8: false)", "0.05: true)", "not merely faster"],
        ),
        (
            {1: (1000, 2.0, 2.0), 4: (4000, 3.0, 2.9), 64: (5000, 3.0, 3.0)},
            ["losses are close\": false here", "4.8: true)", "0.05: false)", "2.72 times as high"],
        ),
        (
            {1: (1000, 3.0, 3.0), 4: (4000, 3.0, 3.0), 64: (9000, 3.0, 2.0)},
            ["0.37 times that of the smaller"],
        ),
    ],
)  # fmt: skip
def test_batch_size(ends, said):
    words = batch_size.verdict(training_rows("batch_size", ends, rates=(0.5, 1.0, 2.0)))
    for part in [*said, "1 for batch_size 64"]:
        assert part in words


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        (
            {16: (8000, 3.0, 2.05), 64: (2000, 2.5, 2.0)},
            ["is slower", "**A step teaches more", "is hidden_size 16", "second 16 units"],
        ),
        (
            {16: (8000, 3.0, 2.0), 64: (16000, 2.5, 2.05)},
            ["is faster", "does not teach more", "is hidden_size 64", "second 64 units"],
        ),
        (
            {16: (8000, 3.0, 2.9), 64: (1000, 2.5, 2.0)},
            ["is hidden_size 64**: 2.100 nats", "with 16 not every seed came so far"],
        ),
    ],
)
def test_hidden_size(ends, said):
    words = hidden_size.verdict(training_rows("hidden_size", ends))
    for part in said:
        assert part in words


def num_steps_rows(carried, reset, norms, floor=8.0):
    return [
        {
            "state": state,
            "num_steps": length,
            "seed": seed,
            "perplexity": perplexities[length],
            "floor": floor,
            "grad_norm": norms[length],
            "words_per_second": 1000.0,
        }
        for state, perplexities in (("carried", carried), ("reset", reset))
        for length in carried
        for seed in (1, 2)
    ]


def test_num_steps():
    few = num_steps.verdict(
        num_steps_rows({1: 12, 5: 10, 20: 10}, {1: 16, 5: 14, 20: 10.5}, {1: 1, 5: 2, 20: 4})
    )
    assert "state carried, num_steps 5 is enough" in few
    assert "state reset, nothing below num_steps 20 is enough" in few
    assert "1.250 times at num_steps 20" in few
    assert "does not explode" in few
    many = num_steps.verdict(
        num_steps_rows({1: 12, 5: 10, 20: 9}, {1: 9, 5: 9, 20: 9}, {1: 1, 5: 20, 20: 90}, math.nan)
    )
    assert "state carried, nothing below num_steps 20 is enough" in many
    assert "more may be better still" in many
    assert "state reset, num_steps 1 is enough" in many
    assert "floor" not in many
    assert "window explodes the gradient" in many


def sampling_rows(carried, reset, random, floors=(8.0, 14.0)):
    perplexities = {sampling.CARRIED: carried, sampling.RESET: reset, sampling.RANDOM: random}
    return [
        {
            "num_steps": 5,
            "sampling": kind,
            "seed": seed,
            "valid_nats": math.log(perplexity),
            "perplexity": perplexity,
            "perplexity_if_carried": perplexity,
            "floor_full_memory": floors[0],
            "floor_window_memory": floors[1],
        }
        for kind, perplexity in perplexities.items()
        for seed in (1, 2)
    ]


def test_sampling():
    worth = sampling.verdict(sampling_rows(9.0, 15.0, 15.0))
    assert "carrying the state is worth 0.511 nats" in worth
    assert "the order of the windows makes no difference above" in worth
    assert "So training with it is worth 0.511 nats" in worth
    alike = [row | {"perplexity_if_carried": 9.0} for row in sampling_rows(9.0, 15.0, 15.0)]
    assert "its worth lies in scoring with it" in sampling.verdict(alike)
    assert "the carried one does." in worth
    costs = sampling.verdict(sampling_rows(15.0, 9.0, 12.0))
    assert "carrying the state costs 0.511 nats" in costs
    assert "So " not in costs
    assert "random order costs 0.288 nats" in costs
    assert "the carried one does not." in costs
    nothing = sampling.verdict(sampling_rows(9.0, 9.0, 8.0, (math.nan, math.nan)))
    assert "makes no difference" in nothing
    assert "random order gains 0.118 nats" in nothing
    assert "in the long run" not in nothing


def detach_rows(extra_mb, times):
    return [
        {
            "kept_windows": kept,
            "seed": seed,
            "extra_mb": extra_mb[kept],
            "ms_per_window": times[kept],
        }
        for kept in times
        for seed in (1, 2)
    ]


def test_detach():
    grows = detach.verdict(detach_rows({1: 0, 8: 80, 16: 160}, {1: 10, 8: 40, 16: 80}))
    assert "Memory grows" in grows
    assert "about 10.7 MB a window" in grows
    assert "takes ever longer" in grows
    assert "8.0 times as long" in grows
    assert "until memory ends" in grows
    stays = detach.verdict(detach_rows({1: 0, 8: 1, 16: 1}, {1: 10, 8: 10, 16: 10}))
    assert "Memory stays" in stays
    assert "takes hardly longer" in stays
    assert "until memory ends" not in stays


def gradient_rows(trained, clip=1.0):
    """Norms that fall by a factor a step: 0.5 without training, `trained[cell]` with it."""
    return [
        {
            "cell": cell,
            "init_scale": 0.1,
            "trained_epochs": epochs,
            "seed": seed,
            "k": k,
            "norm": (trained[cell] if epochs else 0.5) ** k,
            "weight_norm": 5 / clip,
            "clipped_norm": clip * (trained[cell] if epochs else 0.5) ** k,
        }
        for cell, epochs, seed, k in itertools.product(trained, (0, 3), (1, 2), range(11))
    ]


def test_gradient_flow():
    forgets = gradient_flow.verdict(gradient_rows({"rnn": 0.3, "gru": 0.9, "lstm": 2.5}, clip=0.1))
    assert "| init_scale 0.1 | 0.500, vanished | 0.500, vanished | 0.500, vanished |" in forgets
    assert "0.300, vanished | 0.900, reaches | 2.500, exploded |" in forgets
    assert "both gated cells reaches farther" in forgets
    assert "by 10: its norm 10 steps back goes from 0.00098 to 9.8e-05" in forgets
    keeps = gradient_flow.verdict(gradient_rows({"rnn": 0.9, "gru": 0.3, "lstm": 0.2}))
    assert "no gated cell's gradient reaches farther" in keeps
    assert "changed nothing" in keeps
    half = gradient_flow.verdict(gradient_rows({"rnn": 0.5, "gru": 0.3, "lstm": 0.8}))
    assert "only the lstm's gradient beats" in half
    assert "against 0.500 for the RNN" in half
    apart = [
        row | {"norm": 0.1 ** row["k"]} if (row["cell"], row["seed"]) == ("rnn", 2) else row
        for row in gradient_rows({"rnn": 0.4, "gru": 0.3, "lstm": 0.8})
    ]
    assert "against 0.200 (0.100 to 0.400) for the RNN" in gradient_flow.verdict(apart)


def memory_rows(sgd, adam):
    """Cells that are always right up to a delay, one for each of RNN, GRU and LSTM, then guess."""
    cells = memory.CELLS
    longest = {
        "SGD": dict(zip(cells, sgd, strict=True)),
        "Adam": dict(zip(cells, adam, strict=True)),
    }
    return [
        {
            "optimizer": optimizer,
            "cell": cell,
            "delay": delay,
            "most_updates": 100,
            "seed": seed,
            "learning_rate": rate,
            "accuracy": 1.0 if delay <= longest[optimizer][cell] and rate > 0.5 else 0.25,
        }
        for optimizer in longest
        for cell in longest[optimizer]
        for delay in (5, 10, 20)
        for rate in (0.1, 1.0, 0.2)
        for seed in (1, 2)
    ]


def test_memory():
    words = memory.verdict(memory_rows((5, 20, 10), (20, 5, 5)))
    assert "Learned with SGD, the plain RNN forgets sooner than GRU and LSTM" in words
    assert "Learned with Adam, the plain RNN remembers as long as" in words
    assert "| SGD | 5 | 20 or more | 10 |" in words
    assert "GRU and LSTM**: 5 words (RNN), 20 or more words (GRU), 10 words (LSTM)." in words
    words = memory.verdict(memory_rows((10, 20, 5), (0, 5, 0)))
    assert "Learned with SGD, of the gated cells only the GRU remembers longer" in words
    assert "| Adam | 0 | 5 | 0 |" in words
    assert "the training failed" not in words
    words = memory.verdict(memory_rows((20, 20, 20), (20, 20, 5)))
    assert "Learned with SGD, no cell forgets within the 20 words that were tried" in words
    assert "Learned with Adam, the plain RNN remembers as long as" in words
    rows = [
        row | {"accuracy": 0.25} if (row["cell"], row["delay"]) == ("rnn", 5) else row
        for row in memory_rows((10, 20, 5), (0, 5, 0))
    ]
    assert "With SGD the RNN also remembers 10 words" in memory.verdict(rows)
    rows = [
        row | {"accuracy": 1.0} if (row["cell"], row["seed"]) == ("lstm", 1) else row
        for row in memory_rows((5, 5, 5), (5, 5, 5))
    ]
    assert "| SGD | 5 | 5 | 5 (some seed 20) |" in memory.verdict(rows)


def unroll_rows(operations, speed, trace=(1.0, 2.0, 0.5)):
    return [
        {
            "unroll": mode,
            "num_steps": length,
            "seed": seed,
            "operations": operations[mode] * (length if mode != "loop" else 1),
            "trace_seconds": seconds,
            "first_call_seconds": 1.0,
            "words_per_second": speed[mode],
            "peak_mb": 50.0,
        }
        for mode, seconds in zip(("static", "fused", "loop"), trace, strict=True)
        for length in (5, 40)
        for seed in (1, 2)
    ]


OPERATIONS = {"static": 10, "fused": 11, "loop": 99}


def test_unroll():
    words = unroll.verdict(unroll_rows(OPERATIONS, {"static": 2000, "fused": 4000, "loop": 1000}))
    assert "grows with num_steps for static and fused and stays about the same for loop" in words
    assert (
        "At num_steps 40 the fastest is **fused**, 2.00 times static and 4.00 times loop" in words
    )
    assert "paid back after 2,000 words" in words
    words = unroll.verdict(unroll_rows(OPERATIONS, {"static": 100, "fused": 400, "loop": 1000}))
    assert "the fastest is **loop**" in words
    assert "paid back" not in words


def truncation_rows(cosines):
    return [
        {
            "trained_epochs": epochs,
            "num_steps": n,
            "seed": seed,
            "cosine": cosine,
            "norm_ratio": 0.5,
        }
        for epochs, by_length in cosines.items()
        for n, cosine in by_length.items()
        for seed in (1, 2)
    ]


def test_truncation():
    right = truncation.verdict(
        truncation_rows({0: {1: 0.995, 20: 1, 160: 1}, 5: {1: 0.5, 20: 0.992, 160: 1}})
    )
    assert right.startswith("**After epoch 5, num_steps 20 gives")
    assert "(0.9920); num_steps 1 gives 0.500, at 0.50 of the norm." in right
    assert "num_steps 1 gives a cosine of at least 0.99** (0.9950, at 0.50 of the norm)." in right
    assert "is hardly wrong: cosine 0.9920" in right
    wrong = truncation.verdict(truncation_rows({5: {1: 0.5, 20: 0.8, 160: 1}}))
    assert "num_steps 160 gives" in wrong
    assert "is noticeably wrong: cosine 0.8000" in wrong


@pytest.mark.parametrize(
    ("study", "rows"),
    [
        (batch_size, training_rows("batch_size", {1: (10, 3, 2), 4: (20, 3, 2)})),
        (hidden_size, training_rows("hidden_size", {16: (10, 3, 2), 64: (20, 3, 2)})),
        (num_steps, num_steps_rows({1: 9, 5: 8}, {1: 9, 5: 8}, {1: 1, 5: 2})),
        (sampling, sampling_rows(9, 10, 11)),
        (detach, detach_rows({1: 0, 8: 80}, {1: 10, 8: 40})),
        (gradient_flow, gradient_rows({"rnn": 0.3, "gru": 0.9, "lstm": 2.5})),
        (memory, memory_rows((5, 20, 10), (5, 5, 5))),
        (unroll, unroll_rows(OPERATIONS, {"static": 1, "fused": 2, "loop": 3})),
        (truncation, truncation_rows({0: {1: 0.9, 20: 0.99, 160: 1}})),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_every_figure_is_drawn_with_a_unit_on_each_axis(study, rows):
    with matplotlib.rc_context(STYLE):
        figure = study.draw(rows)
        figure.canvas.draw()
    assert figure.get_figwidth() * figure.dpi == 800
    for axes in figure.axes:
        assert axes.get_xlabel()
        assert axes.get_ylabel()
        assert axes.get_title()
