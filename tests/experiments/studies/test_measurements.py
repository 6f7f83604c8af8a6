import math

import numpy as np
import pytest

from ptb.experiments.studies.measurements import (
    NOT_CLEAR,
    Spread,
    and_,
    compare,
    describe_failed,
    describe_rates,
    difference,
    estimate,
    estimates,
    from_csv,
    last_points,
    lowest,
    median,
    ratio,
    sign_of,
    sound,
    t_975,
    to_csv,
    values_by,
    where,
    wilson,
    within,
)

ROWS = [
    {"cell": "rnn", "seed": 1, "loss": 1.0},
    {"cell": "rnn", "seed": 2, "loss": 4.0},
    {"cell": "gru", "seed": 1, "loss": 2.0},
]


def test_an_estimate_is_of_the_rows_that_share_a_value():
    of_cells = estimates(ROWS, "loss", "cell")
    # Two values: 12.706 standard errors, of half their distance each.
    assert of_cells["rnn"] == Spread(2.5, 2.5 - 12.706 * 1.5, 2.5 + 12.706 * 1.5)
    # One value says nothing of how far others lie from it.
    assert of_cells["gru"] == Spread(2, -math.inf, math.inf)
    assert estimates(ROWS, "loss", "cell", "seed")["rnn", 2].mean == 4


def test_a_spread_is_written_with_its_interval_where_the_seeds_differ():
    assert f"{Spread(2.5, 1, 4):.1f}" == "2.5 (1.0 to 4.0)"
    assert f"{Spread(2.01, 2.0, 2.02):.1f}" == "2.0"
    assert f"{Spread(2.01, -math.inf, math.inf):.1f}" == "2.0"


def test_where_and_last_points_choose_rows():
    assert where(ROWS, cell="rnn", seed=2) == [ROWS[1]]
    curve = [{"size": 1, "updates": updates} for updates in (10, 30, 20)]
    assert last_points(curve, "size") == [curve[1]]


@pytest.mark.parametrize("count", [5, 10])
def test_an_interval_covers_the_mean_as_often_as_it_says(count):
    rng = np.random.default_rng(1)
    intervals = [estimate(rng.standard_normal(count)) for _ in range(2000)]
    gaps = [difference(*rng.standard_normal((2, count))) for _ in range(2000)]
    for covered in (intervals, gaps):
        share = sum(each.low <= 0 <= each.high for each in covered) / len(covered)
        assert share == pytest.approx(0.95, abs=0.015)


@pytest.mark.parametrize(
    ("degrees", "quantile"), [(1, 12.706), (9, 2.262), (11, 2.201), (20.9, 2.086), (100, 1.984)]
)
def test_the_quantile_of_students_t_is_that_of_the_tables(degrees, quantile):
    assert t_975(degrees) == pytest.approx(quantile, abs=6e-4)


def test_equal_values_have_an_interval_without_width():
    assert estimate([3.0, 3.0]) == Spread(3, 3, 3)
    assert difference([3.0, 3.0], [2.0, 2.0]) == Spread(1, 1, 1)


def test_the_median_has_the_interval_of_its_ranks():
    # 2 of 10 coins show heads with probability 0.055, at most one with 0.011.
    assert median([*range(1, 9), math.inf, math.inf]) == Spread(5.5, 2, math.inf)
    rng = np.random.default_rng(1)
    intervals = [median(rng.standard_normal(10)) for _ in range(2000)]
    assert sum(each.low <= 0 <= each.high for each in intervals) / 2000 >= 0.95
    assert median([1.0, 2.0, 4.0]) == Spread(2, -math.inf, math.inf)


def test_nothing_is_clear_of_values_of_which_one_is_not_finite():
    rows = [{"size": 1, "loss": 2.0}, {"size": 1, "loss": math.inf}]
    assert estimates(rows, "loss", "size") == {1: Spread(math.inf, -math.inf, math.inf)}
    assert estimate([1.0, -math.inf]) == Spread(-math.inf, -math.inf, math.inf)
    unknown = ratio([math.inf, 2.0], [1.0, 1.0])
    assert (unknown.low, unknown.high) == (-math.inf, math.inf)
    assert compare(estimate([1.0, math.nan]), Spread(9, 8, 10)) == NOT_CLEAR


def test_values_are_in_the_order_of_the_seeds():
    rows = [{"mode": "a", "seed": seed, "loss": float(seed)} for seed in (3, 1, 2)]
    assert values_by(rows, "loss", "mode") == {"a": [1.0, 2.0, 3.0]}


def test_a_wilson_interval_is_that_of_the_textbook():
    for successes, low, high in ((10, 0.722, 1.0), (9, 0.596, 0.982), (0, 0.0, 0.278)):
        share = wilson(successes, 10)
        assert share.mean == successes / 10
        assert (share.low, share.high) == pytest.approx((low, high), abs=5e-4)


