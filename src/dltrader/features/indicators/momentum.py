"""Momentum: how one-sided the last moves were."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dltrader.features.windows import (
    Horizon,
    Window,
    absolute_deviation,
    highest,
    lag,
    lowest,
    mean,
    ratio,
    wilder_mean,
)


def rsi(bars: pd.DataFrame, *, window: Window = 14) -> pd.Series[float]:
    """Relative strength index, 0 to 100: the share of gains in all moves; 50 where prices stand still.

    Warm-up: 5 windows, the memory of its means (`windows.exponential_mean`).
    Source: Wilder 1978, New Concepts in Technical Trading Systems.
    """
    close = bars["close"].to_numpy()
    move = close - lag(close)
    gain = wilder_mean(np.maximum(move, 0.0), window)
    loss = wilder_mean(np.maximum(-move, 0.0), window)
    return pd.Series(ratio(100.0 * gain, gain + loss, 50.0), bars.index)


def stochastic(bars: pd.DataFrame, *, window: Window = 14, smooth: Horizon = 3) -> pd.Series[float]:
    """Slow stochastic, 0 to 100: where the close stands in the range of the window, averaged over `smooth` bars.

    50 where there is no range. With `smooth` 1 it is the fast %K.
    Source: Lane 1984, Lane's Stochastics.
    """
    top = highest(bars["high"].to_numpy(), window)
    bottom = lowest(bars["low"].to_numpy(), window)
    position = ratio(100.0 * (bars["close"].to_numpy() - bottom), top - bottom, 50.0)
    return pd.Series(mean(position, smooth), bars.index)


def cci(bars: pd.DataFrame, *, window: Window = 20) -> pd.Series[float]:
    """Commodity channel index: the typical price's distance from its mean in 0.015 mean absolute deviations.

    0 where the typical price stands still.
    Source: Lambert 1980, Commodity Channel Index.
    """
    typical = (bars["high"].to_numpy() + bars["low"].to_numpy() + bars["close"].to_numpy()) / 3.0
    above, absolute = absolute_deviation(typical, window)
    return pd.Series(ratio(above, 0.015 * absolute, 0.0), bars.index)
