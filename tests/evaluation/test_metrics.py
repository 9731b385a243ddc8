from __future__ import annotations

import math

import empyrical
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dltrader.evaluation.metrics import (
    annual_return,
    annual_volatility,
    calmar,
    drawdown,
    longest_drawdown,
    measure,
    profit_factor,
    returns_of,
    sharpe,
    sortino,
    win_rate,
)


def series(*values):
    return pd.Series(values, pd.date_range("2001-01-01", periods=len(values), tz="UTC", name="time"), float)


def walk(n_bars=400, seed=0, drift=0.0005, volatility=0.01):
    returns = np.random.default_rng(seed).normal(drift, volatility, n_bars - 1)
    return series(*(100_000.0 * np.cumprod(np.concatenate([[1.0], 1.0 + returns]))))


def orders_of(*rows):
    return pd.DataFrame(rows, columns=["size", "price", "commission"], dtype=float)


def trades_of(*profits):
    return pd.DataFrame({"profit": pd.Series(profits, dtype=float)})


CURVES = st.lists(st.floats(1.0, 1e6), min_size=1, max_size=40).map(lambda values: series(*values))


def test_returns_are_one_fewer_than_bars():
    np.testing.assert_allclose(returns_of(series(100, 110, 99)), [0.1, -0.1], rtol=1e-14)
    assert len(returns_of(series(100))) == 0


def test_drawdown_is_measured_from_the_highest_close_so_far():
    np.testing.assert_allclose(drawdown(series(100, 120, 90, 120, 150, 75)), [0, 0, -0.25, 0, 0, -0.5], atol=1e-15)


@pytest.mark.parametrize(
    ("equity", "expected"),
    [
        ((100,), 0),
        ((100, 110, 120), 0),
        ((100, 100, 100), 0),
        ((100, 90, 80), 2),
        ((100, 90, 95, 100, 90, 101), 2),
        ((100, 99, 101, 90, 95, 100, 102), 3),
        ((100, 90, 110, 100, 100, 100), 3),
    ],
)
def test_the_longest_drawdown_counts_bars_below_the_highest(equity, expected):
    assert longest_drawdown(series(*equity)) == expected


def test_annual_return_compounds():
    # 21 % in two of four bars a year is 46.41 % in four.
    assert annual_return(series(100, 110, 121), periods_per_year=4) == pytest.approx(0.4641, abs=1e-12)
    assert annual_return(series(100, 105, 81), periods_per_year=1) == pytest.approx(-0.1, abs=1e-12)


def test_annual_return_of_one_bar_is_nan_and_of_ruin_minus_one():
    assert math.isnan(annual_return(series(100), periods_per_year=252))
    assert annual_return(series(100, 0), periods_per_year=252) == -1.0
    assert annual_return(series(100, 50, -20), periods_per_year=252) == -1.0


def test_annual_return_of_minutes_may_exceed_every_float():
    # 3 % in 19 minutes of a market that never closes.
    assert annual_return(series(100.0, *[103.0] * 19), periods_per_year=525_600) == math.inf
    assert annual_return(series(100.0, *[97.0] * 19), periods_per_year=525_600) == -1.0


def test_annual_volatility_by_hand():
    returns = series(0.01, 0.03, -0.01)
    # Deviations 0, 0.02, -0.02: variance 0.0008 / 2.
    assert annual_volatility(returns, periods_per_year=252) == pytest.approx(0.02 * math.sqrt(252), abs=1e-14)
    assert math.isnan(annual_volatility(series(0.01), periods_per_year=252))


def test_sharpe_by_hand():
    assert sharpe(series(0.01, 0.03, -0.01), periods_per_year=100) == pytest.approx(0.01 / 0.02 * 10, abs=1e-12)


def test_sortino_by_hand():
    returns = series(0.01, 0.03, -0.01)
    downside = math.sqrt(0.01**2 / 3)
    assert sortino(returns, periods_per_year=100) == pytest.approx(0.01 / downside * 10, abs=1e-12)