def test_a_difference_has_the_interval_of_both():
    gap = difference([3.0, 3.0, 3.0], [1.0, 2.0, 3.0])
    assert gap.mean == 1
    # The error of the second mean is 1 / sqrt(3), with 2 degrees of freedom.
    assert (gap.low, gap.high) == pytest.approx((1 - 4.303 / 3**0.5, 1 + 4.303 / 3**0.5))
    assert sign_of(gap) == NOT_CLEAR
    assert sign_of(Spread(1, 0.5, 1.5)) == "higher"
    assert sign_of(Spread(-1, -1.5, -0.5)) == "lower"
    diverged = difference([math.inf], [1.0])
    assert (diverged.low, diverged.high) == (-math.inf, math.inf)


def test_what_overlaps_is_not_clear():
    assert compare(Spread(1, 0.9, 1.1), Spread(2, 1.9, 2.1)) == "lower"
    assert compare(Spread(2, 1.9, 2.1), Spread(1, 0.9, 1.1)) == "higher"
    assert compare(Spread(1, 0.5, 1.5), Spread(2, 1.4, 2.5)) == NOT_CLEAR


def test_a_difference_is_within_a_margin_beyond_it_or_neither():
    assert within(Spread(0.0, -0.01, 0.01), 0.05) is True
    assert within(Spread(0.2, 0.1, 0.3), 0.05) is False
    assert within(Spread(-0.2, -0.3, -0.1), 0.05) is False
    assert within(Spread(0.05, 0.0, 0.1), 0.05) is None


def test_the_lowest_comes_with_those_that_may_be_as_low():
    losses = {1: [3.0, 3.1, 2.9], 4: [2.0, 2.2, 1.8], 20: [2.1, 2.3, 1.9]}
    assert lowest(losses) == (4, [20])


def test_a_setting_with_a_seed_that_did_not_learn_supports_nothing():
    rows = [
        {"size": size, "seed": seed, "valid_nats": loss, "unigram_nats": 4.0}
        for size, losses in ((1, (2.0, 2.5)), (2, (2.0, 4.1)), (3, (2.0, math.inf)))
        for seed, loss in enumerate(losses)
    ]
    kept, failed = sound(rows, "size")
    assert {row["size"] for row in kept} == {1}
    assert failed == [2, 3]
    assert describe_failed(failed, "size").startswith(
        "Not counted: size 2 and 3. At least one seed"
    )
    assert describe_failed([], "size") == ""


def test_the_edge_of_a_grid_is_reported():
    rows = [
        {"size": size, "learning_rate": rate, "rates_tried": tried, "rate_at_edge": edge}
        for size, rate, tried, edge in ((1, 0.5, "0.25 0.5 1", 0), (9, 8.0, "1 2 4 8", 1))
    ]
    words = describe_rates(rows, "size", what="size")
    assert "The grids spanned 0.25 to 8." in words
    assert words.endswith("\n| 0.5 | size 1 |\n| 8 | size 9 |")
    assert "so a better rate may exist: size 9." in words
    assert "No chosen rate is at the edge of its grid." in describe_rates(rows[:1], "size")


def test_a_list_in_words():
    assert [and_(range(1, n + 1)) for n in (1, 2, 3)] == ["1", "1 and 2", "1, 2 and 3"]


def test_csv_comes_back_as_it_was():
    rows = [{"cell": "rnn", "seed": 1, "loss": 0.25}, {"cell": "gru", "seed": 2, "loss": 1e-30}]
    assert to_csv(rows).splitlines()[0] == "cell,seed,loss"
    assert from_csv(to_csv(rows)) == rows


@pytest.mark.parametrize("text", ["", "a,b\n", "a,b\n1\n", "a,b\n1,2,3\n", "a\n" + 140_000 * "9"])
def test_a_damaged_csv_is_refused(text):
    with pytest.raises(ValueError, match=r"no measurement|fields|field larger"):
        from_csv(text)


def test_a_ratio_compares_seed_by_seed():
    # Each seed doubles, though the seeds lie far apart.
    twice = ratio([2.0, 20.0, 200.0], [1.0, 10.0, 100.0])
    assert (twice.mean, twice.low, twice.high) == pytest.approx((2.0, 2.0, 2.0))
    apart = ratio([2.0, 8.0, 4.0], [1.0, 1.0, 1.0])
    # The error of the mean logarithm is log(2) / sqrt(3).
    times = 2 ** (4.303 / 3**0.5)
    assert (apart.mean, apart.low, apart.high) == pytest.approx((4.0, 4 / times, 4 * times))
