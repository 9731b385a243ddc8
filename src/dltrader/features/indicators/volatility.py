"""Volatility: how far prices move, and where they stand in what is usual."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import Field

from dltrader.features.windows import (
    Window,
    lag,
    ratio,
    standard_deviation,
    true_range,
    wilder_mean,
)


def atr(bars: pd.DataFrame, *, window: Window = 14) -> pd.Series[float]:
    """Average true range as a fraction of the close.

    Warm-up: 5 windows, the memory of the mean (`windows.exponential_mean`).
    Source: Wilder 1978, New Concepts in Technical Trading Systems; divided by the close to be free
        of its scale.
    """
    high, low, close = (bars[column].to_numpy() for column in ("high", "low", "close"))
    return pd.Series(wilder_mean(true_range(high, low, close), window) / close, bars.index)


def bollinger(
    bars: pd.DataFrame,
    *,
    window: Window = 20,
    width: Annotated[float, Field(gt=0, description="standard deviations, above 0")] = 2.0,
) -> pd.Series[float]:
    """Where the close stands between its Bollinger bands: -1 at the lower, 0 in the middle, 1 at the upper.

    The bands lie `width` standard deviations from the mean. 0 where prices stand still.
    Source: Bollinger 2001, Bollinger on Bollinger Bands; %b is (1 + this) / 2.
    """
    above, standard = standard_deviation(bars["close"].to_numpy(), window)
    return pd.Series(ratio(above, width * standard, 0.0), bars.index)


def volatility(bars: pd.DataFrame, *, window: Window = 20) -> pd.Series[float]:
    """Standard deviation of the log returns of single bars over the window, not annualised."""
    close = bars["close"].to_numpy()
    _, standard = standard_deviation(np.log(close / lag(close)), window)
    return pd.Series(standard, bars.index)
