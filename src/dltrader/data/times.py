"""Times as people write them, turned into UTC."""

from __future__ import annotations

import datetime as dt
import re
from typing import TypeAlias

import pandas as pd

from dltrader.errors import ConfigError

Moment: TypeAlias = str | dt.date | pd.Timestamp
"""A point in time: "2010", "2010-01", "2010-01-31", "2010-01-31 15:30", a date or a Timestamp."""

_YEAR = re.compile(r"\d{4}")
_MONTH = re.compile(r"\d{4}-\d{2}")
_DAY = re.compile(r"\d{4}-?\d{2}-?\d{2}")


def moment(value: Moment, name: str, *, end: bool = False) -> pd.Timestamp:
    """A time in UTC; one without a zone is taken as UTC.

    Args:
        value: A text, a date or a Timestamp.
        name: What the time is for, for the error message.
        end: Whether a year, month or date without a time means its last microsecond rather than its
            first.

    Raises:
        ConfigError: The value is no date or time.
    """
    # Numbers are excluded because pandas takes 2010 for 2010 nanoseconds after 1970.
    stamp = None
    if isinstance(value, (str, dt.date)):
        try:
            stamp = pd.Timestamp(value)
        except (ValueError, OverflowError):
            stamp = None
    if stamp is None or pd.isna(stamp):
        raise ConfigError(f"{name} must be a date or time such as '2010-01-31', was {value!r}")
    stamp = stamp.tz_localize("UTC") if stamp.tzinfo is None else stamp.tz_convert("UTC")
    length = _length(value) if end else None
    return stamp if length is None else stamp + length - pd.Timedelta(microseconds=1)


def written(time: pd.Timestamp) -> str:
    """A time as messages show it: the date alone at midnight, else with the time of day."""
    return str(time.date()) if time == time.normalize() else time.strftime("%Y-%m-%d %H:%M:%S")


def _length(value: Moment) -> pd.DateOffset | None:
    """How long the year, month or day lasts that a value names; None with a time of day."""
    if not isinstance(value, str):
        return None if isinstance(value, dt.datetime) else pd.DateOffset(days=1)
    text = value.strip()
    if _YEAR.fullmatch(text):
        return pd.DateOffset(years=1)
    if _MONTH.fullmatch(text):
        return pd.DateOffset(months=1)
    return pd.DateOffset(days=1) if _DAY.fullmatch(text) else None
