import math

import pytest

from ptb.experiments.benchmarks import device_rates
from ptb.experiments.benchmarks.device_rates import Case


@pytest.mark.parametrize("side", ["fused", "torch"])
def test_a_measurement_tells_the_first_costs_and_the_rate(monkeypatch, side):
    if side == "torch":
        pytest.importorskip("torch", reason="PyTorch, an optional peer, is not installed")
    monkeypatch.setattr(device_rates, "VOCAB_SIZE", 50)
    monkeypatch.setattr(device_rates, "NUM_TOKENS", 2_000)
    exact = device_rates.measure(Case(side, "test", 4, "float32"), 0.01)
    low = device_rates.measure(Case(side, "test", 4, "mixed_bfloat16"), 0.01)
    # Two steps, and weights so small that each word is as likely as any other.
    assert exact["costs"][0] == pytest.approx(2 * math.log(50), rel=0.02)
    assert low["costs"][0] == pytest.approx(exact["costs"][0], rel=1e-3)
    assert exact["lowest"] <= exact["words_per_second"] <= exact["highest"]
    assert exact["gpu_bytes"] is None
