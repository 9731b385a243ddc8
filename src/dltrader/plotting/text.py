"""Numbers as people read them; fractions become percent here and nowhere before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dltrader.evaluation.formats import NOTHING, count, money, percent, ratio

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pandas as pd


def brief(value: float) -> str:
    """5226.3 as "5.2k", 13512 as "13.5k", 426402 as "426k", 4.21e6 as "4.2M": a measured size, >= 0, at a glance."""
    for unit, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if value >= 0.9995 * unit:  # what would be rounded to 1000 of the smaller unit is 1.0 of this one
            return f"{value / unit:,.{1 if value < 99.95 * unit else 0}f}{letter}"
    return f"{value:.{1 if value < 99.95 else 0}f}"


def significant(value: float) -> str:
    """0.23429 as "0.234", 61.46 as "61.5", 1234.5 as "1,234": three digits that count, >= 0."""
    return f"{value:,.0f}" if value >= 99.95 else f"{value:#.3g}"


def memory(size: float) -> str:
    """626642944 bytes as "598 MiB", 1181116006 as "1.1 GiB"."""
    return f"{size / 2**30:,.1f} GiB" if size >= 1023.5 * 2**20 else f"{size / 2**20:,.0f} MiB"


# Key of BacktestResult.metrics -> heading and how it is printed, the most telling first.
METRICS: Mapping[str, tuple[str, Callable[[float], str]]] = {
    "total_return": ("Total return", lambda value: percent(value, signed=True)),
    "annual_return": ("Per year", lambda value: percent(value, signed=True)),
    "sharpe": ("Sharpe", ratio),
    "max_drawdown": ("Max drawdown", percent),
    "annual_volatility": ("Volatility", percent),
    "exposure": ("Exposure", percent),
    "trades": ("Trades", count),
    "win_rate": ("Win rate", percent),
    "profit_factor": ("Profit factor", ratio),
    "commission": ("Commission", money),
}


def names(words: Sequence[str], *, most: int = 4) -> str:
    """["A", "B", "C"] as "A, B and C"; beyond `most` the rest is counted."""
    if len(words) > most:
        return f"{', '.join(words[: most - 1])} and {len(words) - most + 1} more"
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def shorten(words: str, length: int) -> str:
    """At most `length` characters; what is cut shows as an ellipsis."""
    return words if len(words) <= length else words[: length - 1].rstrip(" _-.") + "…"


def plural(number: int, noun: str) -> str:
    """(1, "bar") as "1 bar", (1200, "bar") as "1,200 bars"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def period(times: pd.DatetimeIndex) -> str:
    """The first and the last time as "3 Jan 2000" with a dash between; short ones with hours."""
    if not len(times):
        return "no bars"
    first, last = times[0], times[-1]
    is_daily = bool((times == times.normalize()).all())
    hours = "" if is_daily or (last - first).days >= 7 else ", %H:%M"
    ends = [f"{time.day} {time.strftime('%b %Y' + hours)}" for time in (first, last)]
    return ends[0] if ends[0] == ends[1] else f" {NOTHING} ".join(ends)
