"""Metrics of an equity curve and of its trades.

Pure functions that guess nothing and cache nothing: fractions, never percent; nan where there is too little data. The
standard ratios are empyrical's, told what it would otherwise guess. They differ from it in one thing: returns that
never vary have no Sharpe or Sortino ratio (nan), where rounding would otherwise give them one of 1e16.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import empyrical
import numpy as np
import pandas as pd

ROUNDING = 1e-14
"""Returns that differ by less are equal: each is a ratio near 1, known to about 1e-16, less 1."""


def returns_of(equity: pd.Series[float]) -> pd.Series[float]:
    """Simple returns from bar to bar, one fewer than there are bars."""
    return (equity / equity.shift(1) - 1.0).iloc[1:]


def drawdown(equity: pd.Series[float]) -> pd.Series[float]:
    """How far equity stands below its highest close so far, as a fraction <= 0, one number a bar."""
    return equity / equity.cummax() - 1.0


def longest_drawdown(equity: pd.Series[float]) -> int:
    """Bars in a row whose close is below the highest close so far: the longest such stretch."""
    below = (equity < equity.cummax()).to_numpy()
    longest = run = 0
    for is_below in below:
        run = run + 1 if is_below else 0
        longest = max(longest, run)
    return longest


def annual_return(equity: pd.Series[float], *, periods_per_year: float) -> float:
    """Compound annual growth: (E_T / E_0) ^ (periods_per_year / bars) - 1; -1 once ruined.

    A few minutes' gain, compounded over a year, may exceed every float; it is then inf.
    """
    bars = len(equity) - 1
    if bars < 1:
        return math.nan
    ratio = float(equity.iloc[-1] / equity.iloc[0])
    if ratio <= 0:
        return -1.0
    try:
        return math.expm1(math.log(ratio) * periods_per_year / bars)
    except OverflowError:
        return math.inf


def annual_volatility(returns: pd.Series[float], *, periods_per_year: float) -> float:
    """Standard deviation of returns (n - 1 in the denominator) times the root of the periods in a year."""
    if len(returns) < 2:
        return math.nan
    return float(empyrical.annual_volatility(returns, annualization=periods_per_year))


def sharpe(returns: pd.Series[float], *, periods_per_year: float) -> float:
    """Mean over standard deviation of returns, annualised, against a risk-free rate of 0; nan for constant returns.

    Source: Sharpe 1994, "The Sharpe Ratio", Journal of Portfolio Management 21(1).
    """
    if not _vary(returns):
        return math.nan
    return float(empyrical.sharpe_ratio(returns, annualization=periods_per_year))


def sortino(returns: pd.Series[float], *, periods_per_year: float) -> float:
    """Mean return over the root mean square of losses, annualised, target 0; nan without a loss.

    Source: Sortino and Price 1994, "Performance Measurement in a Downside Risk Framework", Journal of Investing 3(3).
    """
    if not _vary(returns) or not (returns < 0).any():
        return math.nan
    return float(empyrical.sortino_ratio(returns, annualization=periods_per_year))


def calmar(equity: pd.Series[float], *, periods_per_year: float) -> float:
    """Annual return over the deepest drawdown, both as fractions; nan without a drawdown."""
    deepest = -float(drawdown(equity).min()) if len(equity) else math.nan
    return annual_return(equity, periods_per_year=periods_per_year) / deepest if deepest > 0 else math.nan


def win_rate(profits: pd.Series[float]) -> float:
    """Share of closed trades that earned money after costs; nan without a trade."""
    return float((profits > 0).mean()) if len(profits) else math.nan


def profit_factor(profits: pd.Series[float]) -> float:
    """Money won by winning trades over money lost by losing ones; nan without a loss."""
    lost = -float(profits[profits < 0].sum())
    return float(profits[profits > 0].sum()) / lost if lost > 0 else math.nan


def measure(
    equity: pd.Series[float],
    exposure: pd.DataFrame,
    orders: pd.DataFrame,
    trades: pd.DataFrame,
    *,
    periods_per_year: float,
) -> Mapping[str, float]:
    """All metrics of a backtest.

    Args:
        equity: Money at the close of each bar.
        exposure: Position value / equity at the close of each bar, one column an instrument.
        orders: One row a fill, as in `BacktestResult.orders`.
        trades: One row a closed trade, as in `BacktestResult.trades`.
        periods_per_year: Bars in a year.

    Returns:
        total_return, annual_return, annual_volatility, sharpe, sortino, calmar, max_drawdown (<= 0), max_drawdown_bars,
        trades, win_rate, profit_factor, exposure (mean gross exposure while solvent), turnover (value traded per year
        over mean equity; buys and sales both count), commission (money).
    """
    returns = returns_of(equity)
    years = len(returns) / periods_per_year
    traded = float((orders["size"] * orders["price"]).sum())
    return {
        "total_return": float(equity.iloc[-1] / equity.iloc[0]) - 1.0,
        "annual_return": annual_return(equity, periods_per_year=periods_per_year),
        "annual_volatility": annual_volatility(returns, periods_per_year=periods_per_year),
        "sharpe": sharpe(returns, periods_per_year=periods_per_year),
        "sortino": sortino(returns, periods_per_year=periods_per_year),
        "calmar": calmar(equity, periods_per_year=periods_per_year),
        "max_drawdown": float(drawdown(equity).min()),
        "max_drawdown_bars": float(longest_drawdown(equity)),
        "trades": float(len(trades)),
        "win_rate": win_rate(trades["profit"]),
        "profit_factor": profit_factor(trades["profit"]),
        "exposure": float(exposure.abs().sum(axis=1, skipna=False).mean()),
        "turnover": traded / float(equity.mean()) / years if years > 0 else math.nan,
        "commission": float(orders["commission"].sum()),
    }


def _vary(returns: pd.Series[float]) -> bool:
    return len(returns) >= 2 and float(np.ptp(returns.to_numpy())) > ROUNDING
