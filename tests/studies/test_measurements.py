import pytest

from studies.measurements import (
    Spread,
    at_best_learning_rates,
    best_learning_rates,
    describe_learning_rates,
    doubt,
    from_csv,
    last_points,
    seconds_to,
    spread,
    to_csv,
    where,
)

ROWS = [
    {"cell": "rnn", "seed": 1, "loss": 1.0},
    {"cell": "rnn", "seed": 2, "loss": 4.0},
    {"cell": "gru", "seed": 1, "loss": 2.0},
]


def curve(size, rate, seed, *losses):
    return [
        {"size": size, "learning_rate": rate, "seed": seed, "seconds": 10.0 * i, "valid_nats": loss}
        for i, loss in enumerate(losses, start=1)
    ]


def test_spread_is_over_the_rows_that_share_a_value():
    assert spread(ROWS, "loss", "cell") == {"rnn": Spread(2.5, 1, 4), "gru": Spread(2, 2, 2)}
    assert spread(ROWS, "loss", "cell", "seed")["rnn", 2] == Spread(4, 4, 4)


def test_a_spread_is_written_with_its_range_where_the_seeds_differ():
    assert f"{Spread(2.5, 1, 4):.1f}" == "2.5 (1.0 to 4.0)"
    assert f"{Spread(2.01, 2.0, 2.02):.1f}" == "2.0"


def test_where_and_last_points_choose_rows():
    assert where(ROWS, cell="rnn", seed=2) == [ROWS[1]]
    assert last_points(ROWS, "cell") == [ROWS[1], ROWS[2]]


def test_the_best_learning_rate_has_the_lowest_mean_loss_at_the_end():
    rows = [*curve(1, 0.5, 1, 3, 2), *curve(1, 0.5, 2, 3, 2), *curve(1, 2.0, 1, 1, 1.9)]
    rows += [*curve(1, 2.0, 2, 1, 2.3), *curve(9, 2.0, 1, 5, 4), *curve(9, 1.0, 1, 5, 3)]
    assert best_learning_rates(rows, "size") == {1: 0.5, 9: 1.0}
    assert {(r["size"], r["learning_rate"]) for r in at_best_learning_rates(rows, "size")} == {
        (1, 0.5),
        (9, 1.0),
    }
    words = describe_learning_rates(rows, "size")
    assert (
        "0.5 for size 1, 1 for size 9. Another may be better where it is the first or last: 1."
        in words
    )


def test_seconds_to_a_loss_are_those_of_the_first_point_that_has_it():
    rows = [*curve(1, 1, 1, 3, 2, 1), *curve(1, 1, 2, 2, 3, 1), *curve(9, 1, 1, 9, 9, 2)]
    rows += curve(9, 1, 2, 9, 9, 9)
    assert seconds_to(rows, 2, "size") == {1: Spread(15, 10, 20)}


def test_csv_comes_back_as_it_was():
    rows = [{"cell": "rnn", "seed": 1, "loss": 0.25}, {"cell": "gru", "seed": 2, "loss": 1e-30}]
    assert to_csv(rows).splitlines()[0] == "cell,seed,loss"
    assert from_csv(to_csv(rows)) == rows


@pytest.mark.parametrize("text", ["", "a,b\n", "a,b\n1\n", "a,b\n1,2,3\n", "a\n" + 140_000 * "9"])
def test_a_damaged_csv_is_refused(text):
    with pytest.raises(ValueError, match=r"no measurement|fields|field larger"):
        from_csv(text)


def test_what_is_ahead_is_doubted_where_the_ranges_overlap():
    spreads = {4: Spread(2.0, 1.0, 3.0), 20: Spread(4.0, 3.0, 5.0), 64: Spread(9.0, 8.0, 9.5)}
    assert doubt(spreads, 64) == ""
    assert doubt(spreads, 4) == " (not clearly: the range of 20 overlaps)"
