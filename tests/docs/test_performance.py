"""The tables of results/performance.md have the figures of results/benchmark."""

import re
from pathlib import Path

import pytest

from ptb.machine.untrusted import read_json

RESULTS = Path(__file__).parents[2] / "results"
FIRST, *SECTIONS = re.split(
    r"^## On an? ", (RESULTS / "performance.md").read_text("utf-8"), flags=re.M
)
# The sections that have what every side measured, by the folder of their records.
FOLDERS = "xeon_amx", "amd_epyc_family_25", "amd_epyc_family_26"
BESIDE_PEERS = dict(zip(FOLDERS, SECTIONS, strict=True))
MODELS = "small", "medium", "large"
SIDES = {
    "fused": "`{}`: here, float32",
    "fused_bfloat16": "here, bfloat16",
    "torch": "PyTorch, float32",
    "torch_bfloat16": "PyTorch, bfloat16 autocast",
    "tf1_block": "the original, TensorFlow 1.15, block mode",
    "tf1_basic": "the original, TensorFlow 1.15, basic mode",
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
        "float32 over the original; over Keras `fit`": [
            "; ".join(f"{run['ratios'][peer]['fused']:.2f}" for peer in ("tf1_block", "keras_fit"))
            if "tf1_block" in run["ratios"]
            else "not measured"
            for run in runs
        ],
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


def _check(text, rows):
    for row, cells in rows.items():
        (line,) = re.findall(rf"^\| {re.escape(row)} \| (.*) \|$", text, re.M)
        assert [cell.split(" (")[0] for cell in line.split(" | ")] == cells, row


def test_each_ratio_of_the_first_table_is_that_of_the_benchmark():
    _check(FIRST, _amd(_runs("amd_epyc")))


@pytest.mark.parametrize("folder", BESIDE_PEERS)
def test_each_ratio_beside_the_peers_is_that_of_the_benchmark(folder):
    _check(BESIDE_PEERS[folder], _goals(_runs(folder)))


@pytest.mark.parametrize("folder", BESIDE_PEERS)
def test_each_side_has_the_figures_of_the_benchmark(folder):
    for model, run in zip(MODELS, _runs(folder), strict=True):
        for name, side in run["sides"].items():
            row = f"| {SIDES[name].format(model)} | {_row(side)} |"
            assert row in BESIDE_PEERS[folder]


def test_the_lowest_and_highest_ratio_of_a_round_are_those_of_the_benchmark():
    sides = {
        "float32 to PyTorch's": ("torch", "fused"),
        "bfloat16 to PyTorch's": ("torch_bfloat16", "fused_bfloat16"),
        "bfloat16 to float32": ("fused", "fused_bfloat16"),
        "float32 to the original, block mode": ("tf1_block", "fused"),
        "float32 to the original, basic mode": ("tf1_basic", "fused"),
        "float32 to Keras `fit`": ("keras_fit", "fused"),
    }
    ratios = [run["ratios_by_round"] for run in _runs("amd_epyc_family_26")]
    rows = {
        row: [f"{min(each[peer][side]):.2f} to {max(each[peer][side]):.2f}" for each in ratios]
        for row, (peer, side) in sides.items()
    }
    _check(BESIDE_PEERS["amd_epyc_family_26"], rows)


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