def test_sortino_without_a_loss_is_nan():
    assert math.isnan(sortino(series(0.01, 0.03, 0.0), periods_per_year=252))


@pytest.mark.parametrize("ratio", [sharpe, sortino])
@pytest.mark.parametrize("value", [0.1, 0.0, -0.1])
def test_a_ratio_of_constant_returns_is_nan(ratio, value):
    # NumPy's standard deviation of these is 1.4e-17.
    assert math.isnan(ratio(series(*[value] * 252), periods_per_year=252))


@pytest.mark.parametrize("growth", [1.01, 0.99])
def test_a_ratio_of_steady_growth_is_nan_in_spite_of_rounding(growth):
    returns = returns_of(series(*100.0 * growth ** np.arange(252)))
    assert np.ptp(returns) > 0
    assert math.isnan(sharpe(returns, periods_per_year=252))
    assert math.isnan(sortino(returns, periods_per_year=252))


@pytest.mark.parametrize("ratio", [sharpe, sortino])
def test_a_ratio_of_fewer_than_two_returns_is_nan(ratio):
    assert math.isnan(ratio(series(-0.1), periods_per_year=252))
    assert math.isnan(ratio(series(), periods_per_year=252))


def test_calmar_by_hand():
    # 10 % a year over a drawdown of 20 %.
    assert calmar(series(100, 125, 100, 121), periods_per_year=1.5) == pytest.approx(0.1 / 0.2, abs=1e-12)
    assert math.isnan(calmar(series(100, 110), periods_per_year=252))
    assert math.isnan(calmar(series(100), periods_per_year=252))


def test_win_rate_is_of_trades_that_earned_something():
    assert win_rate(pd.Series([5.0, -1.0, 0.0, 2.0])) == 0.5
    assert math.isnan(win_rate(pd.Series([], dtype=float)))


def test_profit_factor_by_hand():
    assert profit_factor(pd.Series([6.0, -1.0, -3.0, 2.0])) == 2.0
    assert profit_factor(pd.Series([-1.0])) == 0.0
    assert math.isnan(profit_factor(pd.Series([1.0])))
    assert math.isnan(profit_factor(pd.Series([], dtype=float)))


@pytest.mark.parametrize("periods_per_year", [252, 52, 365 * 24])
@pytest.mark.parametrize("seed", range(3))
def test_the_ratios_are_those_of_empyrical(periods_per_year, seed):
    equity = walk(seed=seed)
    returns = returns_of(equity)
    told = {"annualization": periods_per_year}
    found = {
        "annual_return": annual_return(equity, periods_per_year=periods_per_year),
        "annual_volatility": annual_volatility(returns, periods_per_year=periods_per_year),
        "sharpe": sharpe(returns, periods_per_year=periods_per_year),
        "sortino": sortino(returns, periods_per_year=periods_per_year),
        "calmar": calmar(equity, periods_per_year=periods_per_year),
        "max_drawdown": float(drawdown(equity).min()),
    }
    expected = {
        "annual_return": empyrical.annual_return(returns, **told),
        "annual_volatility": empyrical.annual_volatility(returns, **told),
        "sharpe": empyrical.sharpe_ratio(returns, **told),
        "sortino": empyrical.sortino_ratio(returns, **told),
        "calmar": empyrical.calmar_ratio(returns, **told),
        "max_drawdown": empyrical.max_drawdown(returns),
    }
    assert found == pytest.approx(expected, rel=1e-9)


