"""Every verdict says the opposite when the numbers do. All numbers here are made up."""

import itertools
import math
import random
import re

import matplotlib
import pytest

from ptb.experiments.studies import (
    batch_size,
    detach,
    gradient_flow,
    hidden_size,
    memory,
    num_steps,
    sampling,
    truncation,
    unroll,
)
from ptb.experiments.studies.chinese import chinese
from ptb.experiments.studies.figure import STYLE, png
from ptb.experiments.studies.measurements import NOT_CLEAR, has_learned
from ptb.experiments.studies.study import Options
from tests.experiments.studies.test_chinese import left_in_english

SEEDS = (1, 2, 3, 4, 5)
UNIGRAM = 4.0
STUDIES = (
    *(batch_size, detach, gradient_flow, hidden_size, memory),
    *(num_steps, sampling, truncation, unroll),
)


@pytest.fixture(autouse=True)
def every_verdict_is_there_in_chinese(monkeypatch):
    """Whatever a study says here, it can say in Chinese."""

    def checked(verdict):
        def said(rows):
            english = verdict(rows)
            assert left_in_english(chinese(english)) == []
            return english

        return said

    for study in STUDIES:
        monkeypatch.setattr(study, "verdict", checked(study.verdict))


def trained(seed, loss, **columns):
    """The columns that every training has. The seeds lie 0.01 apart."""
    return {
        "learning_rate": 1.0,
        "seed": seed,
        "updates": 100,
        "words": 40_000,
        "train_nats": loss,
        "valid_nats": loss + 0.01 * (seed - 3),
        "unigram_nats": UNIGRAM,
        "grad_norm": 1.0,
        "clipped": 0.25,
        "rates_tried": "0.5 1 2",
        "rate_at_edge": 0,
    } | columns


def batch_rows(words, updates, noise=16.0, seeds=SEEDS, **columns):
    """Losses by batch size, after the same words and after the same updates."""
    return [
        trained(seed, loss, **columns)
        | {
            "held": held,
            "batch_size": size,
            "train_tokens": 12_000,
            "noise_scale": noise if size == 20 else math.nan,
        }
        for held, losses in ((batch_size.WORDS, words), (batch_size.UPDATES, updates))
        for size, loss in losses.items()
        for seed in seeds
    ]


@pytest.mark.parametrize(
    ("words", "updates", "said"),
    [
        (
            {1: 2.5, 4: 2.51, 20: 2.6, 256: 3.5},
            {1: 3.5, 4: 3.0, 20: 2.6, 256: 2.3},
            [
                "**After the same words, batch_size 1 and 4 have the lowest loss (which of them is "
                "not clear)**",
                "**After the same words, batch 4 and batch 1 have about the same loss**",
                "**After the same words, batch 256 has a higher loss than batch 1**: a difference "
                "of +1.000 (+0.972 to +1.028) nats a word, 2.72 times the perplexity",
                "**After the same updates, batch_size 256 has the lowest loss**",
                "batch 256 has a lower loss than batch 1**: a difference of -1.200",
                "**The gradient's noise is larger than its signal up to batch 4**",
                "words, is 4.00 with 1, 2.00 with 4, 0.89 with 20",
            ],
        ),
        (
            {1: 2.55, 4: 2.5, 20: 2.5, 256: 2.5},
            {1: 2.5, 4: 2.7, 20: 2.6, 256: 2.51},
            [
                "**After the same words, batch 4 has a slightly lower loss than batch 1**",
                "**After the same updates, batch 256 and batch 1 have about the same loss**",
                "**After the same updates, batch 4 has a higher loss than batch 1**",
            ],
        ),
    ],
)  # fmt: skip
def test_batch_size(words, updates, said):
    verdict = batch_size.verdict(batch_rows(words, updates, seeds=range(1, 11)))
    for part in said:
        assert part in verdict
    assert "| same words | 4 | 100 |" in verdict


def test_a_batch_size_that_diverged_supports_no_verdict():
    rows = batch_rows({1: 2.5, 4: 2.6, 256: 3.0}, {1: 2.5, 4: 2.6, 256: 2.0})
    rows = [
        row | {"valid_nats": math.inf, "train_nats": math.inf}
        if (row["batch_size"], row["seed"]) == (256, 2)
        else row
        for row in rows
    ]
    verdict = batch_size.verdict(rows)
    assert "batch_size 1 has the lowest loss" in verdict
    assert "batch 256 has" not in verdict
    assert "Not counted: after the same words 256 and same updates 256." in verdict


def test_where_most_seeds_have_no_signal_the_noise_is_larger_at_every_batch():
    rows = batch_rows({1: 2.5, 20: 2.5}, {1: 2.5, 20: 2.5}, seeds=range(1, 11))
    noisy = [row | {"noise_scale": -50.0} if row["seed"] > 1 else row for row in rows]
    assert "noise is larger than its signal up to batch 256" in batch_size.verdict(noisy)
    few = [row for row in noisy if row["seed"] < 3]
    assert "noise is not clearly larger than its signal at any batch" in batch_size.verdict(few)


def test_the_generalization_gap_is_compared():
    rows = batch_rows({1: 2.5, 256: 2.5}, {1: 2.5, 256: 2.5})
    wider = [row | {"train_nats": 2.0} if row["batch_size"] == 256 else row for row in rows]
    assert "generalization gap is larger with batch 256" in batch_size.verdict(wider)
    assert "generalization gap does not clearly differ" in batch_size.verdict(rows)
    # Of rows that do not say which tokens the train loss is of, none is compared.
    older = [{n: v for n, v in row.items() if n != "train_tokens"} for row in wider]
    assert "gap" not in batch_size.verdict(older)


