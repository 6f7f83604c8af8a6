import math

from ptb.experiments.studies.study import Options
from ptb.experiments.studies.tuning import MAX_WIDENINGS, tune, tune_and_measure


def losses_around(best, calls=None):
    """A training whose loss is the distance of its rate from `best`, in factors of two."""

    def train(rates, seeds):
        if calls is not None:
            calls.append((sorted(set(rates)), sorted(set(seeds))))
        return [
            {"learning_rate": rate, "seed": seed, "valid_nats": 2 + abs(math.log2(rate / best))}
            for rate, seed in zip(rates, seeds, strict=True)
        ]

    return train


def test_a_rate_inside_the_grid_is_taken_without_widening():
    calls = []
    tuning = tune(losses_around(1.0, calls), (0.5, 1.0, 2.0), [7, 8])
    assert (tuning.rate, tuning.tried, tuning.at_edge) == (1.0, (0.5, 1.0, 2.0), False)
    assert calls == [([0.5, 1.0, 2.0], [7, 8])]


def test_the_grid_grows_beyond_the_edge_that_is_best():
    tuning = tune(losses_around(4.0), (0.5, 1.0, 2.0), [7])
    assert (tuning.rate, tuning.tried, tuning.at_edge) == (4.0, (0.5, 1.0, 2.0, 4.0, 8.0), False)
    tuning = tune(losses_around(0.25), (0.5, 1.0, 2.0), [7])
    assert (tuning.rate, tuning.tried[:2]) == (0.25, (0.125, 0.25))


def test_another_rate_is_tried_beside_the_grid_and_does_not_change_its_ratio():
    tuning = tune(losses_around(10.0), (0.5, 1.0, 2.0), [7], also={10.0, 1.0})
    assert (tuning.rate, tuning.tried) == (10.0, (0.5, 1.0, 2.0, 10.0, 20.0))


def test_the_grid_grows_a_bounded_number_of_times_and_says_so():
    tuning = tune(losses_around(1e9), (1.0, 2.0), [7])
    assert len(tuning.tried) == 2 + MAX_WIDENINGS
    assert tuning.at_edge
    assert tuning.columns() == {"rates_tried": "1 2 4 8 16", "rate_at_edge": 1}


def test_a_rate_that_diverges_with_one_seed_is_not_taken():
    def train(rates, seeds):
        rows = losses_around(2.0)(rates, seeds)
        return [
            row | {"valid_nats": math.inf}
            if (row["learning_rate"], row["seed"]) == (2.0, 8)
            else row
            for row in rows
        ]

    assert tune(train, (0.5, 1.0, 2.0, 4.0), [7, 8]).rate == 1.0


def test_rates_are_chosen_with_other_seeds_than_those_that_are_measured():
    calls, tuned = [], []
    options = Options(False, (1, 2), (1001, 1002), tuned.append)
    rows = tune_and_measure(losses_around(1.0, calls), (0.5, 1.0, 2.0), options)
    assert calls == [([0.5, 1.0, 2.0], [1001, 1002]), ([1.0], [1, 2])]
    assert [row["seed"] for row in rows] == [1, 2]
    assert {row["rates_tried"] for row in rows} == {"0.5 1 2"}
    assert len(tuned) == 6
