"""When rising perplexity counts as divergence. A window here is 4 steps, a stretch 100 windows."""

import math

import pytest

from ptb.training.progress import Progress

V, STEPS, STRETCH = 50, 4, 100


def count(perplexities, windows_per_call):
    """The progress after windows of these perplexities, and in which windows it rose too far."""
    costs = [STEPS * math.log(perplexity) for perplexity in perplexities]
    progress, alarms = Progress(), []
    for first in range(0, len(costs), windows_per_call):
        some = costs[first : first + windows_per_call]
        progress, rises = progress.count(some, [1.0] * len(some), 0.1, STEPS, V)
        if rises:
            alarms.append(progress.window)
    return progress, alarms


@pytest.mark.parametrize("windows_per_call", [1, 20, 100])
@pytest.mark.parametrize(
    ("perplexities", "alarms"),
    [
        ([40] * STRETCH + [60] * STRETCH + [40] * STRETCH, [200]),
        ([40] * STRETCH + [60] * 40 + [40] * 60, []),
        # Not clearly below the 50 of guessing: an untrained model's noise.
        ([48] * STRETCH + [60] * STRETCH, []),
        # Nothing learned, and far above guessing.
        ([51**2] * STRETCH, [100]),
        ([49**2] * STRETCH, []),
    ],
)
def test_a_stretch_above_guessing_is_noticed(perplexities, alarms, windows_per_call):
    assert count(perplexities, windows_per_call)[1] == alarms


def test_a_stretch_that_is_rising_is_told_before_it_ends():
    low, high = [40] * STRETCH, [60] * 30
    assert not count(low, 10)[0].rising(STEPS, V)
    assert count(low + high, 10)[0].rising(STEPS, V)
    assert not count(high, 10)[0].rising(STEPS, V)
    assert count([51**2] * 30, 10)[0].rising(STEPS, V)


def test_what_windows_before_a_rollback_cost_does_not_count_after_it():
    bad = [60] * (STRETCH - 10)
    progress = count([40] * STRETCH + bad, 10)[0]
    progress = progress.rolled_back(progress)
    assert not progress.rising(STEPS, V)
    costs = [STEPS * math.log(40)] * 10
    assert not progress.count(costs, [1.0] * 10, 0.1, STEPS, V)[1]


def test_a_rollback_halves_the_rate_of_the_place_that_diverged():
    diverged = Progress(window=9, rollbacks=4, rate_factor=0.25)
    progress = Progress(window=3, rollbacks=3, rate_factor=0.5).rolled_back(diverged)
    assert (progress.window, progress.rollbacks, progress.rate_factor) == (3, 5, 0.125)
    assert (Progress().halvings, progress.halvings) == (0, 3)
