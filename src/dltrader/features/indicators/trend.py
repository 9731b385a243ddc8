"""Trend: where prices go, and how decidedly."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dltrader.features.windows import Array, Window, lag, ratio, span_mean, true_range, wilder_mean


def macd(bars: pd.DataFrame, *, fast: Window = 12, slow: Window = 26, signal: Window = 9) -> pd.DataFrame:
    """Moving average convergence divergence as a fraction of the slow mean, so that it is free of the price's scale.

    Parts: `line`, (fast mean - slow mean) / slow mean, and `histogram`, the line less its own mean
        over `signal`. Warm-up: the memories of the slower mean and of the signal
        (`windows.exponential_mean`).
    Source: Appel 2005, Technical Analysis: Power Tools for Active Investors.
    """
    close = bars["close"].to_numpy()
    slow_mean = span_mean(close, slow)
    line = (span_mean(close, fast) - slow_mean) / slow_mean
    return pd.DataFrame({"line": line, "histogram": line - span_mean(line, signal)}, bars.index)


def ema_distance(bars: pd.DataFrame, *, window: Window = 20) -> pd.Series[float]:
    """ln(close / exponential mean of the close).

    Warm-up: 2.5 (window + 1) bars, the memory of the mean (`windows.exponential_mean`).
    """
    close = bars["close"].to_numpy()
    return pd.Series(np.log(close / span_mean(close, window)), bars.index)


def adx(bars: pd.DataFrame, *, window: Window = 14) -> pd.Series[float]:
    """Average directional index, 0 to 100: how decided the trend is, whichever its direction; 0 without movement.

    Warm-up: 10 windows, as it is a mean of means.
    Source: Wilder 1978, New Concepts in Technical Trading Systems.
    """
    plus, minus = _directional_indicators(bars, window)
    index = ratio(100.0 * np.abs(plus - minus), plus + minus, 0.0)
    return pd.Series(wilder_mean(index, window), bars.index)


def directional_difference(bars: pd.DataFrame, *, window: Window = 14) -> pd.Series[float]:
    """The plus less the minus directional indicator, -100 to 100: the trend's direction; 0 without movement.

    Warm-up: 5 windows. Source: Wilder 1978, New Concepts in Technical Trading Systems.
    """
    plus, minus = _directional_indicators(bars, window)
    return pd.Series(plus - minus, bars.index)


def _directional_indicators(bars: pd.DataFrame, window: int) -> tuple[Array, Array]:
    high, low, close = (bars[column].to_numpy() for column in ("high", "low", "close"))
    up, down = high - lag(high), lag(low) - low
    # NaN at the first bar has to survive both comparisons, which are False for it.
    first = np.isnan(up)
    plus = np.where(first, np.nan, np.where((up > down) & (up > 0), up, 0.0))
    minus = np.where(first, np.nan, np.where((down > up) & (down > 0), down, 0.0))
    reach = wilder_mean(true_range(high, low, close), window)
    return (
        ratio(100.0 * wilder_mean(plus, window), reach, 0.0),
        ratio(100.0 * wilder_mean(minus, window), reach, 0.0),
    )
