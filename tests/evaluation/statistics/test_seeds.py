from __future__ import annotations

import math

import numpy as np
import pytest

from dltrader.errors import ConfigError
from dltrader.evaluation.statistics.seeds import interquartile_mean, seeds_interval


def test_the_interquartile_mean_leaves_a_quarter_out_at_either_end():
    assert interquartile_mean(np.array([100.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, -50.0])) == 3.5
    assert interquartile_mean(np.arange(10.0) ** 3) == np.mean(np.arange(2.0, 8.0) ** 3)
    assert interquartile_mean([0.7]) == 0.7
    assert math.isnan(interquartile_mean([]))


def test_the_interval_is_seeded_and_holds_the_mean_as_often_as_it_says():
    generator = np.random.default_rng(0)
    held = sum(seeds_interval(generator.normal(0.9, 0.05, 20), resamples=500).holds(0.9) for _ in range(200))
    assert 0.88 < held / 200 <= 0.99
    values = generator.normal(size=10)
    assert seeds_interval(values) == seeds_interval(values)
    assert seeds_interval(values, seed=1) != seeds_interval(values)
    assert seeds_interval(values).estimate == interquartile_mean(values)


def test_the_numbers_are_those_of_the_oracle_tables():
    # Noted before the function moved here.
    found = seeds_interval(np.random.default_rng(3).normal(0.9, 0.05, 10))
    assert (found.low, found.high) == (0.8381017946580007, 0.9480866750053061)


def test_seeds_are_drawn_anew_within_each_task():
    # Without strata a draw could hold more of one task than of the other, and its mean would leave 0.5.
    found = seeds_interval(np.array([[0.0, 1.0]] * 6))
    assert (found.low, found.high) == (0.5, 0.5)
    found = seeds_interval(np.full(10, 0.8))
    assert (found.low, found.high) == pytest.approx((0.8, 0.8))
    found = seeds_interval(np.random.default_rng(1).normal(0.9, 0.05, (10, 3)))
    assert found.low < 0.9 < found.high < found.low + 0.1


@pytest.mark.parametrize(
    ("values", "why"), [([], "there is no seed"), ([0.1, math.nan, 0.3], "1 of 3 values over seeds are not finite")]
)
def test_without_seeds_the_interval_says_why_it_is_nan(values, why):
    found = seeds_interval(values)
    assert math.isnan(found.estimate)
    assert math.isnan(found.low)
    assert found.why == why


def test_levels_and_resamples_that_cannot_be_are_refused():
    with pytest.raises(ConfigError, match="level must be above 0 and below 1, was 95"):
        seeds_interval([0.1, 0.2], level=95)
    with pytest.raises(ConfigError, match="resamples must be 1 or more, was 0"):
        seeds_interval([0.1, 0.2], resamples=0)
