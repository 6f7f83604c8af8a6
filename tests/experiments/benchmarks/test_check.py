from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from ptb.experiments.benchmarks import check
from ptb.experiments.benchmarks.check import Row
from ptb.machine.child import ChildFailed


def test_a_row_fails_where_the_error_is_too_large_or_no_number():
    assert Row.error("costs", 1e-5, 1e-4).passed
    assert not Row.error("costs", 2e-4, 1e-4).passed
    assert not Row.error("costs", float("nan"), 1e-4).passed
    assert check.line_of(Row.error("costs", 2e-4, 1e-4)).startswith("FAILED  costs")
    assert check.line_of(Row.absent("cuDNN", "only on a GPU")).startswith("-       cuDNN")


def test_a_replay_whose_gradient_norms_are_no_numbers_fails(monkeypatch):
    train = check._train
    monkeypatch.setattr(check, "_train", lambda *a: (train(*a)[0], np.full(a[3], np.nan), {}))
    assert check._trajectory("fused").passed is False


@pytest.mark.slow
def test_the_processor_passes_every_check_that_it_has(monkeypatch):
    def rate(case, seconds, device):
        if case.side == "torch":
            raise ChildFailed("measure", "No module named 'torch'")
        return {"words_per_second": 1234}

    monkeypatch.setattr(check, "measure_in_child", rate)
    rows = list(check.rows("cpu", "small", 0.1))
    assert [row.check for row in rows if row.passed is False] == []
    absent = [row.check for row in rows if row.passed is None]
    assert [name.split(":")[0] for name in absent] == [
        "keras", "GPU memory is taken as it is needed",
        "small in float32, torch", "small in mixed_bfloat16, torch",
    ]  # fmt: skip
    assert rows[-1].found == "1,234"


def test_a_weight_that_training_leaves_as_it_was_fails_though_the_costs_are_near(monkeypatch):
    train = check._train

    def without_gradient(config, *arguments, **options):
        costs, norms, updates = train(config, *arguments, **options)
        if config.precision == "mixed_bfloat16":
            updates["layers/0/kernel"] *= 0
        return costs, norms, updates

    monkeypatch.setattr(check, "_train", without_gradient)
    costs, updates, *_ = check._low_precision("keras")
    assert costs.passed
    assert (updates.found, updates.passed) == ("1.0e+00", False)


def test_a_replay_of_the_original_and_what_only_a_gpu_has():
    exact = check._trajectory("fused")
    assert (exact.passed, exact.expected) == (True, "at most 0.0001")
    assert check._cudnn("cpu").passed is check._memory("cpu").passed is None


def test_mirrored_takes_every_device_also_if_the_usual_rows_do_not_divide_among_them(monkeypatch):
    names = [f"/device:GPU:{i}" for i in range(3)]
    devices = [SimpleNamespace(name=name) for name in names]
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: devices)
    monkeypatch.setattr(tf.distribute, "MirroredStrategy", lambda names: names)
    trained = []

    def train(config, strategy=None):
        trained.append((config.batch_size, strategy))
        return np.array([2.0 if strategy else 4.0]), None, {}

    monkeypatch.setattr(check, "_train_small", train)
    row = check._mirrored("gpu")
    assert trained == [(12, names), (12, None)]
    assert (row.check, row.found) == ("mirrored over 3: costs of one device", "5.0e-01")


def test_the_ratio_is_over_pytorch_in_the_same_precision(monkeypatch):
    rates = {("torch", "float32"): 100, ("fused", "float32"): 150}
    monkeypatch.setattr(
        check,
        "measure_in_child",
        lambda case, *_: {"words_per_second": rates.get((case.side, case.precision), 50)},
    )
    found = [row.found for row in check._rates("cpu", "small", 0.1)]
    assert found == ["100", "50", "150 = 1.50 of PyTorch's", "50 = 1.00 of PyTorch's"]


def test_a_device_that_is_not_there_is_named_with_the_remedy():
    if tf.config.list_logical_devices("GPU"):
        pytest.skip("this machine has a GPU")
    with pytest.raises(ValueError, match=r"--device=gpu.*nvidia-smi.*pip install -e .\.\[gpu\]"):
        check.find_device("gpu")
