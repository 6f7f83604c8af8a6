import math

import numpy as np
import pytest

from ptb.experiments.studies.measurements import (
    NOT_CLEAR,
    Spread,
    and_,
    bootstrap,
    compare,
    describe_failed,
    describe_rates,
    difference,
    estimates,
    from_csv,
    last_points,
    lowest,
    ratio,
    sound,
    to_csv,
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
    assert estimates(ROWS, "loss", "cell") == {"rnn": Spread(2.5, 1, 4), "gru": Spread(2, 2, 2)}
    assert estimates(ROWS, "loss", "cell", "seed")["rnn", 2] == Spread(4, 4, 4)


def test_a_spread_is_written_with_its_interval_where_the_seeds_differ():
    assert f"{Spread(2.5, 1, 4):.1f}" == "2.5 (1.0 to 4.0)"
    assert f"{Spread(2.01, 2.0, 2.02):.1f}" == "2.0"


def test_where_and_last_points_choose_rows():
    assert where(ROWS, cell="rnn", seed=2) == [ROWS[1]]
    assert last_points(ROWS, "cell") == [ROWS[1], ROWS[2]]


def test_a_bootstrap_interval_covers_the_mean_as_often_as_it_says():
    rng = np.random.default_rng(1)
    covered = [
        each.low <= 0 <= each.high
        for each in (bootstrap(rng.standard_normal(30)) for _ in range(100))
    ]
    assert 88 <= sum(covered) <= 99


def test_a_bootstrap_interval_is_the_same_for_the_same_values():
    values = [1.0, 2.0, 4.0]
    assert bootstrap(values) == bootstrap(values)
    assert bootstrap(values).mean == pytest.approx(7 / 3)
    assert bootstrap([3.0, 3.0]) == Spread(3, 3, 3)
    assert bootstrap(values, of=np.median).mean == 2


def test_one_infinite_value_makes_the_estimate_infinite():
    rows = [{"size": 1, "loss": 2.0}, {"size": 1, "loss": math.inf}, {"size": 2, "loss": 1.0}]
    assert estimates(rows, "loss", "size") == {1: Spread(*[math.inf] * 3), 2: Spread(1, 1, 1)}


def test_a_wilson_interval_is_that_of_the_textbook():
    for successes, low, high in ((10, 0.722, 1.0), (9, 0.596, 0.982), (0, 0.0, 0.278)):
        share = wilson(successes, 10)
        assert share.mean == successes / 10
        assert (share.low, share.high) == pytest.approx((low, high), abs=5e-4)


def test_a_difference_has_the_interval_of_both():
    gap = difference([3.0, 3.0, 3.0], [1.0, 2.0, 3.0])
    assert gap.mean == 1
    assert gap.low < 0.5
    assert 1.5 < gap.high <= 2
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
    spreads = {1: Spread(3, 2.9, 3.1), 4: Spread(2, 1.8, 2.2), 20: Spread(2.1, 1.9, 2.3)}
    assert lowest(spreads) == (4, [20])


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
    apart = ratio([2.0, 8.0], [1.0, 1.0])
    assert (apart.mean, apart.low, apart.high) == pytest.approx((4.0, 2.0, 8.0))
