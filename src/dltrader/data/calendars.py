"""When an exchange is open, from exchange-calendars: XNYS, XLON, CMES, 24/7 and many more."""

from __future__ import annotations

import difflib
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from dltrader.data.bars import DAY
from dltrader.data.times import written
from dltrader.errors import ConfigError, MissingExtraError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Sequence

_AROUND = 10 * DAY
"""A span is widened by this: a calendar of no session at all cannot be made."""


@dataclass(frozen=True)
class Schedule:
    """The sessions of an exchange, in order; the three indexes are of equal length and in UTC.

    Attributes:
        calendar: The name of the calendar.
        dates: The date of each session, at midnight.
        opens: When it opens.
        closes: When it closes.
    """

    calendar: str
    dates: pd.DatetimeIndex
    opens: pd.DatetimeIndex
    closes: pd.DatetimeIndex


def calendar_names() -> Sequence[str]:
    """The names that calendars go by.

    Raises:
        MissingExtraError: exchange-calendars is not installed.
    """
    names: list[str] = _library().get_calendar_names(include_aliases=True)
    return names


def schedule_of(calendar: str, first: pd.Timestamp, last: pd.Timestamp) -> Schedule:
    """The sessions whose dates lie between those of two times, both included.

    Args:
        calendar: One of `calendar_names()`.
        first: A time on the first date, in UTC.
        last: A time on the last date.

    Raises:
        ConfigError: The calendar does not reach back or ahead so far.
        MissingExtraError: exchange-calendars is not installed.
        UnknownNameError: There is no such calendar.
    """
    library = _library()
    names = calendar_names()
    if calendar not in names:
        close = difflib.get_close_matches(calendar.upper(), names, n=3) or ["XNYS", "XLON", "24/7"]
        raise UnknownNameError(f"unknown calendar {calendar!r}; did you mean {' or '.join(map(repr, close))}?")
    begin, end = (time.tz_localize(None).normalize() for time in (first, last))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pandas, about what the library does inside
            found = library.get_calendar(calendar, start=begin - _AROUND, end=end + _AROUND)
    except ValueError as error:
        raise ConfigError(
            f"the calendar {calendar} does not cover {written(first)} to {written(last)} "
            f"({' '.join(str(error).split())[:160]}); check a shorter span, or without a calendar"
        ) from None
    table = found.schedule.loc[begin:end]
    dates = pd.DatetimeIndex(table.index).tz_localize("UTC")
    return Schedule(calendar, dates, pd.DatetimeIndex(table["open"]), pd.DatetimeIndex(table["close"]))


def _library() -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import exchange_calendars  # noqa: PLC0415 - an optional dependency
    except ImportError:
        raise MissingExtraError("exchange-calendars", "calendars") from None
    return exchange_calendars
