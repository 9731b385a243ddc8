"""Session: where in its trading day a market stands, and what it has done since the open.

All take the market's `timezone` and the `open` and `close` of its session there; the defaults are those of American
stocks. Bars outside of sessions stand where the last session ended. Features that look back to the open are settled
from the first session on of which no bar can be missing; their warm-up ends with the session that the bars begin in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, TypeAlias, TypeVar

import numpy as np
import pandas as pd
from pydantic import Field

from dltrader.data.sessions import (
    CLOSE,
    NEW_YORK,
    OPEN,
    Clock,
    Sessions,
    TimeOfDay,
    TimeZone,
    first_whole_session,
    sessions_of,
)
from dltrader.features.windows import ratio

if TYPE_CHECKING:
    from dltrader.features.windows import Array

Minutes: TypeAlias = Annotated[int, Field(ge=1, le=1_440, description="minutes, from 1 to 1440")]
F = TypeVar("F", bound=Callable[..., object])


def _by_session(feature: F) -> F:
    """Mark a feature as settled by its sessions rather than after a number of bars."""
    vars(feature)["settled_from"] = first_whole_session
    return feature


def minutes_since_open(
    bars: pd.DataFrame, *, timezone: TimeZone = NEW_YORK, open: TimeOfDay = OPEN, close: TimeOfDay = CLOSE
) -> pd.Series[float]:
    """Minutes since the session's open; the session's length once it is over."""
    clock = Clock(timezone, open, close)
    return pd.Series(_elapsed(bars, clock), bars.index)


def minutes_to_close(
    bars: pd.DataFrame, *, timezone: TimeZone = NEW_YORK, open: TimeOfDay = OPEN, close: TimeOfDay = CLOSE
) -> pd.Series[float]:
    """Minutes to the session's close, by the clock and not by the last bar; 0 once it is over."""
    clock = Clock(timezone, open, close)
    return pd.Series(clock.minutes - _elapsed(bars, clock), bars.index)


def first_minutes(
    bars: pd.DataFrame,
    *,
    minutes: Minutes = 10,
    timezone: TimeZone = NEW_YORK,
    open: TimeOfDay = OPEN,
    close: TimeOfDay = CLOSE,
) -> pd.Series[float]:
    """1 while the first minutes of a session are not over, else 0."""
    return pd.Series((_elapsed(bars, Clock(timezone, open, close)) < minutes).astype(np.float64), bars.index)


@_by_session
def session_return(
    bars: pd.DataFrame, *, timezone: TimeZone = NEW_YORK, open: TimeOfDay = OPEN, close: TimeOfDay = CLOSE
) -> pd.Series[float]:
    """ln(close / the first open of the session)."""
    opened, closed = bars["open"].to_numpy(), bars["close"].to_numpy()

    def since_open(rows: slice, sessions: Sessions) -> Array:
        del sessions
        return np.asarray(np.log(closed[rows] / opened[rows.start]), np.float64)

    return _session_by_session(bars, Clock(timezone, open, close), since_open)


@_by_session
def session_vwap_distance(
    bars: pd.DataFrame, *, timezone: TimeZone = NEW_YORK, open: TimeOfDay = OPEN, close: TimeOfDay = CLOSE
) -> pd.Series[float]:
    """ln(close / the session's volume-weighted average price so far), of typical prices; 0 without volume."""
    opened, high, low, closed, volume = (bars[name].to_numpy() for name in ("open", "high", "low", "close", "volume"))

    def from_average(rows: slice, sessions: Sessions) -> Array:
        # Distances from one price are exactly 0 where prices stand still.
        origin = opened[rows.start]
        typical = ((high[rows] - origin) + (low[rows] - origin) + (closed[rows] - origin)) / 3.0
        weight = np.where(sessions.inside[rows], volume[rows], 0.0)
        traded = np.cumsum(weight)
        average = origin + ratio(np.cumsum(weight * typical), traded, 0.0)
        return np.where(traded == 0.0, 0.0, np.log(closed[rows] / average))

    return _session_by_session(bars, Clock(timezone, open, close), from_average)


@_by_session
def opening_range(
    bars: pd.DataFrame,
    *,
    minutes: Minutes = 30,
    timezone: TimeZone = NEW_YORK,
    open: TimeOfDay = OPEN,
    close: TimeOfDay = CLOSE,
) -> pd.Series[float]:
    """Where the close stands in the range of the session's first minutes: -1 at its low, 1 at its high, and beyond.

    0 until they are over, and where they had no range or no bar.
    Source: Crabel 1990, Day Trading with Short Term Price Patterns and Opening Range Breakout.
    """
    high, low, closed = (bars[name].to_numpy() for name in ("high", "low", "close"))

    def in_range(rows: slice, sessions: Sessions) -> Array:
        elapsed, inside = sessions.elapsed[rows], sessions.inside[rows]
        opening = inside & (elapsed <= minutes)
        position = np.zeros(rows.stop - rows.start)
        if opening.any():
            top, bottom = high[rows][opening].max(), low[rows][opening].min()
            over = ~inside | (elapsed >= minutes)
            width = np.full_like(position, top - bottom)
            position = np.where(over, ratio((closed[rows] - top) + (closed[rows] - bottom), width, 0.0), 0.0)
        return position

    return _session_by_session(bars, Clock(timezone, open, close), in_range)


def _elapsed(bars: pd.DataFrame, clock: Clock) -> Array:
    """Minutes since the open, up to the session's length."""
    return np.minimum(sessions_of(pd.DatetimeIndex(bars.index), clock).elapsed, clock.minutes)


def _session_by_session(
    bars: pd.DataFrame, clock: Clock, formula: Callable[[slice, Sessions], Array]
) -> pd.Series[float]:
    """A formula over the rows from each session's first bar to the next one's; NaN before the first whole session."""
    sessions = sessions_of(pd.DatetimeIndex(bars.index), clock)
    values = np.full(len(bars), np.nan)
    whole = sessions.begins[sessions.begins > 0]
    for start, stop in zip(whole, np.append(whole[1:], len(bars)), strict=True):
        rows = slice(int(start), int(stop))
        values[rows] = formula(rows, sessions)
    return pd.Series(values, bars.index)
