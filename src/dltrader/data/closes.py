"""What providers' bars have in common: an interval, and a stamp at the start, where here it stands at the close."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from dltrader.data.bars import DAY
from dltrader.errors import ConfigError
from dltrader.registry import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Collection

    import numpy.typing as npt


def closes(
    starts: pd.DatetimeIndex, length: pd.Timedelta | pd.DateOffset, now: pd.Timestamp
) -> tuple[pd.DatetimeIndex, npt.NDArray[np.bool_]]:
    """The stamps at the close of bars, in UTC, and which bars have closed by now.

    A bar of a day or more stands at the last date it covers and closes at the exchange's midnight, however early
    trading ends.

    Args:
        starts: When the bars begin, in the exchange's time zone.
        length: A Timedelta for bars within a day, a DateOffset for a day and longer.
        now: The time by which a bar must have closed.
    """
    if isinstance(length, pd.Timedelta):
        stamps = starts.tz_convert("UTC") + length
        return stamps, np.asarray(stamps <= now)
    midnight = starts.tz_localize(None).normalize() + length
    return (midnight - DAY).tz_localize("UTC"), np.asarray(midnight <= now.tz_convert(starts.tz).tz_localize(None))


def known_interval(interval: str, intervals: Collection[str], provider: str) -> str:
    """An interval that a provider has.

    Raises:
        ConfigError: It has none such.
    """
    if interval not in intervals:
        raise ConfigError(f"{provider} has no {interval!r}{did_you_mean(interval, intervals)}")
    return interval
