import pytest

from ptb.experiments.benchmarks import reader, serving, sweep
from ptb.experiments.benchmarks.race import START_SECONDS, Entry, expected_seconds, race
from ptb.experiments.benchmarks.report import draw, summary, table
from ptb.experiments.benchmarks.workload import Workload, zipf_ids
from ptb.training.config import Config


@pytest.fixture
def workload():
    return Workload.create(Config(hidden_size=10, num_layers=1), 100, zipf_ids(100, 500))


@pytest.fixture
def entries():
    return [
        Entry(
            "fused", None, [4.0, 3.0], 2.5, [100.0, 300.0, 200.0], [50.0] * 3, 1e6, 2**20, 3 * 2**20
        ),
        Entry("torch", None, [4.0, 3.0], 1.5, [100.0, 100.0, 400.0], [70.0] * 3, 2e6, 2**21, 2**22),
        Entry("keras_fit", absent="No module named 'keras'"),
        Entry("numpy", matmul_flops=3e6),
    ]


def test_the_summary_has_medians_shares_and_ratios_round_by_round(entries, workload):
    result = summary(entries, workload)
    assert result["training_flop_per_word"] == 3 * (2 * 20 * 40 + 2 * 10 * 100)
    assert result["matmul_limit_flops"] == 3e6
    assert result["sides"]["fused"]["train_words_per_second"] == {
        "median": 200, "min": 100, "max": 300,
    }  # fmt: skip
    assert result["sides"]["fused"]["share_of_limit"] == pytest.approx(200 * 10_800 / 3e6)
    assert result["ratios_by_round"] == {"torch": {"fused": [1.0, 3.0, 0.5]}}
    assert result["ratios"] == {"torch": {"fused": 1.0}}


def test_a_side_in_bfloat16_is_compared_with_itself_in_float32(entries, workload):
    low = Entry("fused_bfloat16", None, [4.0], 2.5, [200.0, 900.0, 400.0], [50.0] * 3, 0.0, 2**20)
    assert summary([*entries, low], workload)["ratios"] == {
        "torch": {"fused": 1.0, "fused_bfloat16": 2.0},
        "fused": {"torch": 1.0, "fused_bfloat16": 2.0},
    }


def test_a_side_that_died_between_rounds_has_no_ratio(entries, workload):
    died = Entry("static", "killed", [4.0], 2.5, [200.0], [], 0.0, 2**20)
    result = summary([*entries, died], workload)
    assert result["ratios"] == {"torch": {"fused": 1.0}}
    assert result["sides"]["static"] == {"absent": "killed"}


def test_the_table_says_why_a_side_is_absent(entries, workload):
    text = table(summary(entries, workload), "a title")
    assert "keras_fit       absent: No module named 'keras'" in text
    assert [line.split()[-4:] for line in text.splitlines() if line.startswith("fused")] == [
        ["3", "MiB", "2", "MiB"]
    ]
    assert (
        "words/s over torch's, median (lowest to highest round): fused 1.00 (0.50 to 3.00)" in text
    )
    assert max(len(line) for line in text.splitlines()) <= 110


def test_how_long_a_benchmark_takes_is_known_before_it():
    # Five rounds and one to warm up; a side that multiplies and trains has all of its turn.
    assert expected_seconds(["torch"], rounds=5, seconds=10) == START_SECONDS + 60
    both = expected_seconds(["fused", "numpy"], rounds=5, seconds=10)
    assert both == 2 * START_SECONDS + 60 * (7 / 8 + 1 / 8)
    values = 4
    assert sweep.expected_seconds("num_layers", 5, 10) == values * (START_SECONDS + 5 * 10)
    assert serving.expected_seconds(10) == START_SECONDS + 30
    assert reader.expected_seconds(100_000_000) == 100


def test_the_chart_is_a_picture(entries, workload, tmp_path):
    draw(summary(entries, workload), "a title", tmp_path / "chart.png")
    assert (tmp_path / "chart.png").read_bytes().startswith(b"\x89PNG")


def test_so_is_that_of_the_matrix_products_alone(entries, workload, tmp_path):
    draw(summary(entries[-1:], workload), "a title", tmp_path / "chart.png")
    assert (tmp_path / "chart.png").read_bytes().startswith(b"\x89PNG")


def test_a_worker_answers_and_one_that_dies_is_absent_from_any_folder(
    workload, tmp_path, monkeypatch
):
    workload.save(tmp_path)
    monkeypatch.chdir(tmp_path)
    numpy, unknown = race(["numpy", "no_such_side"], tmp_path, rounds=1, seconds=0.1)
    assert numpy.absent is None
    assert numpy.matmul_flops > 1e6
    assert "KeyError: 'no_such_side'" in unknown.absent