def hidden_rows(losses, with_fewer=None, **columns):
    """Losses by hidden size, and with the multiplications of the next smaller size."""
    sizes = sorted(losses)
    cases = [(size, size, losses[size]) for size in sizes]
    for small, large in itertools.pairwise(sizes):
        cases.append((large, small, (with_fewer or {}).get(large, losses[large])))
    return [
        trained(seed, loss, **columns)
        | {
            "hidden_size": size,
            "as_many_as": other,
            "updates": 50 * point * other // size,
            "giga_multiplications": point * other / 16,
        }
        for size, other, loss in cases
        for seed in SEEDS
        for point in (1, 2)
    ]


@pytest.mark.parametrize(
    ("losses", "with_fewer", "said"),
    [
        (
            {16: 2.5, 32: 2.2, 64: 2.0},
            {32: 2.9, 64: 2.4},
            [
                "**After the same 100 updates (and words), 64 units have the lowest loss**: 2.000",
                "**After the same 100 updates (and words), 64 units have a lower loss than 16 "
                "units**: 2.000 (1.980 to 2.020) nats a word with 64, and 2.500",
                "**After the same number of multiplications, no larger size has a clearly lower "
                "loss than the next smaller one**",
                "2 billion: 2.500 (2.480 to 2.520) with 16 units, 2.900",
                "4 billion: 2.200 (2.180 to 2.220) with 32 units, 2.400",
            ],
        ),
        (
            {16: 2.5, 32: 1.9, 64: 2.5},
            {32: 2.0, 64: 1.5},
            [
                "32 units have the lowest loss**",
                "the losses of 64 units and 16 units do not clearly differ**",
                "no larger size has a clearly higher loss than the next smaller one**",
            ],
        ),
        (
            {16: 2.5, 32: 2.5},
            {},
            ["16 and 32 units have the lowest loss (which of", "no size is clearly ahead"],
        ),
        (
            {16: 2.6, 32: 2.4, 64: 2.3},
            {32: 2.5, 64: 2.9},
            ["(16 to 32: lower, 32 to 64: higher)"],
        ),
    ],
)  # fmt: skip
def test_hidden_size(losses, with_fewer, said):
    verdict = hidden_size.verdict(hidden_rows(losses, with_fewer))
    for part in said:
        assert part in verdict


def test_a_hidden_size_that_learned_nothing_supports_no_verdict():
    verdict = hidden_size.verdict(hidden_rows({16: 4.5, 32: 2.5, 64: 2.0}))
    assert "64 units have a lower loss than 32 units" in verdict
    assert "4 billion: 2.500" in verdict
    assert "2 billion" not in verdict
    assert "Not counted: hidden_size 16." in verdict


def test_one_hidden_size_that_learned_is_compared_with_nothing():
    verdict = hidden_size.verdict(hidden_rows({16: 4.5, 32: 4.5, 64: 2.0}, {64: 4.5}))
    assert "**" not in verdict
    assert (
        "Not counted: hidden_size 16, 32, 32 with the multiplications of 16 and 64 with the "
        "multiplications of 32." in verdict
    )


def num_steps_rows(carried, reset, norms, floor=8.0, loss=2.0):
    """Perplexities by num_steps; for each network the norms of windows of 40 and of 80 steps."""
    losses = [
        trained(seed, math.log(perplexity))
        | {
            "measured": num_steps.LOSS,
            "setting": state,
            "num_steps": length,
            "num_epochs": 3,
            "window": length,
            "floor": floor,
            "spectral_radius": math.nan,
        }
        for state, perplexities in (("carried", carried), ("reset", reset))
        for length, perplexity in perplexities.items()
        for seed in SEEDS
    ]
    return losses + [
        trained(seed, loss if "trained" in setting else 5.0)
        | {
            "measured": num_steps.NORM,
            "setting": setting,
            "num_steps": 80,
            "num_epochs": 3 if "trained" in setting else 0,
            "window": window,
            "floor": math.nan,
            "spectral_radius": 0.9,
            "grad_norm": norm * (1 + 0.02 * seed),
        }
        for setting, by_window in norms.items()
        for window, norm in by_window.items()
        for seed in SEEDS
    ]


# A window of 80 steps sums 3,240 terms, and one of 40 steps 820: 3.951 times as many.
NORMS = {"RNN, radius 0.5": {40: 2.0, 80: 7.8}, "RNN, radius 2": {40: 2.0, 80: 8.0}}


def test_num_steps():
    few = num_steps.verdict(num_steps_rows({1: 12, 5: 10, 20: 10}, {1: 16, 5: 14, 20: 10.5}, NORMS))
    assert "**After epoch 3, with the state carried, num_steps 5 is enough**" in few
    assert "The lowest is 10.00 (9.81 to 10.20) at num_steps 5, not clearly below 20." in few
    assert "**After epoch 3, with the state reset, nothing below num_steps 20 is enough**" in few
    assert "a longer one may be better" in few
    of_terms = "than its number of terms**"
    assert f"the gradient of the untrained RNN with radius 2 grows faster {of_terms}" in few
    assert f"the gradient of the untrained RNN with radius 0.5 grows no faster {of_terms}" in few
    assert "it clips 25% of the windows at num_steps 1, and 25% at 20" in few
    assert "| RNN, radius 2 | 0.90 | not trained | 2.12 | 8.48 | 4 | 5 of 5 |" in few
    many = num_steps.verdict(
        num_steps_rows({1: 12, 5: 10.15, 20: 10}, {1: 9, 5: 9, 20: 9}, NORMS, math.nan)
    )
    assert "is enough; whether 5 would be enough is not clear**" in many
    assert "**After epoch 3, with the state reset, num_steps 1 is enough**" in many
    assert "floor" not in many


