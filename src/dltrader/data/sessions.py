"""Sessions: when a market is open, by the clock on its wall.

    session   from `open` to `close` in the time zone of the market, summer time included; one that closes no later than
              it opens lasts past midnight
    inside    a bar stamped after the open and up to the close, for it is stamped at its close

A bar outside of all sessions belongs to the one before it. What a clock says of a bar depends on nothing but its stamp.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Annotated, Any, NamedTuple, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BeforeValidator, Field

from dltrader.errors import BarsError, ConfigError

MINUTE_NS = 60 * 10**9
DAY_NS = 1_440 * MINUTE_NS

_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)|24:00")


def _zone(value: Any) -> str:
    try:
        return ZoneInfo(value).key
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError):
        raise ConfigError(f"timezone must be a zone such as America/New_York or UTC, was {value!r}") from None


def time_of_day(value: Any) -> str:
    """A time of day in its one form, 09:30.

    Raises:
        ConfigError: It is none.
    """
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 1_440:
        return f"{value // 60:02d}:{value % 60:02d}"  # YAML 1.1 reads 16:00 as 960
    if isinstance(value, str) and _TIME.fullmatch(value.strip()):
        hour, _, minute = value.strip().partition(":")
        return f"{int(hour):02d}:{minute}"
    raise ConfigError(f"the time of day must be written as 09:30, was {value!r}")


TimeZone: TypeAlias = Annotated[
    str, BeforeValidator(_zone), Field(description="A time zone by its name, such as America/New_York")
]
TimeOfDay: TypeAlias = Annotated[
    str, BeforeValidator(time_of_day), Field(description="A time of day on the market's wall, such as 09:30")
]

NEW_YORK, OPEN, CLOSE = "America/New_York", "09:30", "16:00"
"""The regular session of American stocks."""


class Clock(NamedTuple):
    """When a market is open.

    Attributes:
        timezone: Of the market.
        open: When its sessions begin, hours and minutes.
        close: When they end.
    """

    timezone: str = NEW_YORK
    open: str = OPEN
    close: str = CLOSE

    def opens(self, dates: pd.DatetimeIndex) -> pd.DatetimeIndex:
        """When the sessions of dates begin, in UTC.

        Args:
            dates: Midnights without a zone.
        """
        walls = dates + pd.Timedelta(minutes=_minutes(self.open))
        first = np.ones(len(walls), dtype=bool)  # of an hour that comes twice
        return walls.tz_localize(self.timezone, ambiguous=first, nonexistent="shift_forward").tz_convert("UTC")

    @property
    def minutes(self) -> int:
        """How long a session lasts; a whole day where it closes when it opens."""
        return (_minutes(self.close) - _minutes(self.open)) % 1_440 or 1_440

    def __str__(self) -> str:
        """As messages show it."""
        return f"from {self.open} to {self.close} in {self.timezone}"


class Sessions(NamedTuple):
    """What a clock says of bars.

    Attributes:
        elapsed: (bars,) minutes since the open, above 0 and up to 1440; beyond the session's length outside of it.
        inside: (bars,) whether a bar is inside a session.
        begins: (sessions,) rows at which a session begins; the first may have begun before the bars do.
    """

    elapsed: npt.NDArray[np.float64]
    inside: npt.NDArray[np.bool_]
    begins: npt.NDArray[np.int64]


def sessions_of(times: pd.DatetimeIndex, clock: Clock) -> Sessions:
    """The sessions of bars.

    Args:
        times: Of the bars, UTC.
        clock: When their market is open.
    """
    wall = times.tz_convert(clock.timezone).tz_localize(None).as_unit("ns").asi8
    since = wall - _minutes(clock.open) * MINUTE_NS - 1
    elapsed = (since % DAY_NS + 1) / MINUTE_NS
    inside = elapsed <= clock.minutes
    # Where summer time ends the wall's clock goes back; sessions do not.
    numbers = np.maximum.accumulate(since // DAY_NS)[inside]
    rows = np.flatnonzero(inside)
    return Sessions(elapsed, inside, rows[np.flatnonzero(np.diff(numbers, prepend=-(2**62)))])


def first_whole_session(times: pd.DatetimeIndex, **parameters: Any) -> int:
    """The row at which the first session begins of which no bar can be missing: one that the bars do not begin with.

    Args:
        times: Of the bars, UTC.
        **parameters: Of a feature; `timezone`, `open` and `close` make its clock.

    Raises:
        BarsError: There is none.
    """
    clock = clock_of(parameters)
    begins = sessions_of(times, clock).begins
    whole = begins[begins > 0]
    if len(whole) == 0:
        raise BarsError(
            f"{len(times)} bars have no whole session {clock}; load more of them, shorter than a day, or correct the "
            "time zone"
        )
    return int(whole[0])


def clock_of(parameters: dict[str, Any]) -> Clock:
    """The clock among the parameters of a feature."""
    return Clock(*(parameters[name] for name in Clock._fields if name in parameters))


@lru_cache(maxsize=64)
def _minutes(time: str) -> int:
    hour, _, minute = time.partition(":")
    return 60 * int(hour) + int(minute)
