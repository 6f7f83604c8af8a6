import math

import pytest

from ptb.experiments.benchmarks import gpu
from ptb.experiments.benchmarks.gpu import Case


def test_a_case_is_a_side_a_preset_a_batch_size_and_a_precision():
    assert Case.parse("keras,medium,20,float32") == Case("keras", "medium", 20, "float32")


@pytest.mark.parametrize(
    "text",
    ["", "keras", "keras_fit,small,20,float32", "keras,tiny,20,float32", "keras,small,0,float32",
     "keras,small,20,float64", "keras,small,20,float32,1"],
)  # fmt: skip
def test_anything_else_is_refused(text):
    with pytest.raises(ValueError, match="no case"):
        Case.parse(text)


@pytest.mark.parametrize("side", ["fused", "torch"])
def test_a_measurement_tells_the_first_costs_and_the_rate(monkeypatch, side):
    if side == "torch":
        pytest.importorskip("torch", reason="PyTorch, an optional peer, is not installed")
    monkeypatch.setattr(gpu, "VOCAB_SIZE", 50)
    monkeypatch.setattr(gpu, "NUM_TOKENS", 2_000)
    exact = gpu.measure(Case(side, "test", 4, "float32"), 0.01)
    low = gpu.measure(Case(side, "test", 4, "mixed_bfloat16"), 0.01)
    # Two steps, and weights so small that each word is as likely as any other.
    assert exact["costs"][0] == pytest.approx(2 * math.log(50), rel=0.02)
    assert low["costs"][0] == pytest.approx(exact["costs"][0], rel=1e-3)
    assert exact["lowest"] <= exact["words_per_second"] <= exact["highest"]
    assert exact["gpu_bytes"] is None
