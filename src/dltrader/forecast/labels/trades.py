"""What became of a trade over a horizon: entered at the open of the next bar, left at the close of the last.

All functions take the bars of one instrument and give an array with a row a bar, nan where the future, or the past, is
not known. Prices are quotes unless they are said to be fills.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view

from dltrader.envs.contract import Costs
from dltrader.envs.sizing import buy_price, sell_price
from dltrader.forecast.vote import Array


class BreakEven(NamedTuple):
    """Quotes at the exit beyond which a trade has paid for its costs.

    Attributes:
        long: (bars,), a long trade pays above it.
        short: (bars,), a short one below.
    """

    long: Array
    short: Array


def break_even(bars: pd.DataFrame, costs: Costs) -> BreakEven:
    """What the price must pass until the exit for a trade to pay: of bar t made of bar t+1 alone.

    The entry fills as an order does: at the open, moved against it by the slippage within the range of that bar. The
    exit is moved by the whole slippage. Commission and the fee a unit are paid on both sides; the impact of an order
    depends on its size, which a label does not know, and is left out. With entry fill e, commission c, fee u and
    slippage s a long trade pays where the quote p at the exit satisfies p (1 - s)(1 - c) - u > e (1 + c) + u.
    """
    opens, highs, lows = (column(bars, name) for name in ("open", "high", "low"))
    bought = _next(buy_price(opens, costs.slippage, highs))
    sold = _next(sell_price(opens, costs.slippage, lows))
    fees = 2.0 * costs.per_unit
    long = (bought * (1.0 + costs.commission) + fees) / ((1.0 - costs.slippage) * (1.0 - costs.commission))
    short = (sold * (1.0 - costs.commission) - fees) / ((1.0 + costs.slippage) * (1.0 + costs.commission))
    return BreakEven(long, short)


def forward_return(bars: pd.DataFrame, horizon: int) -> Array:
    """Log return over the horizon before costs, ln(close of t+h / open of t+1)."""
    return np.log(exit_quote(bars, horizon) / _next(column(bars, "open")))


def win(bars: pd.DataFrame, horizon: int, costs: Costs) -> Array:
    """1 where a long trade over the horizon beats the costs of both sides, else 0."""
    quotes, beyond = exit_quote(bars, horizon), break_even(bars, costs).long
    return np.where(np.isnan(quotes), np.nan, quotes > beyond)


def realised_volatility(bars: pd.DataFrame, horizon: int) -> Array:
    """Root mean square of the log returns that the trade goes through, a bar.

    They are those whose sum is `forward_return`: the first from the open of t+1 to its close, the others from close to
    close. Source: Andersen, Bollerslev, Diebold and Labys 2003, "Modeling and Forecasting Realized Volatility",
    Econometrica 71: the root of summed squares, here divided by the bars.
    """
    close = column(bars, "close")
    first = np.log(close / column(bars, "open")) ** 2
    result = np.full(len(bars), np.nan)
    n_known = len(bars) - horizon
    if n_known > 0:
        total = first[1 : n_known + 1].copy()
        if horizon > 1:
            squares = np.diff(np.log(close)) ** 2  # (bars - 1,), of bar t to t+1
            total += sliding_window_view(squares[1:], horizon - 1).sum(axis=-1)
        result[:n_known] = np.sqrt(total / horizon)
    return result


def worst_excursion(bars: pd.DataFrame, horizon: int) -> tuple[Array, Array]:
    """How far the price went against a long and against a short trade at worst: log returns from the entry, <= 0.

    As `dltrader.evaluation.excursions` says of trades that were made, costs are left out.
    """
    opens = _next(column(bars, "open"))
    lows, highs = np.full(len(bars), np.nan), np.full(len(bars), np.nan)
    n_known = len(bars) - horizon
    if n_known > 0:
        lows[:n_known] = sliding_window_view(column(bars, "low")[1:], horizon).min(axis=-1)
        highs[:n_known] = sliding_window_view(column(bars, "high")[1:], horizon).max(axis=-1)
    return np.minimum(np.log(lows / opens), 0.0), np.minimum(np.log(opens / highs), 0.0)


def trailing_volatility(bars: pd.DataFrame, window_bars: int) -> Array:
    """Root mean square of the last log returns from close to close, a bar: known at the close of t."""
    squares = np.diff(np.log(column(bars, "close"))) ** 2
    result = np.full(len(bars), np.nan)
    if len(squares) >= window_bars:
        result[window_bars:] = np.sqrt(sliding_window_view(squares, window_bars).mean(axis=-1))
    return result


def exit_quote(bars: pd.DataFrame, horizon: int) -> Array:
    """The close at which a trade over the horizon is left, that of t+h."""
    close = column(bars, "close")
    result = np.full(len(close), np.nan)
    if horizon < len(close):
        result[:-horizon] = close[horizon:]
    return result


def column(bars: pd.DataFrame, name: str) -> Array:
    """A column of bars as an array."""
    values: Array = bars[name].to_numpy(np.float64)
    return values


def _next(values: Array) -> Array:
    """The value of the following bar at every bar."""
    return np.append(values[1:], np.nan)
