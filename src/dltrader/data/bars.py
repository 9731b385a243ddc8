"""Bars: what they are, how they are cut, and what identifies them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TypeAlias, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from dltrader.data.times import Moment, moment, written
from dltrader.errors import BarsError, ConfigError

Bars: TypeAlias = pd.DataFrame
"""A frame as `validate_bars` returns it."""

COLUMNS = ("open", "high", "low", "close", "volume")
TOLERANCE = 1e-9
"""How far open and close may lie outside [low, high], as a fraction of the price: mere rounding."""

DAY = pd.Timedelta(days=1)
CHUNK = 1 << 18
"""How many bars are checked or hashed at a time, so that what is in between stays small beside the bars."""
_WEEKEND = 5  # the weekday of Saturday


def validate_bars(
    bars: pd.DataFrame,
    origin: str = "bars",
    *,
    lines: Sequence[int] | None = None,
    tolerance: float = TOLERANCE,
) -> Bars:
    """Check bars and bring them into their one form; the frame passed in is left alone.

    Columns may be written in any case and stand in any order; others than the five are dropped.
    Integers become floats. An index without a zone is taken as UTC, one with a zone is converted;
    its resolution stays. An open or close outside [low, high] by no more than the tolerance is
    rounding: high and low are widened to include it.

    Args:
        bars: A frame with open, high, low, close and volume, indexed by time.
        origin: What the bars are called in error messages, such as a file name.
        lines: Line number of each row in the file it came from; error messages then name lines
            instead of rows.
        tolerance: The largest rounding error, as a fraction of the price.

    Returns:
        float64 columns open, high, low, close, volume; a UTC index named "time", strictly increasing.

    Raises:
        BarsError: The bars are empty, columns are missing, duplicated or not numeric, a value is
            missing or infinite, times are missing, unsorted or duplicated, high is below low, open
            or close lies outside [low, high], a price is not above 0, or a volume is negative. A
            volume of 0 is allowed.
    """
    if not isinstance(bars, pd.DataFrame):
        raise BarsError(f"{origin} must be a pandas DataFrame, found {type(bars).__name__}")
    frame = bars_from(_values(bars, origin), _index(bars, origin), origin, lines=lines, tolerance=tolerance)
    frame.attrs.update(bars.attrs)
    return frame


def bars_from(
    values: npt.NDArray[np.float64],
    index: pd.DatetimeIndex,
    origin: str,
    *,
    lines: Sequence[int] | None = None,
    tolerance: float = TOLERANCE,
) -> Bars:
    """Bars over an array, checked as `validate_bars` does and not copied: the array belongs to the bars from here on.

    Args:
        values: (5, bars), in the order of `COLUMNS`; high and low are widened in place.
        index: In UTC.
        origin: What the bars are called in error messages.
        lines: Line number of each row, as in `validate_bars`.
        tolerance: The largest rounding error, as a fraction of the price.

    Raises:
        BarsError: As in `validate_bars`.
    """
    where = _Where(origin, index, lines)
    _check_order(index, where)
    for begin in range(0, len(index), CHUNK):
        part = values[:, begin : begin + CHUNK]
        _check_values(part, where, tolerance, begin)
        prices = part[:4]
        part[1], part[2] = prices.max(axis=0), prices.min(axis=0)
    return pd.DataFrame(values.T, index=index, columns=list(COLUMNS), copy=False)


def split_bars(bars: Bars, *dates: Moment) -> tuple[Bars, ...]:
    """Cut bars at dates; a part ends before the date, the next begins at it: train < date <= test.

    Args:
        bars: Bars of one instrument.
        *dates: One date gives two parts, two dates three; strictly increasing, without a zone taken
            as UTC.

    Raises:
        BarsError: A part would be empty.
        ConfigError: There is no date, one cannot be read, or they do not increase.
    """
    if not dates:
        raise ConfigError("split_bars needs at least one date, such as split_bars(bars, '2010-01-01')")
    bars = validate_bars(bars)
    index = times_of(bars)
    cuts = [moment(date, "the date of a split") for date in dates]
    if any(later <= earlier for earlier, later in pairwise(cuts)):
        raise ConfigError(f"the dates of a split must increase, were {', '.join(map(written, cuts))}")
    rows = [0, *(int(index.searchsorted(cut)) for cut in cuts), len(index)]
    for number, (first, stop) in enumerate(pairwise(rows)):
        if first == stop:
            raise BarsError(
                f"part {number + 1} of {len(rows) - 1} is empty: no bars "
                f"{_between(cuts, number)}; the bars run {span(bars)}"
            )
    return tuple(bars.iloc[first:stop] for first, stop in pairwise(rows))


def slice_bars(bars: Bars, start: Moment | None = None, end: Moment | None = None) -> Bars:
    """The bars from start to end, both included.

    Args:
        bars: Bars of one instrument.
        start: First time, without a zone taken as UTC; None: from the first bar.
        end: Last time; a date without a time means the whole of that day, a month or year likewise;
            None: to the last.

    Raises:
        BarsError: No bar lies in the span.
        ConfigError: A time cannot be read, or start is after end.
    """
    return within(validate_bars(bars), *limits(start, end))


def within(bars: Bars, first: pd.Timestamp | None, last: pd.Timestamp | None) -> Bars:
    """The part of valid bars from first to last, both included, which shares their memory.

    Raises:
        BarsError: No bar lies in the span.
    """
    index = times_of(bars)
    begin = 0 if first is None else int(index.searchsorted(first))
    stop = len(index) if last is None else int(index.searchsorted(last, side="right"))
    if begin >= stop:
        wanted = " ".join(
            f"{word} {written(time)}" for word, time in (("from", first), ("to", last)) if time is not None
        )
        raise BarsError(f"there are no bars {wanted}; the bars run {span(bars)}")
    return bars.iloc[begin:stop]


def limits(start: Moment | None, end: Moment | None) -> tuple[pd.Timestamp | None, pd.Timestamp | None]:
    """A span of time in UTC, both ends included.

    Raises:
        ConfigError: A time cannot be read, or start is after end.
    """
    first = None if start is None else moment(start, "start")
    last = None if end is None else moment(end, "end", end=True)
    if first is not None and last is not None and first > last:
        raise ConfigError(f"start {written(first)} is after end {written(last)}; swap them")
    return first, last


def fingerprint(bars: Bars | Mapping[str, Bars], context: Mapping[str, Bars] | None = None) -> str:
    """SHA-256 of bars: equal for equal times and values.

    Neither the platform nor attrs nor the resolution of the index matter.
    The order of several instruments counts, as it does in every observation.

    Args:
        bars: Bars, or instrument -> bars.
        context: Markets that are seen and not traded; none and an empty one are the same.

    Returns:
        64 hexadecimal digits.

    Raises:
        BarsError: The bars break their rules.
    """
    digest = hashlib.sha256()
    traded = list(bars.items()) if isinstance(bars, Mapping) else [("", bars)]
    # An instrument's name cannot hold what marks the context.
    seen = [(f"context\0{name}", frame) for name, frame in (context or {}).items()]
    for name, frame in traded + seen:
        valid = validate_bars(frame, f"bars of {name}" if name else "bars")
        digest.update(f"{name}\0{' '.join(COLUMNS)}\0{len(valid)}\0".encode())
        digest.update(times_of(valid).as_unit("ns").asi8.astype("<i8").tobytes())
        values = valid.to_numpy()
        for begin in range(0, len(valid), CHUNK):
            # -0.0 equals 0.0 and must hash alike.
            digest.update((values[begin : begin + CHUNK] + 0.0).astype("<f8").tobytes())  # (bars, 5), row by row
    return digest.hexdigest()


def periods_per_year(bars: Bars) -> float:
    """How many bars a year has, guessed from the median gap between them.

    Daily bars: 252, or 365 where weekends have bars. Weekly 52, monthly 12. Intraday: the median
    number of bars on a day that has any, times 252 or 365.

    Raises:
        BarsError: There are fewer than two bars.
    """
    index = times_of(bars)
    gap = median_gap(index)
    if gap >= 4.5 * DAY:  # a week of daily bars around holidays still has a smaller median gap
        return float(max(1, round(pd.Timedelta(days=365.25) / gap)))
    weekend_share = float((np.asarray(index.day_of_week) >= _WEEKEND).mean())
    # Two days of seven where trading never stops, 0.29; at most one of six, 0.17, where a week
    # opens on Sunday evening.
    days = 365 if weekend_share > 0.2 else 252
    if gap >= 0.9 * DAY:
        return float(days)
    _, bars_a_day = np.unique(index.normalize().asi8, return_counts=True)
    return float(np.median(bars_a_day) * days)


def median_gap(index: pd.DatetimeIndex) -> pd.Timedelta:
    """The median time between neighbouring bars.

    Raises:
        BarsError: There are fewer than two bars.
    """
    if len(index) < 2:
        raise BarsError(f"the interval of bars cannot be told from {len(index)} of them; at least 2 are needed")
    gaps = np.diff(index.as_unit("ns").asi8)
    return pd.Timedelta(int(np.median(gaps)), unit="ns")


def times_of(bars: Bars) -> pd.DatetimeIndex:
    """The index of bars as what it is."""
    return cast("pd.DatetimeIndex", bars.index)


def span(bars: Bars) -> str:
    """From when to when bars run, in words."""
    index = times_of(bars)
    return f"from {written(index[0])} to {written(index[-1])}"


class _Where:
    """Names the place of a row in an error message."""

    def __init__(self, origin: str, index: pd.DatetimeIndex, lines: Sequence[int] | None) -> None:
        self.origin = origin
        self.index = index
        self.lines = lines

    def __call__(self, row: int) -> str:
        if self.lines is not None:
            return f"{self.origin} line {self.lines[row]}"
        return f"{self.origin} row {row} ({written(self.index[row])})"


def _values(bars: pd.DataFrame, origin: str) -> npt.NDArray[np.float64]:
    """The five columns as (5, bars)."""
    names = [str(name).strip().lower() for name in bars.columns]
    missing = [column for column in COLUMNS if column not in names]
    if missing:
        raise BarsError(
            f"{origin} has no column {' and no column '.join(missing)}; "
            f"found {', '.join(map(str, bars.columns)) or 'none'}; "
            f"rename them to {' '.join(COLUMNS)}"
        )
    values = np.empty((len(COLUMNS), len(bars)))
    for row, column in enumerate(COLUMNS):
        if names.count(column) > 1:
            raise BarsError(f"{origin} has {names.count(column)} columns {column}; keep one of them")
        series = bars.iloc[:, names.index(column)]
        kind = series.dtype
        real = pd.api.types.is_integer_dtype(kind) or pd.api.types.is_float_dtype(kind)
        if not real:
            raise BarsError(f"column {column} of {origin} is not numeric ({kind}); convert it with pandas.to_numeric")
        values[row] = series.to_numpy(dtype=np.float64, na_value=np.nan)
    if len(bars) == 0:
        raise BarsError(f"{origin} has no rows; at least one bar is needed")
    return values


def _index(bars: pd.DataFrame, origin: str) -> pd.DatetimeIndex:
    index = bars.index
    if not isinstance(index, pd.DatetimeIndex):
        raise BarsError(
            f"the index of {origin} must hold times, found {type(index).__name__}; "
            "set it with bars.index = pandas.to_datetime(...)"
        )
    index = index.tz_localize("UTC") if index.tz is None else index.tz_convert("UTC")
    try:
        index.as_unit("ns")
    except pd.errors.OutOfBoundsDatetime:
        raise BarsError(f"{origin} hold times outside the years 1678 to 2261; drop those rows") from None
    # rename() copies, so that the caller's index keeps its name.
    return index.rename("time")


def _check_order(index: pd.DatetimeIndex, where: _Where) -> None:
    missing = _first(np.asarray(index.isna()))
    if missing is not None:
        raise BarsError(f"{where.origin} row {missing}: the time is missing; drop the row")
    stamps = index.asi8
    wrong = _first(stamps[1:] <= stamps[:-1])
    if wrong is None:
        return
    row = wrong + 1
    if stamps[row] == stamps[wrong]:
        raise BarsError(f"{where(row)}: the time {written(index[row])} occurs twice; keep one of the rows")
    raise BarsError(
        f"{where(row)}: the time {written(index[row])} is before "
        f"{written(index[wrong])} of the row above; sort the bars by time"
    )


def _check_values(values: npt.NDArray[np.float64], where: _Where, tolerance: float, begin: int) -> None:
    """Check the bars from row begin on, which are the columns of values."""
    for column, series in zip(COLUMNS, values, strict=True):
        row = _first(~np.isfinite(series))
        if row is not None:
            found = "is missing" if np.isnan(series[row]) else f"{series[row]} is not finite"
            raise BarsError(f"{where(begin + row)}: {column} {found}; fill in the value or drop the row")
    opened, high, low, closed, volume = values
    for column, series in zip(COLUMNS[:4], values[:4], strict=True):
        row = _first(series <= 0)
        if row is not None:
            raise BarsError(
                f"{where(begin + row)}: {column} {series[row]:.12g} is not above 0; prices must be positive"
            )
    row = _first(high < low - tolerance * low)
    if row is not None:
        raise BarsError(f"{where(begin + row)}: high {high[row]:.12g} is below low {low[row]:.12g}")
    for column, series in (("open", opened), ("close", closed)):
        row = _first((series > high + tolerance * high) | (series < low - tolerance * low))
        if row is not None:
            raise BarsError(
                f"{where(begin + row)}: {column} {series[row]:.12g} is outside [low, high] = "
                f"[{low[row]:.12g}, {high[row]:.12g}]"
            )
    row = _first(volume < 0)
    if row is not None:
        raise BarsError(f"{where(begin + row)}: volume {volume[row]:.12g} is negative; it must be at least 0")


def _first(wrong: npt.NDArray[np.bool_]) -> int | None:
    """The first row at fault, or None."""
    return int(wrong.argmax()) if wrong.any() else None


def _between(cuts: Sequence[pd.Timestamp], number: int) -> str:
    after = f"from {written(cuts[number - 1])} on" if number else ""
    before = f"before {written(cuts[number])}" if number < len(cuts) else ""
    return " and ".join(filter(None, (after, before)))