def test_measure_by_hand():
    equity = series(100.0, 120.0, 90.0, 110.0)
    exposure = pd.DataFrame({"a": [0.0, 0.5, -0.5, 0.0], "b": [0.0, 0.5, 0.5, 0.0]}, equity.index)
    found = measure(equity, exposure, orders_of((2, 10, 0.25), (1, 30, 0.5)), trades_of(6.0, -3.0), periods_per_year=6)
    returns = np.array([0.2, -0.25, 2 / 9])
    assert dict(found) == pytest.approx(
        {
            "total_return": 0.1,
            "annual_return": 1.1**2 - 1,
            "annual_volatility": returns.std(ddof=1) * math.sqrt(6),
            "sharpe": returns.mean() / returns.std(ddof=1) * math.sqrt(6),
            "sortino": returns.mean() / math.sqrt(0.25**2 / 3) * math.sqrt(6),
            "calmar": (1.1**2 - 1) / 0.25,
            "max_drawdown": -0.25,
            "max_drawdown_bars": 2.0,
            "trades": 2.0,
            "win_rate": 0.5,
            "profit_factor": 2.0,
            "exposure": 0.5,
            "turnover": 50 / 105 / 0.5,
            "commission": 0.75,
        },
        rel=1e-12,
    )
    assert {type(value) for value in found.values()} == {float}


def test_measure_of_one_bar_has_numbers_where_there_is_something_to_measure():
    equity = series(100.0)
    found = measure(equity, pd.DataFrame({"a": [0.0]}, equity.index), orders_of(), trades_of(), periods_per_year=252)
    known = {name: value for name, value in found.items() if not math.isnan(value)}
    assert known == {
        "total_return": 0.0,
        "max_drawdown": 0.0,
        "max_drawdown_bars": 0.0,
        "trades": 0.0,
        "exposure": 0.0,
        "commission": 0.0,
    }


def test_measure_of_a_ruin_is_finite():
    equity = series(100.0, 100.0, -50.0)
    exposure = pd.DataFrame({"a": [0.0, -1.0, math.nan]}, equity.index)
    found = measure(equity, exposure, orders_of((1, 100, 0.0)), trades_of(), periods_per_year=252)
    assert found["total_return"] == found["max_drawdown"] == -1.5
    assert found["annual_return"] == -1.0
    assert found["calmar"] == pytest.approx(-1 / 1.5)
    assert found["exposure"] == 0.5  # of the bars on which there was an account
    assert not any(math.isinf(value) for value in found.values())


@given(CURVES)
def test_a_drawdown_is_never_above_zero_nor_below_minus_one(equity):
    depths = drawdown(equity)
    assert ((depths <= 0) & (depths > -1)).all()
    assert (depths[equity == equity.cummax()] == 0).all()
    assert (depths.min() < 0) == (longest_drawdown(equity) > 0)
    assert longest_drawdown(equity) < len(equity)


@given(CURVES, st.sampled_from([0.5, 4.0, 1024.0]))
def test_money_has_no_unit_in_a_ratio(equity, unit):
    exposure, nothing = pd.DataFrame({"a": 0.0}, equity.index), (orders_of(), trades_of())
    # Powers of two change no digit.
    expected = dict(measure(equity, exposure, *nothing, periods_per_year=2))
    assert dict(measure(equity * unit, exposure, *nothing, periods_per_year=2)) == pytest.approx(expected, nan_ok=True)


@given(CURVES.filter(lambda equity: len(equity) > 1))
def test_annual_return_over_one_year_is_the_total_return(equity):
    total = equity.iloc[-1] / equity.iloc[0] - 1
    assert annual_return(equity, periods_per_year=len(equity) - 1) == pytest.approx(total, rel=1e-9, abs=1e-12)


@given(st.lists(st.floats(-1e6, 1e6), max_size=20))
def test_rates_of_trades_stay_in_their_ranges(profits):
    profits = pd.Series(profits, dtype=float)
    rate, factor = win_rate(profits), profit_factor(profits)
    assert math.isnan(rate) == (len(profits) == 0)
    assert math.isnan(rate) or 0 <= rate <= 1
    assert math.isnan(factor) == (not (profits < 0).any())
    assert math.isnan(factor) or factor >= 0
