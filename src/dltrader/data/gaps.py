"""Missing bars, and bars where none should be: against an exchange's calendar, or the bars' own habits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from dltrader.data.bars import DAY
from dltrader.data.findings import Finding, Level, runs
from dltrader.data.times import written

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dltrader.data.calendars import Schedule

SHORTEST_DAY = 0.9 * DAY
"""Bars with a median gap below this lie within a day."""
SHORTEST_WEEK = 4.5 * DAY
"""Bars with a median gap from here on are longer than a day."""
# Missing in a row without a calendar, weekdays on which bars are usual: exchanges closed for four after 2001-09-10.
_MANY_DAYS, _SOME_DAYS = 5, 3
_USUAL = 0.2  # a weekday is usual if so many of its dates have bars
_MANY_OF_SESSION = 0.1  # so large a part of a session's bars must be missing to be a problem
_MANY_WITHIN, _SOME_WITHIN = 10, 3  # so many bars in a row, without a calendar; fewer had no trade


def against_calendar(index: pd.DatetimeIndex, gap: pd.Timedelta, schedule: Schedule) -> Iterator[Finding]:
    """Bars missing from sessions, and bars outside them.

    Args:
        index: The times of bars.
        gap: Their median gap, below `SHORTEST_WEEK`.
        schedule: All sessions from the first bar to the last, and maybe some before and after.
    """
    if gap >= SHORTEST_DAY:
        dates = index.normalize()
        missing = np.asarray(~schedule.dates.isin(dates) & (schedule.dates > dates[0]) & (schedule.dates < dates[-1]))
        for first, last in runs(missing):
            days = schedule.dates[first : last + 1]
            yield _missing(index, days[0], len(days), "problem", f"{_days(days)}, open at {schedule.calendar}")
        for row, stop in runs(np.asarray(~dates.isin(schedule.dates))):
            yield _outside(index, row, stop, schedule.calendar)
        return
    stamps, opens, closes = (one.as_unit("ns").asi8 for one in (index, schedule.opens, schedule.closes))
    step = gap.as_unit("ns").value
    # A bar that ends when a session opens belongs to what was before; the last may end after the close.
    session = np.searchsorted(opens, stamps, side="left") - 1
    inside = (session >= 0) & (stamps < closes[session] + step)
    for row, stop in runs(~inside):
        yield _outside(index, row, stop, schedule.calendar)
    expected = -(-(closes - opens) // step)
    found = np.bincount(session[inside], minlength=len(opens))
    # A session at either end may have been cut by the span that was asked for.
    for number in np.flatnonzero((opens >= stamps[0] - step) & (closes <= stamps[-1])).tolist():
        lost = int(expected[number] - found[number])
        if lost > 0:
            level: Level = "problem" if lost > _MANY_OF_SESSION * expected[number] else "look"
            day = written(schedule.dates[number])
            text = f"{lost} of {expected[number]} bars of the session of {day} at {schedule.calendar}"
            yield _missing(index, schedule.opens[number], lost, level, text)


def by_habit(index: pd.DatetimeIndex, gap: pd.Timedelta) -> Iterator[Finding]:
    """Bars missing by the interval and the weekdays that the bars themselves keep.

    Without a calendar a holiday looks like a missing bar, so that only longer gaps are found.
    """
    if gap >= SHORTEST_WEEK:
        yield from _long_bars(index, gap)
    elif gap >= SHORTEST_DAY:
        yield from _days_missing(index)
    else:
        yield from _within_days(index, gap)


def _long_bars(index: pd.DatetimeIndex, gap: pd.Timedelta) -> Iterator[Finding]:
    for row in np.flatnonzero(np.diff(index.as_unit("ns").asi8) > 1.6 * gap.as_unit("ns").value).tolist():
        lost = max(1, round((index[row + 1] - index[row]) / gap) - 1)
        text = f"{lost} between {written(index[row])} and {written(index[row + 1])}"
        yield Finding("problem", "missing bars", index[row], index[row + 1], lost, text)


def _days_missing(index: pd.DatetimeIndex) -> Iterator[Finding]:
    dates = index.normalize()
    every = pd.date_range(dates[0], dates[-1], freq="D")
    weekdays = np.asarray(every.day_of_week)
    there = np.asarray(every.isin(dates))
    usual = np.array([there[weekdays == day].mean() > _USUAL if (weekdays == day).any() else False for day in range(7)])
    trading, there = every[usual[weekdays]], there[usual[weekdays]]
    for first, last in runs(~there):
        lost = last - first + 1
        if lost >= _SOME_DAYS:
            level: Level = "problem" if lost >= _MANY_DAYS else "look"
            days = trading[first : last + 1]
            yield _missing(index, days[0], lost, level, f"{_days(days)}, on weekdays that usually have bars")


def _within_days(index: pd.DatetimeIndex, gap: pd.Timedelta) -> Iterator[Finding]:
    step = gap.as_unit("ns").value
    gaps = np.diff(index.as_unit("ns").asi8)
    wide = gaps > 1.5 * step
    n_dates = index.normalize().nunique()
    # Where trading stops every day, what is shorter than half the usual break lies within a session.
    breaks = gaps[gaps > 5 * step]
    stops_daily = n_dates > 1 and len(breaks) >= 0.5 * (n_dates - 1)
    bound = 0.5 * float(np.median(breaks)) if stops_daily else float((2.5 * DAY).as_unit("ns").value)
    too_long = float((5.5 * DAY).as_unit("ns").value)
    for row in np.flatnonzero(wide & ((gaps < bound) | (gaps > too_long))).tolist():
        lost = round(gaps[row] / step) - 1
        if lost < _SOME_WITHIN:
            continue
        text = f"{lost} between {written(index[row])} and {written(index[row + 1])}"
        level: Level = "problem" if lost >= _MANY_WITHIN else "look"
        yield Finding(level, "missing bars", index[row], index[row + 1], lost, text)


def _missing(index: pd.DatetimeIndex, time: pd.Timestamp, lost: int, level: Level, text: str) -> Finding:
    """Bars missing around a time within the span of the index."""
    row = int(index.searchsorted(time))
    before, after = index[max(0, row - 1)], index[min(row, len(index) - 1)]
    return Finding(level, "missing bars", before, after, lost, text)


def _outside(index: pd.DatetimeIndex, row: int, stop: int, calendar: str) -> Finding:
    times = f"{written(index[row])}" + (f" to {written(index[stop])}" if stop > row else "")
    text = f"{times}, when {calendar} is closed"
    return Finding("problem", "out of hours", index[row], index[stop], stop - row + 1, text)


def _days(days: pd.DatetimeIndex) -> str:
    return written(days[0]) if len(days) == 1 else f"{len(days)} days from {written(days[0])} to {written(days[-1])}"