def test_an_rnn_that_diverged_says_nothing_of_explosions():
    norms = NORMS | {"RNN, trained": {40: 2.0, 80: 900.0}}
    rows = num_steps_rows({1: 12, 5: 10}, {1: 16, 5: 14}, norms, loss=9.0)
    verdict = num_steps.verdict(rows)
    assert "untrained RNN with radius 2 grows faster than its number of terms**" in verdict
    assert "Not counted: num_steps RNN, trained." in verdict


def test_an_explosion_that_only_some_seeds_have_is_not_clear():
    rows = num_steps_rows({1: 12, 5: 10}, {1: 16, 5: 14}, {"RNN, radius 1": {40: 1.0, 80: 4.0}})
    rows = [
        row | {"grad_norm": row["grad_norm"] * (2.0 if row["seed"] > 2 else 0.5)}
        if row["window"] == 80
        else row
        for row in rows
    ]
    verdict = num_steps.verdict(rows)
    assert "RNN with radius 1 does not clearly grow faster than its number of terms**" in verdict
    assert "| 3 of 5 |" in verdict
    # One infinite norm of five decides nothing.
    rows = [
        row | {"grad_norm": math.inf if row["seed"] == 1 else 0.5} if row["window"] == 80 else row
        for row in rows
    ]
    assert "does not clearly grow faster" in num_steps.verdict(rows)


def test_how_many_steps_are_enough_is_said_of_those_that_learned():
    def said(carried, failed=()):
        rows = [
            row | {"valid_nats": math.inf}
            if row["num_steps"] in failed and row["setting"] == "carried" and row["seed"] == 1
            else row
            for row in num_steps_rows(carried, dict.fromkeys(carried, 9), NORMS)
        ]
        return num_steps.verdict(rows)

    alone = said({1: 12, 5: 10, 20: 10}, failed=(5, 20))
    assert "**After epoch 3, with the state carried, only num_steps 1 learned**" in alone
    # Whether 20 would be enough is not known.
    assert "with the state carried, num_steps 40 is enough**" in said(
        {5: 14, 20: 12, 40: 10}, failed=(20,)
    )
    # The lowest lies at the edge of what was tried, though less is enough.
    edge = said({10: 11, 20: 10.05, 40: 9.93})
    assert "carried, nothing below num_steps 40 is enough; whether 20 would be" in edge
    assert "at num_steps 40, not clearly below 20. That is the longest that was tried" in edge


def test_the_lowest_perplexity_is_as_uncertain_as_any():
    """5 steps are within 2% of the mean of the lowest, which is not known well enough."""
    rows = [
        row | {"valid_nats": row["valid_nats"] + 0.1 * (row["seed"] - 3)}
        if (row["measured"], row["num_steps"]) == (num_steps.LOSS, 20)
        else row
        for row in num_steps_rows({1: 14, 5: 10.15, 20: 10}, {1: 9, 5: 9, 20: 9}, NORMS)
    ]
    verdict = num_steps.verdict(rows)
    assert (
        "with the state carried, nothing below num_steps 20 is enough; whether 5 would be enough "
        "is not clear**" in verdict
    )


def sampling_rows(carried, reset, random, shuffled=None, floors=(8.0, 14.0)):
    """For each kind the perplexity scored with a carried state, and with a zeroed one."""
    perplexities = {
        sampling.CARRIED: carried,
        sampling.RESET: reset,
        sampling.SHUFFLED: shuffled or random,
        sampling.RANDOM: random,
    }
    return [
        trained(seed, 0.0)
        | {
            "num_steps": 5,
            "sampling": kind,
            "scored": scored,
            "valid_nats": math.log(perplexity) + 0.001 * seed,
            "floor_full_memory": floors[0],
            "floor_window_memory": floors[1],
        }
        for kind, both in perplexities.items()
        for scored, perplexity in zip((sampling.CARRY, sampling.ZERO), both, strict=True)
        for seed in SEEDS
    ]


def test_sampling():
    worth = sampling.verdict(sampling_rows((9, 20), (13, 15), (11, 15), (12, 16)))
    assert "**At num_steps 5, carrying the state lowers the loss**" in worth
    assert "in scoring: +0.511" in worth
    zeroed, carried = "with the state zeroed", "with the state carried in scoring"
    assert f"{zeroed}, training on random windows makes no difference**" in worth
    assert f"{zeroed}, training on shuffled windows raises the loss**" in worth
    assert f"{carried}, training on random windows raises the loss**" in worth
    assert f"{carried}, training with the state zeroed raises the loss**" in worth
    assert f"{zeroed} in scoring, training with the carried state raises the loss**" in worth
    assert "compared with training with it zeroed: +0.288" in worth
    assert "| trained random | 11.03 (11.01 to 11.05) | 15.05 (15.02 to 15.07) | 25 |" in worth
    costs = sampling.verdict(sampling_rows((15, 15), (9, 9), (15, 12)))
    assert "carrying the state raises the loss**" in costs
    assert f"{zeroed}, training on random windows raises the loss**" in costs
    assert f"{carried}, training on random windows makes no difference**" in costs
    assert f"{carried}, training with the state zeroed lowers the loss**" in costs
    doubtful = sampling.verdict(
        sampling_rows((9, 9), (9.18, 9.18), (9, 8), floors=(math.nan, math.nan))
    )
    assert "carrying the state slightly lowers the loss**" in doubtful
    assert f"{zeroed}, training on random windows lowers the loss**" in doubtful
    assert "floor" not in doubtful


