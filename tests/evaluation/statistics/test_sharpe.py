from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from dltrader.benchmarks.statistics.paths import autoregressive
from dltrader.errors import ConfigError
from dltrader.evaluation.statistics.sharpe import (
    deflated_sharpe,
    dependent_sharpe_variance,
    expected_maximum,
    luck,
    moments,
    probabilistic_sharpe,
    sharpe_variance,
)

DAILY = 2.5 / math.sqrt(250)
TRIAL_VARIANCE = 0.5 / 250


def test_probabilistic_sharpe_of_a_monthly_fund():
    found = probabilistic_sharpe(1.585 / math.sqrt(12), n=24, skewness=-2.448, kurtosis=10.164)
    assert found == pytest.approx(0.9132343, abs=1e-7)


@pytest.mark.parametrize(
    ("trials", "skewness", "kurtosis", "expected", "digits"),
    [(100, -3.0, 10.0, 0.9003968, 1e-7), (46, -3.0, 10.0, 0.950502, 1e-6), (88, 0.0, 3.0, 0.950491, 1e-6)],
)
def test_deflated_sharpe_of_many_trials(trials, skewness, kurtosis, expected, digits):
    found = deflated_sharpe(DAILY, n=1250, trials=trials, variance=TRIAL_VARIANCE, skewness=skewness, kurtosis=kurtosis)
    assert found == pytest.approx(expected, abs=digits)


def test_luck_is_the_benchmark_of_the_deflated_sharpe():
    assert luck(n=1250, trials=100, variance=TRIAL_VARIANCE) == pytest.approx(0.1131720, abs=1e-7)
    # Trials that were not kept are taken to have the spread of estimates without skill.
    assert luck(n=1250, trials=100) == pytest.approx(2.530603 / math.sqrt(1249), abs=1e-7)


@pytest.mark.parametrize(("n", "expected"), [(10, 1.574598), (46, 2.244171), (100, 2.530603), (1000, 3.255122)])
def test_expected_maximum_of_normals(n, expected):
    assert expected_maximum(n) == pytest.approx(expected, abs=1e-6)


def test_one_trial_was_not_chosen():
    assert expected_maximum(1) == 0.0
    assert deflated_sharpe(0.1, n=500, trials=1) == probabilistic_sharpe(0.1, n=500)
    with pytest.raises(ConfigError, match="number of trials must be 1 or more, was 0"):
        expected_maximum(0)


def test_the_variance_of_normal_returns_is_lo_s():
    assert sharpe_variance(0.2, n=101) == pytest.approx((1.0 + 0.2**2 / 2.0) / 100.0, rel=1e-12)


def test_moments_that_no_returns_have_and_too_few_returns_are_nan():
    assert math.isnan(sharpe_variance(1.0, n=100, skewness=10.0, kurtosis=1.0))
    assert math.isnan(sharpe_variance(0.1, n=1))
    assert math.isnan(probabilistic_sharpe(math.nan, n=100))
    assert math.isnan(probabilistic_sharpe(0.1, n=100, skewness=math.nan))
    assert math.isnan(deflated_sharpe(0.1, n=100, trials=5, variance=math.nan))
    assert math.isnan(deflated_sharpe(0.1, n=100, trials=5, variance=-1.0))


def test_moments_are_those_of_scipy():
    returns = np.random.default_rng(0).standard_t(6, 300) * 0.01
    found = moments(returns)
    assert found.n == 300
    assert found.sharpe == pytest.approx(returns.mean() / returns.std(ddof=1), rel=1e-12)
    assert found.skewness == pytest.approx(stats.skew(returns), rel=1e-10)
    assert found.kurtosis == pytest.approx(stats.kurtosis(returns, fisher=False), rel=1e-10)
    assert found.why is None


@pytest.mark.parametrize(
    ("returns", "why"),
    [
        ([], "0 returns; at least 3 are needed"),
        ([0.1, 0.2], "2 returns; at least 3 are needed"),
        ([0.1] * 252, "all 252 returns are 0.1; without variation there is no Sharpe ratio"),
        ([0.1, math.nan, math.inf, 0.2], "2 of 4 returns are not finite"),
        ([[0.1, 0.2]] * 5, "returns must be one number a bar, were an array of shape (5, 2)"),
    ],
)
def test_moments_say_why_they_are_nan(returns, why):
    found = moments(returns)
    assert math.isnan(found.sharpe)
    assert math.isnan(found.kurtosis)
    assert found.why == why
    assert math.isnan(dependent_sharpe_variance(returns))


def test_without_lags_the_dependent_variance_is_mertens():
    returns = np.random.default_rng(1).gamma(2.0, size=400) - 1.5
    known = moments(returns)
    expected = sharpe_variance(known.sharpe, n=known.n, skewness=known.skewness, kurtosis=known.kurtosis)
    assert dependent_sharpe_variance(returns, lags=0) == pytest.approx(expected, rel=1e-12)
    with pytest.raises(ConfigError, match="lags must be 0 or more, was -1"):
        dependent_sharpe_variance(returns, lags=-1)


@pytest.mark.parametrize(("phi", "ratio"), [(0.3, 1.3 / 0.7), (0.0, 1.0), (-0.3, 0.7 / 1.3)])
def test_the_dependent_variance_grows_with_autocorrelation(phi, ratio):
    # Without a mean, the error of the Sharpe ratio is that of the mean: (1 + phi) / (1 - phi) times the plain one.
    paths = autoregressive(phi)(np.random.default_rng(2), 40, 4_000)
    found = np.mean([dependent_sharpe_variance(path) * len(path) for path in paths])
    assert found == pytest.approx(ratio, rel=0.08)
    assert found == pytest.approx(np.var(paths.mean(axis=1)) * 4_000, rel=0.6)


def test_a_variance_of_one_s_own_replaces_mertens():
    variance = sharpe_variance(0.1, n=250)
    assert probabilistic_sharpe(0.1, n=250, variance=variance) == probabilistic_sharpe(0.1, n=250)
    assert probabilistic_sharpe(0.1, n=250, variance=4 * variance) < probabilistic_sharpe(0.1, n=250)
