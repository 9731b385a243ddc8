"""Volume: how much was traded, and on which side."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dltrader.features.windows import Horizon, Window, lag, mean, ratio, weighted_mean


def volume_change(bars: pd.DataFrame, *, horizon: Horizon = 1) -> pd.Series[float]:
    """ln(volume_t / volume_{t - horizon}); 0 where either is 0."""
    volume = bars["volume"].to_numpy()
    before = lag(volume, horizon)
    silent = (volume == 0) | (before == 0)
    return pd.Series(np.log(np.where(silent, 1.0, volume / before)), bars.index)


def obv_slope(bars: pd.DataFrame, *, window: Window = 20) -> pd.Series[float]:
    """Slope of on-balance volume over the window, in mean volumes a bar: 1 if every bar closed higher on equal volume.

    The slope is that of the least-squares line through the last `window` values of on-balance
    volume, so that it does not matter where the running sum began; the mean volume is that of the
    `window - 1` bars that moved it. 0 without volume. Source: Granville 1963, New Key to Stock
    Market Profits (on-balance volume).
    """
    close, volume = bars["close"].to_numpy(), bars["volume"].to_numpy()
    signed = np.sign(close - lag(close)) * volume
    # The line's slope is linear in the window's increments: a bar's volume counts in all values
    # from it on.
    position = np.arange(window) - (window - 1) / 2.0  # oldest first
    weights = np.cumsum(position[::-1])[: window - 1] / np.sum(position**2)  # newest first; they sum to 1
    return pd.Series(ratio(weighted_mean(signed, weights), mean(volume, window - 1), 0.0), bars.index)