def test_a_kind_of_sampling_that_diverged_supports_no_verdict():
    rows = [
        row | {"valid_nats": math.inf}
        if (row["sampling"], row["scored"], row["seed"]) == (sampling.RANDOM, sampling.ZERO, 1)
        else row
        for row in sampling_rows((9, 20), (13, 15), (11, 15))
    ]
    verdict = sampling.verdict(rows)
    # What the other scoring of it says still stands.
    assert "with the state zeroed, training on random windows" not in verdict
    assert "with the state carried in scoring, training on random windows raises" in verdict
    assert "| trained random | 11.03 (11.01 to 11.05) |  |  |" in verdict
    assert "Not counted: num_steps 5 random (scored zeroed)." in verdict
    nothing = sampling.verdict([row | {"valid_nats": math.inf} for row in rows])
    assert "**" not in nothing


def detach_rows(extra_mb, times, apart=0.01):
    """Megabytes and milliseconds by the windows kept. The seeds lie `apart`, as a share."""
    return [
        {
            "num_layers": 2,
            "num_steps": 20,
            "seed": seed,
            "kept_windows": kept,
            "extra_mb": extra_mb[kept] * (1 + apart * (seed - 3)),
            "ms_per_window": times[kept] * (1 + apart * (seed - 3)),
        }
        for seed in SEEDS
        for kept in times
    ]


def test_detach():
    grows = detach.verdict(detach_rows({1: 0, 8: 80, 16: 160}, {1: 10, 8: 40, 16: 80}))
    assert (
        "**Memory grows with every window that is kept**: 16 windows take 160 (157 to 163) MB"
        in grows
    )
    assert "about 10.7 (10.5 to 10.9) MB a window" in grows
    assert (
        "**The time of a window grows with every window that is kept**: 10.0 (9.8 to 10.2) ms"
        in grows
    )
    assert "8.0 times as long" in grows
    assert "to the power 0.97 (1 is linear)" in grows
    assert "until memory runs out" in grows
    assert "Measured with 2 x 200 LSTM, batch_size 20, num_steps 20." in grows
    stays = detach.verdict(detach_rows({1: 0, 8: 1, 16: 1}, {1: 10, 8: 10, 16: 10}))
    assert "**Memory stays about the same**" in stays
    assert "**The time of a window stays about the same**" in stays
    assert "until memory runs out" not in stays


def test_what_the_seeds_of_detach_do_not_agree_on_is_not_clear():
    # A quarter more at 16 windows than at 8, though the seeds lie farther apart than that.
    rows = detach_rows({1: 0, 8: 80, 16: 100}, {1: 10, 8: 40, 16: 50}, apart=0.3)
    assert "**Memory grows with every window that is kept**" in detach.verdict(rows)
    # With one seed it is less.
    doubt = detach.verdict(
        [
            row | {"extra_mb": 0.5 * row["extra_mb"], "ms_per_window": 0.5 * row["ms_per_window"]}
            if (row["kept_windows"], row["seed"]) == (16, 5)
            else row
            for row in rows
        ]
    )
    assert "**Memory grows, but not clearly with every window that is kept**" in doubt
    assert "**The time of a window grows, but not clearly with every window that is kept**" in doubt
    assert "until memory runs out" not in doubt
    rows = detach_rows({1: 0, 8: 0, 16: 10}, {1: 10, 8: 10, 16: 10}, apart=0.3)
    times = {1: 10, 2: 40, 3: 10, 4: 20, 5: 10}
    rows = [
        row | {"ms_per_window": times[row["seed"]]} if row["kept_windows"] == 16 else row
        for row in rows
    ]
    doubt = detach.verdict(rows)
    assert "**It is not clear whether memory grows**" in doubt
    assert "**It is not clear whether the time of a window grows**" in doubt


def gradient_rows(factors, losses=None, scales=(0.18,), farthest=10):
    """Norms that fall by a factor a step: 0.5 without training, `factors[network]` with it."""
    losses = losses or {}
    return [
        trained(seed, losses.get(network, 2.0) if epochs else 5.7)
        | {
            "network": network,
            "init_scale": scale,
            "trained_epochs": epochs,
            "steps_back": farthest,
            "spectral_radius": 1.25,
            "gate": 0.5,
            "k": k,
            "norm": ((factor if epochs else 0.5) * (1 + 0.01 * (seed - 3))) ** k,
        }
        for network, factor in factors.items()
        for scale, epochs in [*((scale, 0) for scale in scales), (0.18, 3)]
        for seed in SEEDS
        for k in (0, 1, *range(5, farthest + 1, 5))
    ]


