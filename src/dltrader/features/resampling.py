"""Resampling: the bars of a higher interval, made of those that have closed.

    interval   how long a bar lasts: `15min`, `4h`, `1D`, `1W`, `1ME`, a month
    end        when a higher bar is over, by the clock in UTC; it is stamped so, and is not known before

Hours, minutes and days are counted from midnight UTC. Their bars hold what is stamped after their beginning and up to
their end, for a bar is stamped at its close: the one stamped 11:00 is the last of the hour from 10:00. Weeks begin on
Monday, months on the first; a bar stamped at midnight belongs to the day that begins, as daily bars are stamped.

A higher bar counts from the first bar on that is stamped at its end or later. So the week of daily bars is known with
the first bar of the next: that Friday is its last trading day cannot be told on Friday without knowing the holidays.
The first higher bar is left out, because it may have begun before the bars do.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from dltrader.data.bars import COLUMNS, median_gap, times_of
from dltrader.data.sessions import DAY_NS, MINUTE_NS
from dltrader.errors import ConfigError

if TYPE_CHECKING:
    from dltrader.data.bars import Bars

Stamps = npt.NDArray[np.int64]
"""Nanoseconds after 1970, UTC."""

_INTERVAL = re.compile(r"([1-9]\d*)?(min|h|D|W|ME)")
_MINUTES = {"min": 1, "h": 60, "D": 1_440}
_SHORTEST = {"W": 7 * DAY_NS, "ME": 28 * DAY_NS}
_MONDAY = 3  # 1970-01-01 was a Thursday


class View(NamedTuple):
    """Bars that a feature is computed on, where they are not those that are traded.

    Attributes:
        bars: The bars.
        known: (bars,) when each may be seen.
    """

    bars: pd.DataFrame
    known: Stamps


def interval_of(text: object) -> str:
    """An interval in its one form, such as 15min or 1W.

    Raises:
        ConfigError: It is none, or more than a day of them does not make a day even.
    """
    match = _INTERVAL.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        raise ConfigError(f"interval must be one such as 15min, 4h, 1D, 1W or 1ME (a month), was {text!r}")
    count, unit = int(match[1] or 1), match[2]
    whole = 1_440 % (count * _MINUTES[unit]) == 0 if unit in _MINUTES else count == 1
    if not whole:
        raise ConfigError(f"interval must be an even part of a day, 1D, 1W or 1ME, was {text!r}")
    return f"{count}{unit}"


def ends_of(times: pd.DatetimeIndex, interval: str) -> Stamps:
    """When the higher bar of every bar is over, (bars,).

    Args:
        times: Of the bars, UTC.
        interval: Of `interval_of`.
    """
    stamps = times.as_unit("ns").asi8
    count, unit = _parts(interval)
    if unit in _MINUTES:
        length = count * _MINUTES[unit] * MINUTE_NS
        return -(-stamps // length) * length
    if unit == "W":
        days = stamps // DAY_NS
        return (days - (days + _MONDAY) % 7 + 7) * DAY_NS
    months = stamps.astype("datetime64[ns]").astype("datetime64[M]") + 1
    return months.astype("datetime64[ns]").astype(np.int64)


def resampled(bars: Bars, interval: str, owner: str) -> View:
    """The higher bars that are over at the last bar, stamped at their ends, each known with the first bar from then on.

    Args:
        bars: Bars.
        interval: Of `interval_of`.
        owner: Who asks for them, for the error message.

    Raises:
        ConfigError: The bars are as long as the interval, or longer.
    """
    times = times_of(bars)
    _require_finer(times, interval, owner)
    stamps, ends = times.as_unit("ns").asi8, ends_of(times, interval)
    begins = np.flatnonzero(np.diff(ends, prepend=ends[:1] - 1))  # (higher bars,) the row of each one's first bar
    over = begins[1:][ends[begins[1:]] <= stamps[-1:]]
    index = pd.DatetimeIndex(ends[over], tz="UTC", name="time")
    if len(over) == 0:
        return View(pd.DataFrame({column: np.zeros(0) for column in COLUMNS}, index), np.zeros(0, np.int64))
    # What begins after the last that is over is cut off as a piece of its own.
    edges = np.append(over, begins[begins > over[-1]][:1])
    last = np.append(edges[1:], [len(bars)])[: len(over)] - 1
    opened, high, low, close, volume = (bars[column].to_numpy() for column in COLUMNS)
    columns = {
        "open": opened[over],
        "high": np.maximum.reduceat(high, edges)[: len(over)],
        "low": np.minimum.reduceat(low, edges)[: len(over)],
        "close": close[last],
        "volume": np.add.reduceat(volume, edges)[: len(over)],
    }
    return View(pd.DataFrame(columns, index), stamps[np.searchsorted(stamps, ends[over])])


def _parts(interval: str) -> tuple[int, str]:
    match = _INTERVAL.fullmatch(interval)
    assert match is not None  # of interval_of
    return int(match[1] or 1), match[2]


def _require_finer(times: pd.DatetimeIndex, interval: str, owner: str) -> None:
    """Raise a ConfigError where the bars are not shorter than the interval."""
    if len(times) < 2:
        return  # nothing is made of one bar
    gap = median_gap(times)
    count, unit = _parts(interval)
    shortest = _SHORTEST[unit] if unit in _SHORTEST else count * _MINUTES[unit] * MINUTE_NS
    if gap.as_unit("ns").value >= shortest:
        raise ConfigError(
            f"{owner} is of the interval {interval}, and there is a bar every {_written(gap)}; "
            "choose a longer interval, or shorter bars"
        )


def _written(gap: pd.Timedelta) -> str:
    """A time between bars as an interval is written."""
    minutes = gap / pd.Timedelta(minutes=1)
    unit = next((unit for unit in ("D", "h") if minutes % _MINUTES[unit] == 0), "min")
    return f"{minutes / _MINUTES[unit]:g}{unit}"
