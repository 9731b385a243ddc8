from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dltrader.benchmarks.planted.significance import growth_p_value


def equity_of(growths):
    return pd.Series(np.exp(np.concatenate([[0.0], np.cumsum(growths)])))


def test_the_p_value_is_that_of_mean_over_standard_error():
    growths = np.tile([0.02, -0.01], 50)  # mean 0.005, deviation 0.015 √(100 / 99), t = 3.3166
    assert growth_p_value(equity_of(growths)) == pytest.approx(4.556e-4, rel=1e-3)
    assert growth_p_value(equity_of(-growths)) == pytest.approx(1 - 4.556e-4, rel=1e-3)
    assert growth_p_value(equity_of(np.tile([0.01, -0.01], 50))) == pytest.approx(0.5)


def test_without_growth_or_without_money_nothing_is_significant():
    assert growth_p_value(pd.Series([1.0, 1.0, 1.0, 1.0])) == 1.0
    assert growth_p_value(pd.Series([1.0, 2.0, 4.0, -0.1])) == 1.0
    assert growth_p_value(pd.Series([1.0, 2.0])) == 1.0


def test_random_traders_of_a_martingale_are_rarely_significant():
    generator = np.random.default_rng(0)
    sizes = 0.02 * np.exp(0.7 * generator.standard_normal((2000, 500)))  # volatile at times
    up = generator.random(sizes.shape) < 1.0 / (1.0 + np.exp(sizes))
    returns = np.expm1(np.where(up, sizes, -sizes))
    position = np.where(generator.random(sizes.shape) < 0.02, -1.0, 1.0).cumprod(axis=1)
    rate = np.mean([growth_p_value(equity_of(np.log1p(0.5 * row))) < 0.05 for row in position * returns])
    assert 0.025 < rate < 0.055
