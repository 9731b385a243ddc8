"""What prices did: returns over a horizon, and the shape of a single bar.

All are natural logarithms of ratios of prices.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from dltrader.features.windows import Horizon, lag


def log_return(bars: pd.DataFrame, *, horizon: Horizon = 1) -> pd.Series[float]:
    """ln(close_t / close_{t - horizon})."""
    close = bars["close"].to_numpy()
    return pd.Series(np.log(close / lag(close, horizon)), bars.index)


def gap(bars: pd.DataFrame) -> pd.Series[float]:
    """ln(open_t / close_{t-1}): what happened between the bars."""
    return pd.Series(np.log(bars["open"].to_numpy() / lag(bars["close"].to_numpy())), bars.index)


def bar_range(bars: pd.DataFrame) -> pd.Series[float]:
    """ln(high / low): how far prices went within the bar."""
    return pd.Series(np.log(bars["high"].to_numpy() / bars["low"].to_numpy()), bars.index)


def body(bars: pd.DataFrame) -> pd.Series[float]:
    """ln(close / open): where prices went within the bar."""
    return pd.Series(np.log(bars["close"].to_numpy() / bars["open"].to_numpy()), bars.index)
