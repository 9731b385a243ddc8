"""Horizons in words: 5 bars of a minute are "5m", 5 daily bars "5d"."""

from __future__ import annotations

import re
from functools import lru_cache

import pandas as pd

from dltrader.errors import ConfigError

UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds", "ms": "milliseconds", "us": "microseconds"}
"""Letters to what they count, from the longest down."""


@lru_cache(maxsize=1_024)
def horizon_name(bars: int, interval: pd.Timedelta) -> str:
    """A horizon in the longest unit of which the interval is a whole multiple: "30m", "24h", "5d".

    The unit follows the interval alone, so that all horizons over the same bars are told in one: of hourly bars 24 are
    "24h" and not "1d". Of daily bars days count those with bars, as the horizon does: a week of trading is "5d".

    Args:
        bars: Bars ahead.
        interval: From one bar to the next.

    Raises:
        ConfigError: There is no bar ahead, or no time between bars.
    """
    if bars < 1:
        raise ConfigError(f"a horizon is at least 1 bar, was {bars}")
    if not interval > pd.Timedelta(0):
        raise ConfigError(f"the interval of bars must be above 0, was {interval}")
    for letter, unit in UNITS.items():
        one = pd.Timedelta(f"1 {unit}")
        if interval % one == pd.Timedelta(0):
            return f"{bars * (interval // one)}{letter}"
    return f"{bars * interval.as_unit('ns').value}ns"


def horizon_bars(name: str, interval: pd.Timedelta) -> int | None:
    """The bars of a horizon in words, as `horizon_name` gives it; None of what is no such name.

    Args:
        name: Such as "30m".
        interval: From one bar to the next.
    """
    found = re.fullmatch(r"([1-9][0-9]*)([a-z]+)", name)
    units = UNITS | {"ns": "nanoseconds"}
    if found is None or found[2] not in units:
        return None
    bars, rest = divmod(pd.Timedelta(f"{found[1]} {units[found[2]]}"), interval)
    return int(bars) if bars >= 1 and rest == pd.Timedelta(0) else None
