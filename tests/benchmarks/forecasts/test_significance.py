from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binom, ttest_1samp

from dltrader.benchmarks.forecasts.significance import gain_p_value, too_many_chance


def test_the_p_value_is_that_of_a_t_test_on_blocks():
    gains = np.random.default_rng(0).normal(0.02, 1.0, 1_007)
    means = gains[7:].reshape(20, 50).mean(axis=1)
    assert gain_p_value(gains, 5) == pytest.approx(ttest_1samp(means, 0.0, alternative="greater").pvalue, rel=1e-9)


def test_what_cannot_be_told():
    assert math.isnan(gain_p_value(np.random.default_rng(0).normal(size=149), 5))
    assert gain_p_value(np.zeros(500), 5) == 1.0


@pytest.mark.parametrize("horizon", [1, 5, 20])
def test_overlapping_noise_is_significant_as_often_as_it_should_be(horizon):
    generator = np.random.default_rng(horizon)
    shocks = generator.standard_normal((600, 2_000 + horizon - 1)).cumsum(axis=1)
    noise = np.concatenate([shocks[:, horizon - 1 : horizon], shocks[:, horizon:] - shocks[:, :-horizon]], axis=1)
    found = np.mean([gain_p_value(row, horizon) < 0.05 for row in noise])
    assert 0.025 < found < 0.08


def test_a_real_gain_is_found():
    assert gain_p_value(np.random.default_rng(1).normal(0.1, 0.3, 2_000), 5) < 1e-6


def test_the_chance_of_false_positives_is_binomial():
    assert too_many_chance(0, 20, 0.05) == 1.0
    assert too_many_chance(4, 20, 0.05) == pytest.approx(binom.sf(3, 20, 0.05), rel=1e-12)
    assert too_many_chance(5, 20, 0.05) == pytest.approx(0.00257, abs=1e-5)