def test_gradient_flow():
    # A thousandth of k = 1 is left log(0.001) / log(factor) steps on, of which there are 30.96,
    # 65.6, 19.4 and 31.1.
    factors = {"RNN": 0.8, "GRU": 0.9, "LSTM": 0.7, "LSTM, forget bias 1": 0.801}
    verdict = gradient_flow.verdict(gradient_rows(factors, farthest=80))
    assert "**The gradient of the GRU reaches farther back than the plain RNN's**: ≥ 67." in verdict
    assert "steps until less than 0.001 is left, the RNN 32.1 (" in verdict
    assert "**The gradient of the LSTM reaches less far back than the plain RNN's**" in verdict
    assert (
        "**It is not clear whether the gradient of the LSTM with forget bias 1 or of the plain RNN "
        "reaches farther**"
    ) in verdict
    assert "forget bias of 1, the trained LSTM's gradient reaches farther than with 0" in verdict
    assert (
        "**Before training, it is not clear which network reaches farthest** (init_scale): not "
        "clear at 0.18." in verdict
    )
    assert "| init_scale 0.18 | 11.0 (10.7 to 11.3), radius 1.25 |" in verdict
    # With one seed of five, more than a thousandth of the GRU's is left.
    but = "every trained network has vanished, but not clearly for the GRU.**"
    assert f"**80 steps back, the gradient of {but}" in verdict
    half = gradient_flow.verdict(gradient_rows({"RNN": 0.8, "GRU": 0.4, "LSTM": 2.5}, farthest=40))
    assert "The gradient of the GRU reaches less far" in half
    assert "| ≥ 40.0, radius 1.25 |" in half  # the farthest step
    far = gradient_flow.verdict(gradient_rows({"RNN": 0.8, "GRU": 2.5}, farthest=40))
    assert "**: ≥ 40.0 steps until less than 0.001 is left, the RNN 32.1 (" in far
    assert re.search(r"until less is left than 0.001 \| 32.1 \(.+\) \| ≥ 40.0 \|", far)
    assert "RNN: vanished; GRU: vanished; LSTM: exploded.**" in half


def test_a_gradient_that_falls_fast_at_first_can_fall_slowly_far_back():
    """What an LSTM does: where less must be left it reaches farther than an RNN."""
    rows = gradient_rows({"RNN": 0.6, "LSTM": 0.5}, farthest=60)
    slow = [
        row | {"norm": row["norm"] * (0.8 / 0.5) ** (row["k"] - 6)}
        if row["network"] == "LSTM" and row["k"] > 6
        else row
        for row in rows
    ]
    verdict = gradient_flow.verdict(slow)
    assert (
        "**Whether the gradient of the LSTM or of the plain RNN reaches farther depends on how "
        "much must be left" in verdict
    )
    assert (
        "**Far back, the gradient of the LSTM falls more slowly than the plain RNN's**: one step "
        "back multiplies it by 0.800"
    ) in verdict


def test_which_network_reaches_farthest_before_training_is_told_as_far_as_it_is_clear():
    """`farthest` has the networks whose gradient falls the slowest at each scale."""

    def said(**farthest):
        rows = gradient_rows({"RNN": 0.8, "GRU": 0.8}, scales=(0.1, 0.2))
        scale_of = {"low": 0.1, "high": 0.2}
        slow = {(scale_of[name], each) for name, all_ in farthest.items() for each in all_}
        return gradient_flow.verdict(
            [
                row
                | {"norm": (0.3 + 0.1 * ((row["init_scale"], row["network"]) in slow)) ** row["k"]}
                if not row["trained_epochs"]
                else row
                for row in rows
            ]
        )

    both = ("RNN", "GRU")
    assert "the GRU reaches farthest**" in said(low=["GRU"], high=["GRU"])
    assert "farthest, but not clearly at every scale**" in said(low=["GRU"], high=both)
    assert "it is not clear which network reaches farthest**" in said(low=both, high=both)
    assert "depends on the weights' scale**" in said(low=["GRU"], high=["RNN"])


def test_reach_is_interpolated_on_the_logarithm():
    norms = {0: 2.0, 10: 2e-2, 20: 2e-4, 30: 2e-6}
    assert gradient_flow.reach([{"k": k, "norm": n} for k, n in norms.items()]) == pytest.approx(15)
    kept = [{"k": k, "norm": 1.0} for k in norms]
    assert gradient_flow.reach(kept) == 30
    # From where on less is left: a gradient that falls and rises again reaches farther.
    back = {0: 1.0, 10: 1e-5, 20: 1.0, 30: 1e-6}
    assert gradient_flow.reach([{"k": k, "norm": n} for k, n in back.items()]) == pytest.approx(25)
    assert gradient_flow.reach([{"k": 0, "norm": 1.0}, {"k": 10, "norm": 0.0}]) == pytest.approx(
        0.1, rel=0.01
    )


def test_the_factor_of_a_step_is_told_near_and_far():
    rows = gradient_rows({"RNN": 0.8, "GRU": 0.9})
    assert "k = 1 to 20" not in gradient_flow.verdict(rows)
    far = [row | {"k": row["k"] * 4} if row["k"] % 5 == 0 else row for row in rows]  # 1, 20, 40
    halves = [row | {"norm": 0.5 ** row["k"] if row["k"] <= 20 else 0.5**20} for row in far]
    verdict = gradient_flow.verdict(halves)
    assert "| factor of one step, k = 1 to 20 | 0.500 |" in verdict
    assert "| factor of one step, k = 20 to 40 | 1.000 |" in verdict


def test_the_step_in_which_the_gradient_enters_c_does_not_count():
    """The loss reads h alone: in an LSTM the norm falls by more from k = 0 to k = 1, once."""
    rows = [
        row | {"norm": 100.0} if row["k"] == 0 and row["network"] == "LSTM" else row
        for row in gradient_rows({"RNN": 0.6, "LSTM": 0.7}, farthest=60)
    ]
    verdict = gradient_flow.verdict(rows)
    assert "**The gradient of the LSTM reaches farther back than the plain RNN's**" in verdict


