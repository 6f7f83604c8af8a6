"""The tables of results/performance.md have the figures of results/benchmark."""

import re
from pathlib import Path

import pytest

from ptb.machine.untrusted import read_json

RESULTS = Path(__file__).parents[2] / "results"
AMD, XEON = (RESULTS / "performance.md").read_text("utf-8").split("## On an Intel Xeon", 1)
MODELS = "small", "medium", "large"
SIDES = {
    "fused": "`{}`: here, float32",
    "fused_bfloat16": "here, bfloat16",
    "torch": "PyTorch, float32",
    "torch_bfloat16": "PyTorch, bfloat16 autocast",
    "tf1_block": "the original, TensorFlow 1.15, block mode",
    "keras_fit": "Keras 3.15 `fit`",
}


def _above_import(side):
    return side["peak_bytes"] - side["import_bytes"]


def _ratio(run, one, other, of):
    return f"{of(run['sides'][one]) / of(run['sides'][other]):.2f}"


def _evaluated(side):
    return side["evaluate_words_per_second"]["median"]


def _amd(runs):
    limits = [f"{run['matmul_limit_flops'] / 1e9:.0f}" for run in runs]
    fused = [run["sides"]["fused"] for run in runs]
    return {
        "limit of the matrix product, GFLOP/s": limits,
        "evaluation with one row: fused, words/s": [f"{_evaluated(side):,.0f}" for side in fused],
        "over PyTorch's": [_ratio(run, "fused", "torch", _evaluated) for run in runs],
        "over Keras's `evaluate`": [_ratio(run, "fused", "keras_fit", _evaluated) for run in runs],
        "words/s over PyTorch's": [f"{run['ratios']['torch']['fused']:.2f}" for run in runs],
        "words/s over Keras `fit`": [f"{run['ratios']['keras_fit']['fused']:.2f}" for run in runs],
        "share of the matrix product": [f"{side['share_of_limit']:.0%}" for side in fused],
    }


def _goals(runs):
    def ratios(peer, side):
        return [f"{run['ratios'][peer][side]:.2f}" for run in runs]

    return {
        "float32 over PyTorch's": ratios("torch", "fused"),
        "bfloat16 over float32": ratios("fused", "fused_bfloat16"),
        "bfloat16 over PyTorch's": ratios("torch_bfloat16", "fused_bfloat16"),
        "evaluation with one row over PyTorch's": [
            _ratio(run, "fused", "torch", _evaluated) for run in runs
        ],
        "seconds to the first step": [
            f"{run['sides']['fused']['first_step_seconds']:.1f}" for run in runs
        ],
        "memory above import over PyTorch's": [
            _ratio(run, "fused", "torch", _above_import) for run in runs
        ],
    }


def _runs(folder):
    return [read_json(RESULTS / f"benchmark/{folder}/{model}.json") for model in MODELS]


@pytest.mark.parametrize(
    ("text", "rows"),
    [(AMD, _amd(_runs("amd_epyc"))), (XEON, _goals(_runs("xeon_amx")))],
    ids=["amd", "xeon"],
)
def test_each_ratio_is_that_of_the_benchmark(text, rows):
    for row, cells in rows.items():
        (line,) = re.findall(rf"^\| {re.escape(row)} \| (.*) \|$", text, re.M)
        assert [cell.split(" (")[0] for cell in line.split(" | ")] == cells, row


@pytest.mark.parametrize(("model", "run"), list(zip(MODELS, _runs("xeon_amx"), strict=True)))
def test_each_side_of_the_xeon_has_the_figures_of_the_benchmark(model, run):
    named = [SIDES[name].format(model) for name in run["sides"]]
    rows = [_row(side) for side in run["sides"].values()]
    for row, cells in zip(named, rows, strict=True):
        assert f"| {row} | {cells} |" in XEON


def _row(side):
    speed = side["train_words_per_second"]
    return " | ".join(
        [
            f"{speed['median']:,.0f} ({speed['min']:,.0f} to {speed['max']:,.0f})",
            f"{_evaluated(side):,.0f}",
            f"{side['first_step_seconds']:.1f}",
            f"{_above_import(side) / 2**20:,.0f}",
        ]
    )
