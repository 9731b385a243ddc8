from __future__ import annotations

import math

import numpy as np
import pytest
from arch.bootstrap import SPA

from dltrader.evaluation.statistics.spa import superior_ability

GENERATOR = np.random.default_rng(0)
BENCHMARK = GENERATOR.normal(0.0, 0.01, 1000)
NOISE = GENERATOR.normal(0.0, 0.01, (1000, 5)) + BENCHMARK[:, None]
GOOD = BENCHMARK + GENERATOR.normal(0.0015, 0.01, 1000)
BAD = BENCHMARK + GENERATOR.normal(-0.002, 0.01, 1000)
AGENTS = np.column_stack([NOISE, GOOD, BAD])


def test_it_says_what_arch_says_of_gains_in_standard_errors():
    gains = AGENTS - BENCHMARK[:, None]
    # arch's own estimate of the long-run variance of each gain, which it does not divide by.
    plain = SPA(np.zeros(1000), -gains, block_size=5, reps=1, seed=3)
    plain.compute()
    theirs = SPA(np.zeros(1000), -gains / np.sqrt(plain._loss_diff_var), block_size=5, reps=500, seed=3)
    theirs.compute()
    ours = superior_ability(AGENTS, BENCHMARK, block=5.0, resamples=500, seed=3)
    assert [ours.lower, ours.consistent, ours.upper] == list(theirs.pvalues)
    assert list(ours.superior) == list(theirs.better_models(0.05, "consistent"))


def test_a_good_agent_among_noise_is_found():
    found = superior_ability(AGENTS, BENCHMARK)
    assert found.best == 5
    assert found.superior == (5,)
    assert found.lower <= found.consistent <= found.upper < 0.01


def test_a_wild_agent_does_not_hide_a_good_one():
    wild = BENCHMARK + np.random.default_rng(1).normal(0.0, 0.5, 1000)
    found = superior_ability(np.column_stack([AGENTS, wild]), BENCHMARK)
    assert found.superior == (5,)
    assert found.consistent < 0.01


def test_noise_is_rarely_superior():
    generator = np.random.default_rng(2)
    found = [
        superior_ability(generator.normal(0.0, 0.01, (300, 10)), np.zeros(300), resamples=200).consistent < 0.05
        for _ in range(100)
    ]
    assert np.mean(found) <= 0.11  # 5 %, with a chance of 1 in 100 to be above


def test_an_agent_that_is_the_benchmark_is_not_counted():
    found = superior_ability(np.column_stack([BENCHMARK, AGENTS]), BENCHMARK, seed=4)
    assert found.superior == (6,)
    assert found.consistent == superior_ability(AGENTS, BENCHMARK, seed=4).consistent


@pytest.mark.parametrize(
    ("agents", "benchmark", "why"),
    [
        (BENCHMARK[:, None], BENCHMARK, "no agent's gain over the benchmark ever varies"),
        (AGENTS[:19], BENCHMARK[:19], "19 returns; at least 20 are needed"),
        (np.where(np.isclose(AGENTS, AGENTS.min()), np.nan, AGENTS), BENCHMARK, "1 returns are not finite"),
        (AGENTS, BENCHMARK[:-1], "agents and benchmark must be of the same bars"),
    ],
)
def test_what_cannot_be_tested_says_why(agents, benchmark, why):
    found = superior_ability(agents, benchmark)
    assert found.why.startswith(why)
    assert math.isnan(found.consistent)
    assert found.best is None
    assert found.superior == ()
