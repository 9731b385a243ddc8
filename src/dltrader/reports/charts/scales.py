"""From values to places: scales, round ticks, dates, and paths with no more points than there are pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

Numbers = npt.NDArray[np.floating[Any]]

LOG_RANGE = 5.0
"""From a fivefold change on, equal distances should mean equal growth."""


@dataclass(frozen=True)
class Scale:
    """Puts values between two places; `low` comes to stand at `start`, `high` at `end`."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, values: Any) -> Numbers:
        """The places of values; nan of nan, and of what a logarithm does not know."""
        known = np.asarray(values, dtype=float)
        low, high = self.low, self.high
        if self.log:
            with np.errstate(divide="ignore", invalid="ignore"):
                known = np.where(known > 0, np.log(known), np.nan)
            low, high = math.log(low), math.log(high)
        places: Numbers = self.start + (known - low) / (high - low) * (self.end - self.start)
        return places


def spanning(values: Sequence[Any], start: float, end: float, *, log: bool = False, room: float = 0.06) -> Scale:
    """A scale with a little room around all values; with `log`, logarithmic where they span that much.

    Args:
        values: Arrays; what is not finite does not count.
        start: The place of the least.
        end: The place of the greatest.
        log: Whether it may be logarithmic.
        room: Left free at both ends, as a share of the span.
    """
    known = np.concatenate([np.asarray(one, dtype=float).ravel() for one in values]) if values else np.zeros(0)
    known = known[np.isfinite(known)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    if low == high:
        low, high = low - max(abs(low) * 0.05, 1e-9), high + max(abs(high) * 0.05, 1e-9)
    if log and low > 0 and high / low >= LOG_RANGE:
        factor = (high / low) ** room
        return Scale(low / factor, high * factor, start, end, log=True)
    return Scale(low - room * (high - low), high + room * (high - low), start, end)


def ticks(scale: Scale, most: int) -> list[float]:
    """Round values within a scale: 1, 2 or 5 times a power of ten apart; on a logarithmic one, such values."""
    if scale.log:
        low, high = math.floor(math.log10(scale.low)), math.ceil(math.log10(scale.high))
        for mantissas in ((1.0, 2.0, 5.0), (1.0, 3.0), (1.0,)):
            each = [m * 10.0**power for power in range(low, high + 1) for m in mantissas]
            found = [value for value in each if scale.low <= value <= scale.high]
            if len(found) <= most:
                break
        return found
    raw = (scale.high - scale.low) / max(most, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1.0, 2.0, 2.5, 5.0, 10.0) if m * power >= raw * (1 - 1e-9))
    first, last = math.ceil(scale.low / step - 1e-9), math.floor(scale.high / step + 1e-9)
    return [round(i * step, 12) + 0.0 for i in range(first, last + 1)]


# Hours, days, months and years between two dates on an axis, the finest first, and how a date is written.
_STEPS = (
    ("hours", 1, "%H:%M"), ("hours", 3, "%H:%M"), ("hours", 24, "%d %b"), ("hours", 168, "%d %b"),
    ("months", 1, "%b %Y"), ("months", 3, "%b %Y"), ("months", 6, "%b %Y"), ("months", 12, "%Y"), ("months", 24, "%Y"),
    ("months", 60, "%Y"), ("months", 120, "%Y"),
)  # fmt: skip


def dates(index: pd.DatetimeIndex, most: int) -> list[tuple[int, str]]:
    """Numbers of bars at which an hour, day, month or year begins, no more than `most`, with what to write there."""
    naive = index.tz_localize(None) if index.tz is not None else index
    hours = np.asarray((naive - pd.Timestamp(0)) // pd.Timedelta(hours=1), dtype=np.int64)
    months = np.asarray(naive.year * 12 + naive.month - 1, dtype=np.int64)
    begins, form = np.zeros(0, dtype=np.int64), ""
    is_daily = bool((naive == naive.normalize()).all())
    for counted, every, form in _STEPS[2 * is_daily :]:  # noqa: B007 - the last is what is written
        periods = (hours if counted == "hours" else months) // every
        begins = np.flatnonzero(np.diff(periods) != 0) + 1
        if len(begins) <= most:
            break
    least = len(index) / (most + 1) * 0.7
    kept: list[int] = []
    for place in begins:
        if not kept or place - kept[-1] >= least:
            kept.append(int(place))
    return [(place, _written(naive[place], form)) for place in kept]


def _written(time: pd.Timestamp, form: str) -> str:
    return time.strftime(form).removeprefix("0") if form.startswith("%d") else time.strftime(form)


def line(x: Numbers, y: Numbers) -> str:
    """The path through points, with gaps at nan; of points in one column of pixels the extremes stay."""
    kept = _columns(x, y)
    steps, pen_up = [], True
    for i in kept:
        if not math.isfinite(y[i]):
            pen_up = True
            continue
        steps.append(f"{'M' if pen_up else 'L'}{short(x[i])} {short(y[i])}")
        pen_up = False
    return "".join(steps)


def area(x: Numbers, low: Numbers, high: Numbers) -> str:
    """The closed paths between two lines, one for each stretch without nan."""
    good = np.isfinite(low) & np.isfinite(high)
    edges = np.flatnonzero(np.diff(good.astype(int), prepend=0, append=0))
    parts = []
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        there, back = line(x[start:end], high[start:end]), line(x[start:end][::-1], low[start:end][::-1])
        parts.append(f"{there}L{back[1:]}Z")
    return "".join(parts)


def runs(values: Numbers) -> list[tuple[int, int, float]]:
    """Stretches of equal values: first index, index after the last, value."""
    starts = [0, *(np.flatnonzero(np.diff(values) != 0) + 1).tolist(), len(values)]
    return [(a, b, float(values[a])) for a, b in pairwise(starts) if b > a]


def short(value: float) -> str:
    """A place to a tenth of a pixel, without needless digits."""
    return f"{value:.1f}".removesuffix(".0")


def _columns(x: Numbers, y: Numbers) -> list[int]:
    """Indices of the points to draw: all, or the first, least, greatest and last of each column of pixels."""
    n = len(x)
    span = abs(float(x[-1] - x[0])) if n else 0.0
    if n <= 2 * span + 4:
        return list(range(n))
    column = np.floor(x).astype(int)
    starts = np.concatenate([[0], np.flatnonzero(np.diff(column)) + 1, [n]])
    kept: set[int] = set()
    for a, b in pairwise(starts.tolist()):
        part = y[a:b]
        kept |= {a, b - 1}
        if np.isfinite(part).any():
            kept |= {a + int(np.nanargmin(part)), a + int(np.nanargmax(part))}
    return sorted(kept)