def test_a_share_at_which_networks_do_not_clearly_differ_is_named():
    rows = gradient_rows({"RNN": 0.6, "LSTM": 0.7, "LSTM, forget bias 1": 0.8}, farthest=60)
    # Up to 10 steps, where a hundredth is left, all fall alike.
    alike = [row | {"norm": 0.6 ** row["k"]} if row["k"] <= 10 else row for row in rows]
    verdict = gradient_flow.verdict(alike)
    but = ", but not clearly if the share is 0.1"
    assert f"**The gradient of the LSTM reaches farther back than the plain RNN's{but}" in verdict
    assert f"the trained LSTM's gradient reaches farther than with 0{but}" in verdict
    assert "60 steps back, the gradient of every trained network has vanished.**" in verdict


def test_what_became_of_a_gradient_is_what_it_is_for_most_seeds():
    def region(*farthest):
        rows = [
            {"seed": seed, "k": k, "norm": norm}
            for seed, last in enumerate(farthest)
            for k, norm in ((1, 1.0), (60, last))
        ]
        return gradient_flow.region(rows)

    assert region(*[1e-5] * 5) == "vanished"
    assert region(*[1e5] * 5) == "exploded"
    assert region(*[0.5] * 5) == "reaches"
    # Three vanish and two explode: neither, and not what their mean factor says.
    assert region(1e-9, 1e-9, 1e-9, 1e7, 1e7) == NOT_CLEAR
    assert region(*[1e-5] * 9, math.inf) == "vanished"
    # All of it is gone after one step.
    assert region(*[0.0] * 5) == "vanished"


def test_a_norm_that_underflows_at_once_has_at_most_that_factor():
    gone = [{"k": 1, "norm": 1.0}, {"k": 2, "norm": 0.0}]
    assert gradient_flow.decay(gone) == pytest.approx(1e-30)
    assert math.isnan(gradient_flow.decay([{"k": 20, "norm": 0.0}, {"k": 30, "norm": 0.0}]))
    # What was not measured is not compared.
    verdict = gradient_flow.verdict(gradient_rows({"RNN": 0.001, "GRU": 0.8}, farthest=60))
    assert "Far back, it is not clear whether the gradient of the GRU or of the plain" in verdict


def test_a_network_that_diverged_is_compared_with_nothing():
    factors = {"RNN": 0.1, "GRU": 0.9, "LSTM": 0.8}
    verdict = gradient_flow.verdict(gradient_rows(factors, {"RNN": 8.0}))
    assert "**The plain RNN did not learn, so nothing is compared with it.**" in verdict
    assert "farther back" not in verdict
    assert "Not counted: the trained RNN." in verdict
    verdict = gradient_flow.verdict(gradient_rows(factors, {"GRU": math.inf}))
    assert "gradient of the GRU" not in verdict
    assert "gradient of the LSTM reaches farther back" in verdict


def memory_rows(passing, optimizer="SGD", updates=100):
    """For each network the seeds, of ten, that remember each delay."""
    return [
        {
            "optimizer": optimizer,
            "network": network,
            "longest": 20,
            "most_updates": 1000,
            "learning_rate": 1.0,
            "seed": seed,
            "delay": delay,
            "accuracy": 1.0 if seed <= good else 0.25,
            "updates": updates if seed <= good else 2000,
            "score": 1.0,
            "rates_tried": "0.3 1 3",
            "rate_at_edge": 0,
        }
        for network, seeds in passing.items()
        for delay, good in seeds.items()
        for seed in range(1, 11)
    ]


def test_memory():
    rows = memory_rows({"RNN": {5: 10, 10: 0}, "GRU": {5: 10, 10: 9, 20: 6}, "LSTM": {5: 8, 10: 2}})
    verdict = memory.verdict(rows)
    assert (
        "**With SGD, the GRU remembers longer than the RNN after 1,000 updates**. They first "
        "differ at 10 words" in verdict
    )
    assert (
        "90% (60% to 98%) of the seeds remember with the GRU, 0% (0% to 28%) with the RNN"
        in verdict
    )
    # 8 against 10 of 10, and 2 against 0, may be chance.
    assert (
        "**With SGD, it is not clear whether the LSTM or the RNN remembers longer after 1,000 "
        "updates**" in verdict
    )
    assert "| SGD | RNN | 10/10 | 0/10 | - | 5 |" in verdict
    assert "| SGD | GRU | 10/10 | 9/10 | 6/10 | 10 |" in verdict
    assert "| SGD | LSTM | 8/10 | 2/10 | not tried | 0 |" in verdict
    assert "the same after 500 updates as after 1,000" in verdict
    assert "No network that forgot had its best rate at the edge" in verdict
    shorter = memory.verdict(memory_rows({"RNN": {5: 10, 10: 10}, "GRU": {5: 10, 10: 0}}, "Adam"))
    assert "**With Adam, the RNN remembers longer than the GRU after 1,000 updates**" in shorter
    assert "| Adam | RNN | 10/10 | 10/10 | 10 or more |" in shorter


def test_networks_that_are_ahead_at_different_delays_are_not_clear():
    rows = memory_rows({"RNN": {5: 10, 10: 0}, "GRU": {5: 2, 10: 10, 20: 10}})
    verdict = memory.verdict(rows)
    assert "**With SGD, it is not clear whether the GRU or the RNN remembers longer" in verdict
    assert "Each is clearly ahead at some delay." in verdict


