"""Calendar: where in the day, week or year a bar closed, as a point on a circle.

Parts: `sine` and `cosine` of the elapsed fraction of the period, in UTC. On daily bars, stamped at
    00:00, the time of day is always the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from dltrader.features.windows import Array

_SECONDS_PER_DAY = 86_400.0


def time_of_day(bars: pd.DataFrame) -> pd.DataFrame:
    """The time since midnight UTC on a circle of 24 hours."""
    return _circle(_days(bars), bars.index)


def time_of_week(bars: pd.DataFrame) -> pd.DataFrame:
    """The time since Monday 00:00 UTC on a circle of 7 days."""
    times = pd.DatetimeIndex(bars.index)
    return _circle((times.day_of_week.to_numpy() + _days(bars)) / 7.0, bars.index)


def time_of_year(bars: pd.DataFrame) -> pd.DataFrame:
    """The time since 1 January 00:00 UTC on a circle of the year's 365 or 366 days."""
    times = pd.DatetimeIndex(bars.index)
    length = np.where(times.is_leap_year, 366.0, 365.0)
    return _circle((times.day_of_year.to_numpy() - 1 + _days(bars)) / length, bars.index)


def _days(bars: pd.DataFrame) -> Array:
    """The elapsed fraction of the day."""
    times = pd.DatetimeIndex(bars.index)
    seconds = times.hour * 3600.0 + times.minute * 60.0 + times.second
    return np.asarray(seconds / _SECONDS_PER_DAY, np.float64)


def _circle(fraction: Array, index: pd.Index) -> pd.DataFrame:
    angle = 2.0 * np.pi * fraction
    return pd.DataFrame({"sine": np.sin(angle), "cosine": np.cos(angle)}, index)
