from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from dltrader.evaluation.metrics import returns_of, sharpe
from dltrader.evaluation.series import (
    MOST_BINS,
    distribution,
    monthly_returns,
    rolling_sharpe,
    rolling_window,
    seeds_band,
    yearly_returns,
)
from dltrader.evaluation.statistics.seeds import interquartile_mean
from market_bars import random_walk

EQUITY = random_walk(500, 3)["close"]


def test_a_rolling_sharpe_ratio_is_that_of_each_window():
    returns = returns_of(EQUITY)
    rolled = rolling_sharpe(returns, window=60, periods_per_year=252)
    assert len(rolled) == len(returns)
    assert rolled.iloc[:59].isna().all()
    for end in (60, 200, 499):
        assert rolled.iloc[end - 1] == pytest.approx(
            sharpe(returns.iloc[end - 60 : end], periods_per_year=252), rel=1e-9
        )


def test_a_rolling_sharpe_ratio_of_constant_returns_is_nan():
    returns = pd.Series([0.1] * 20 + [0.2] * 5, EQUITY.index[:25])
    rolled = rolling_sharpe(returns, window=10, periods_per_year=252)
    assert rolled.iloc[:20].isna().all()
    assert np.isfinite(rolled.iloc[20:24]).all()


@pytest.mark.parametrize(
    ("bars", "a_year", "window"), [(1000, 252, 126), (100, 252, 25), (5, 252, 2), (10**6, 98_280, 49_140)]
)
def test_the_window_is_half_a_year_or_a_quarter_of_what_there_is(bars, a_year, window):
    assert rolling_window(bars, periods_per_year=a_year) == window


def test_months_multiply_to_the_whole():
    table = monthly_returns(EQUITY)
    assert list(table.columns) == list(range(1, 13))
    assert table.index.tolist() == [2001, 2002]
    assert np.nanprod(1 + table.to_numpy()) == pytest.approx(EQUITY.iloc[-1] / EQUITY.iloc[0], rel=1e-12)
    assert (1 + yearly_returns(EQUITY)).prod() == pytest.approx(EQUITY.iloc[-1] / EQUITY.iloc[0], rel=1e-12)


def test_a_month_begins_at_the_last_close_before_it():
    times = pd.to_datetime(["2020-01-30", "2020-01-31", "2020-02-28", "2020-04-01"], utc=True)
    table = monthly_returns(pd.Series([100.0, 110.0, 99.0, 198.0], times))
    assert table.loc[2020, [1, 2, 4]].tolist() == pytest.approx([0.1, -0.1, 1.0])
    assert table.loc[2020, [3, 5, 12]].isna().all()


def test_after_the_ruin_months_are_unknown():
    times = pd.to_datetime(["2020-01-01", "2020-01-31", "2020-02-28"], utc=True)
    table = monthly_returns(pd.Series([100.0, 0.0, 0.0], times))
    assert table.loc[2020, 1] == -1.0
    assert math.isnan(table.loc[2020, 2])


def test_a_distribution_counts_every_return_that_moved_once():
    returns = returns_of(EQUITY)
    found = distribution(returns)
    assert found.counts.sum() == len(returns) == 499
    assert found.unmoved == 0
    assert len(found.edges) == len(found.counts) + 1 <= MOST_BINS + 1
    assert np.abs(found.edges).min() == pytest.approx(0.0, abs=1e-12)
    assert found.counts[found.edges[:-1] >= -1e-12].sum() == (returns > 0).sum()
    assert (found.worst, found.best) == (returns.min(), returns.max())
    assert found.mean == pytest.approx(returns.mean())
    assert found.deviation == pytest.approx(returns.std())


def test_moments_of_a_known_sample():
    found = distribution(pd.Series([-0.01, 0.01, 0.0, 0.0] * 5))
    assert (found.mean, found.skewness, found.kurtosis, found.unmoved) == pytest.approx((0.0, 0.0, 1.0, 10))
    skewed = distribution(pd.Series([0.01, 0.01, 0.01, 0.05]))
    assert skewed.skewness == pytest.approx(2 / math.sqrt(3))
    assert skewed.kurtosis == pytest.approx(7 / 3)


@pytest.mark.parametrize("returns", [[], [0.1], [0.1] * 9, [0.0] * 9])
def test_too_little_has_no_distribution(returns):
    assert distribution(pd.Series(returns, dtype=float)) is None


def test_an_outlier_does_not_make_a_thousand_bins():
    found = distribution(pd.Series([1e-4, -1e-4, 2e-4] * 100 + [0.5]))
    assert len(found.counts) <= MOST_BINS
    assert found.counts.sum() == 301


def test_a_band_holds_the_seeds_and_their_mean():
    equity = pd.DataFrame({i: random_walk(300, i)["close"] for i in range(6)})
    band = seeds_band(equity, most=50)
    assert len(band) == 50
    assert (band.index[0], band.index[-1]) == (equity.index[0], equity.index[-1])
    for name in ("low", "middle", "high", "highest"):
        assert (band[name] >= band["lowest"]).all()
        assert (band[name] <= band["highest"]).all()
    last = equity.iloc[-1]
    assert band["middle"].iloc[-1] == interquartile_mean(last.to_numpy())
    assert band["lowest"].iloc[-1] == last.min()
    assert (band["low"] <= band["middle"] + 1e-9).all()


def test_the_band_of_few_bars_has_them_all():
    assert len(seeds_band(pd.DataFrame({0: [1.0, 2.0], 1: [1.0, 4.0]}, EQUITY.index[:2]))) == 2