def test_memory_says_where_more_updates_or_another_rate_would_change_it():
    late = memory_rows({"RNN": {5: 10, 10: 0}, "GRU": {5: 10, 10: 10}}, updates=900)
    verdict = memory.verdict([row | {"rate_at_edge": 1} for row in late])
    assert "between 500 and 1,000 updates, the longest delay grew for" in verdict
    assert "GRU with SGD (0 words, then 10)" in verdict
    assert "A better rate may exist beyond the grid's edge for RNN with SGD at 10." in verdict


def test_memory_says_where_the_rate_of_a_shorter_delay_was_not_tried():
    rows = memory_rows({"RNN": {5: 10, 10: 10, 20: 0}, "GRU": {5: 10, 10: 10, 20: 10}})
    assert "was not tried, and may be better" not in memory.verdict(rows)
    rows = [row | {"learning_rate": 10.0} if row["delay"] == 10 else row for row in rows]
    said = "next shorter delay was not tried, and may be better, for RNN with SGD at 20."
    assert said in memory.verdict(rows)


def test_memory_says_what_the_optimizers_agree_on():
    sgd = {"RNN": {5: 10, 20: 0}, "GRU": {5: 10, 20: 10}, "LSTM": {5: 0}}
    adam = {"RNN": {5: 10, 10: 0}, "GRU": {5: 10, 10: 10}, "LSTM": {5: 10, 10: 10}}
    short = [row | {"longest": 10} for row in memory_rows(adam, "Adam")]
    verdict = memory.verdict(memory_rows(sgd) + short)
    assert (
        "**With every optimizer, the GRU remembers longer than the RNN after 1,000 updates**"
        in verdict
    )
    assert (
        "**The optimizer decides whether the LSTM or the RNN remembers longer after 1,000 updates**"
        in verdict
    )
    assert "| Adam | GRU | 10/10 | 10/10 | not tried | 10 or more |" in verdict
    assert "With Adam, only delays up to 10 were tried." in verdict
    unclear = memory_rows(adam | {"LSTM": {5: 10, 10: 1}, "GRU": {5: 0}}, "Adam")
    verdict = memory.verdict(memory_rows(sgd | {"GRU": {5: 1}}) + unclear)
    assert (
        "**With every optimizer, the RNN remembers longer than the GRU after 1,000 updates**"
        in verdict
    )
    assert "**With at least one optimizer, it is not clear whether the LSTM or the RNN" in verdict


def unroll_rows(operations, speed, trace=(1.0, 2.0, 0.5), by_seed=None):
    """`by_seed` has the words a second of some mode for each seed."""
    by_seed = by_seed or {}
    return [
        {
            "unroll": mode,
            "num_steps": length,
            "seed": seed,
            "operations": operations[mode] * (length if mode != "loop" else 1),
            "trace_seconds": seconds,
            "first_call_seconds": 1.0,
            "words_per_second": by_seed[mode][seed - 1] if mode in by_seed else speed[mode],
            "peak_mb": 50.0,
        }
        for mode, seconds in zip(("static", "fused", "loop"), trace, strict=True)
        for length in (5, 40)
        for seed in SEEDS
    ]


OPERATIONS = {"static": 10, "fused": 11, "loop": 99}


def test_unroll():
    words = unroll.verdict(unroll_rows(OPERATIONS, {"static": 2000, "fused": 4000, "loop": 1000}))
    assert "grows with num_steps for static and fused and stays about the same for loop" in words
    assert (
        "**At num_steps 40, fused is fastest**: fused is 2.00 times static and 4.00 times loop"
        in words
    )
    assert "makes up for that after about 2,000 words" in words
    words = unroll.verdict(unroll_rows(OPERATIONS, {"static": 100, "fused": 400, "loop": 1000}))
    assert "loop is fastest**" in words
    assert "makes up" not in words
    near = {"static": (390, 410, 380, 420, 395)}
    words = unroll.verdict(unroll_rows(OPERATIONS, {"fused": 400, "loop": 100}, by_seed=near))
    assert "**At num_steps 40, fused and static are fastest (which of them is not clear)**" in words
    # A machine that gets slower by the seed does so for all three.
    drift = {mode: [f * s for s in (1.0, 0.8, 0.5, 0.4, 0.3)]
             for mode, f in (("static", 400), ("fused", 440), ("loop", 100))}  # fmt: skip
    words = unroll.verdict(unroll_rows(OPERATIONS, {}, by_seed=drift))
    assert "**At num_steps 40, fused is fastest**: fused is 1.10 times static" in words
    # The modes are compared seed by seed, whatever the order of the rows.
    rows = sorted(unroll_rows(OPERATIONS, {}, by_seed=drift), key=lambda row: -row["seed"])
    rows.sort(key=lambda row: row["unroll"] == "static" and row["seed"])
    assert unroll.verdict(rows) == words


def test_a_speed_that_one_seed_makes_pays_nothing_back():
    speed = {"loop": [100.0] * 4 + [1e5], "fused": [200.0] * 4 + [0.95e5]}
    words = unroll.verdict(unroll_rows(OPERATIONS, {"static": 10}, by_seed=speed))
    assert "after about -" not in words


def truncation_rows(cosines, loss=2.0, apart=0.0):
    """Cosines of the recurrent kernel; of the softmax they are 1. The seeds lie `apart`."""
    return [
        trained(seed, loss if epochs else 5.7)
        | {
            "trained_epochs": epochs,
            "stretch": 160,
            "num_steps": n,
            "weights": weights,
            "cosine": 1.0 if weights == "softmax" else cosine + apart * (seed - 3),
            "norm_ratio": 0.5,
        }
        for epochs, by_length in cosines.items()
        for n, cosine in by_length.items()
        for weights in (truncation.RECURRENT, "softmax")
        for seed in SEEDS
    ]


def test_truncation():
    right = truncation.verdict(
        truncation_rows({0: {1: 0.995, 20: 1, 160: 1}, 5: {1: 0.5, 20: 0.992, 160: 1}})
    )
    assert right.startswith("**At num_steps 20, truncation hardly changes the direction of the")
    assert "full gradient is 0.9920, and its length is 0.500" in right
    assert "The cosine is 1.0000 for the softmax." in right
    assert "**After epoch 5, num_steps 20 is enough for the recurrent weights**" in right
    assert "A cosine of 0.99 takes num_steps 20: it is 0.9920 there" in right
    assert "A cosine of 0.99 takes num_steps 1: it is 0.9950 there" in right
    assert "| softmax | 1.0000 | 1.0000 | 1.0000 |" in right
    wrong = truncation.verdict(truncation_rows({5: {1: 0.5, 20: 0.8, 160: 1}}))
    assert "truncation noticeably changes" in wrong
    assert "**After epoch 5, num_steps 20 is not enough for the recurrent weights**" in wrong
    assert "A cosine of 0.99 takes num_steps 160" in wrong
    doubtful = truncation.verdict(truncation_rows({5: {1: 0.5, 20: 0.99, 160: 1}}, apart=0.004))
    assert "truncation does not clearly change" in doubtful
    assert "it is not clear whether num_steps 20 is enough" in doubtful
    assert "Not clear: num_steps 20." in doubtful
    broken = truncation_rows({5: {1: 0.5, 20: 0.8, 160: 1}})
    broken = [
        row | {"cosine": math.nan} if (row["num_steps"], row["seed"]) == (20, 1) else row
        for row in broken
    ]
    verdict = truncation.verdict(broken)
    assert "truncation does not clearly change" in verdict
    assert "it is not clear whether num_steps 20 is enough" in verdict


def test_the_truncated_gradient_of_a_model_that_learned_nothing_supports_no_verdict():
    verdict = truncation.verdict(truncation_rows({5: {1: 0.5, 20: 0.8, 160: 1}}, loss=4.5))
    assert "**" not in verdict
    assert "Not counted: epoch 5." in verdict


MADE_UP = [
    (batch_size, batch_rows({1: 3, 20: 2, 64: 2.5}, {1: 3, 20: 2, 64: 1.5})),
    (hidden_size, hidden_rows({16: 2.5, 32: 2.0})),
    (num_steps, num_steps_rows({1: 9, 5: 8}, {1: 9, 5: 8}, NORMS)),
    (num_steps, num_steps_rows({1: 9, 5: 8}, {1: 9, 5: 400}, NORMS)),  # learned nothing
    (batch_size, batch_rows({1: 3, 20: 2, 64: 9}, {1: 3, 20: 2, 64: 1.5})),
    (sampling, sampling_rows((9, 20), (13, 15), (11, 15))),
    (detach, detach_rows({1: 0, 8: 80}, {1: 10, 8: 40})),
    (gradient_flow, gradient_rows({"RNN": 0.3, "GRU": 0.9, "LSTM": 1.2})),
    (memory, memory_rows({"RNN": {5: 10, 10: 0}, "GRU": {5: 10, 10: 10, 20: 6}})),
    (unroll, unroll_rows(OPERATIONS, {"static": 1, "fused": 2, "loop": 3})),
    (truncation, truncation_rows({0: {1: 0.9, 20: 0.99, 160: 1}})),
]


@pytest.mark.parametrize(
    ("study", "rows"), MADE_UP, ids=lambda value: getattr(value, "__name__", "")
)
def test_every_figure_is_drawn_with_a_unit_on_each_axis(study, rows):
    with matplotlib.rc_context(STYLE):
        figure = study.draw(rows)
        figure.canvas.draw()
    assert figure.get_figwidth() * figure.dpi == 800
    for axes in figure.axes:
        assert axes.get_xlabel()
        assert axes.get_ylabel()
        assert axes.get_title()


# Columns that no training decides.
GIVEN = {"unigram_nats", "learning_rate", "init_scale", "floor", "giga_multiplications"}
TRAINED = pytest.mark.parametrize(
    ("study", "rows"),
    [case for case in MADE_UP if "valid_nats" in case[1][0]],
    ids=lambda value: getattr(value, "__name__", ""),
)


def with_failures(study, rows, value):
    """The rows with one failed training, with two, ... and with all: their figures are `value`."""
    columns = study.STUDY.cases(Options(quick=False, seeds=SEEDS))[0].keys()

    def setting(row):
        return [row.get(name) for name in columns]

    def failed(row):
        measured = {name for name, each in row.items() if isinstance(each, float)}
        return row | dict.fromkeys(measured - GIVEN - columns, value)

    settings = []
    for row in rows:
        if has_learned(row) and setting(row) not in settings:
            settings.append(setting(row))
    rng = random.Random(0)
    for count in range(1, len(settings) + 1):
        some = rng.sample(settings, count)
        yield [failed(row) if setting(row) in some else row for row in rows]


@TRAINED
@pytest.mark.parametrize("value", [math.inf, math.nan, 800.0])
def test_a_verdict_is_given_whichever_trainings_failed(study, rows, value):
    for some in with_failures(study, rows, value):
        assert "Not counted: " in study.verdict(some)


@TRAINED
def test_a_figure_is_drawn_if_all_trainings_failed(study, rows):
    (*_, failed) = [rows, *with_failures(study, rows, math.inf)]
    assert png(study.draw, failed).startswith(b"\x89PNG")
