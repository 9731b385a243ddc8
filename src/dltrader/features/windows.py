"""Numbers over the last bars: lags, means, deviations and extremes.

All take arrays of shape (bars,) and give arrays of the same shape, NaN where the window reaches
before the first bar. Each row is computed from its own window by the same element-wise operations
in the same order, without running sums. So a row depends neither to the bit on later bars nor on
how much history stands before its window, and a window of equal values has a mean of exactly that
value and a deviation of exactly 0. It may also be computed in any company: rows are done in blocks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Annotated, Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view
from pydantic import Field

Array: TypeAlias = npt.NDArray[np.float64]

Window: TypeAlias = Annotated[int, Field(ge=2, le=10_000, description="bars, from 2 to 10000")]
"""A parameter that counts the bars of a window."""

Horizon: TypeAlias = Annotated[int, Field(ge=1, le=10_000, description="bars, from 1 to 10000")]
"""A parameter that counts bars back, or a window that may be a single bar."""

MEMORY = 5.0
"""How many time constants an exponential mean remembers; what lies further back would weigh exp(-5), 0.7 %."""

BLOCK_ROWS = 16_384
"""Rows done at a time: a window passes over its rows many times, and a block of them stays in the processor's cache."""

AT_ONCE = 1 << 16
"""Up to so many values, rows times ages, are held at once, a row of them an age: over few rows, such as those of the
newest bars, a step an age takes far longer to begin than to do."""


def blocks(n_bars: int, first: int = 0, n_rows: int = BLOCK_ROWS) -> Iterator[slice]:
    """The rows from `first` on, at most `n_rows` at a time; none where there are no more than `first`."""
    for start in range(first, n_bars, n_rows):
        yield slice(start, min(start + n_rows, n_bars))


def lag(values: Array, bars: int = 1) -> Array:
    """The values so many bars ago."""
    lagged = np.full_like(values, np.nan)
    lagged[bars:] = values[: max(len(values) - bars, 0)]
    return lagged


def weighted_mean(values: Array, weights: Array) -> Array:
    """The mean of the last `len(weights)` values; `weights[0]` is that of the newest, and their sum is 1."""
    n_bars, window = len(values), len(weights)
    result = np.full(n_bars, np.nan)
    for rows in blocks(n_bars, first=window - 1):
        newest = values[rows]
        # The sum runs over differences from the newest value: they are exactly 0 where prices stand
        # still.
        if window > 1 and len(newest) * window <= AT_ONCE:
            result[rows] = newest + _sum((_ages(values, rows, window)[1:] - newest) * weights[1:, np.newaxis])
            continue
        total, term = np.zeros_like(newest), np.empty_like(newest)
        for age, weight in enumerate(weights[1:].tolist(), start=1):
            np.subtract(_aged(values, rows, age), newest, out=term)
            term *= weight
            total += term
        result[rows] = newest + total
    return result


def mean(values: Array, window: int) -> Array:
    """The simple mean of the last `window` values."""
    return weighted_mean(values, np.full(window, 1.0 / window))


def exponential_mean(values: Array, smoothing: float) -> Array:
    """The exponential mean with weights (1 - smoothing)**age over the last `ceil(5 / smoothing)` values.

    The textbook recursion never forgets its first value; here what it would still weigh after 5
    time constants, at most 0.7 %, is shared among the bars within the memory.
    """
    memory = math.ceil(MEMORY / smoothing)
    weights = (1.0 - smoothing) ** np.arange(memory)
    return weighted_mean(values, weights / weights.sum())


def wilder_mean(values: Array, window: int) -> Array:
    """Wilder's mean: exponential with smoothing 1 / window, so a memory of 5 windows."""
    return exponential_mean(values, 1.0 / window)


def span_mean(values: Array, window: int) -> Array:
    """The exponential mean of traders: smoothing 2 / (window + 1), so a memory of 2.5 (window + 1) bars."""
    return exponential_mean(values, 2.0 / (window + 1.0))


def standard_deviation(values: Array, window: int) -> tuple[Array, Array]:
    """How far the newest value stands from the mean of its window, and how far values stray from that mean.

    Returns:
        Newest value - mean; standard deviation (divided by `window`, not `window - 1`).
    """
    above, variance = _distances(values, window, np.square)
    return above, np.sqrt(variance, out=variance)


def absolute_deviation(values: Array, window: int) -> tuple[Array, Array]:
    """As `standard_deviation`, with the mean absolute deviation: newest value - mean; deviation."""
    return _distances(values, window, np.absolute)


def _distances(values: Array, window: int, size: np.ufunc) -> tuple[Array, Array]:
    """Newest value - mean of its window; mean size of the distances of all values of the window from that mean."""
    n_bars = len(values)
    above, sizes = np.full(n_bars, np.nan), np.full(n_bars, np.nan)
    for rows in blocks(n_bars, first=window - 1):
        newest = values[rows]
        if len(newest) * window <= AT_ONCE:
            apart = _ages(values, rows, window) - newest  # (window, rows)
            middle = _sum(apart) / window
            apart -= middle
            above[rows], sizes[rows] = -middle, _sum(size(apart, out=apart)) / window
            continue
        distance = np.empty_like(newest)
        centre = np.zeros_like(newest)  # the window's mean - the newest value
        for age in range(window):
            centre += np.subtract(_aged(values, rows, age), newest, out=distance)
        centre /= window
        total = np.zeros_like(newest)
        for age in range(window):
            np.subtract(_aged(values, rows, age), newest, out=distance)
            distance -= centre
            total += size(distance, out=distance)
        above[rows] = -centre
        sizes[rows] = total / window
    return above, sizes


def _aged(values: Array, rows: slice, age: int) -> Array:
    """The values so many bars before the rows."""
    return values[rows.start - age : rows.stop - age]


def _ages(values: Array, rows: slice, window: int) -> Array:
    """The last `window` values of the rows, a row an age from the newest on: (window, rows), a view."""
    return sliding_window_view(values[rows.start - window + 1 : rows.stop], window).T[::-1]


def _sum(terms: Array) -> Array:
    """The sum of the rows, added one after the other as a loop does, and not in another order: (n, m) -> (m,)."""
    # Across several columns NumPy adds row by row; a single one it would sum pair by pair.
    total: Array = np.add.reduce(terms, axis=0) if terms.shape[1] > 1 else np.add.accumulate(terms, axis=0)[-1]
    total += 0.0  # a loop begins with 0, to which nothing adds up to -0
    return total


def highest(values: Array, window: int) -> Array:
    """The largest of the last `window` values."""
    return _extreme(values, window, np.max) if _few(values, window) else _rolling(values, window).max().to_numpy()


def lowest(values: Array, window: int) -> Array:
    """The smallest of the last `window` values."""
    return _extreme(values, window, np.min) if _few(values, window) else _rolling(values, window).min().to_numpy()


def _few(values: Array, window: int) -> bool:
    return window <= len(values) and len(values) * window <= AT_ONCE


def _extreme(values: Array, window: int, of: Callable[..., Array]) -> Array:
    result = np.full(len(values), np.nan)
    finite = np.where(np.isinf(values), np.nan, values)  # as pandas sees them
    result[window - 1 :] = of(sliding_window_view(finite, window), axis=1)
    return result


def _rolling(values: Array, window: int) -> Any:
    return pd.Series(values).rolling(window)


def ratio(numerator: Array, denominator: Array, neutral: float) -> Array:
    """The quotient, and `neutral` where the denominator is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(denominator == 0, neutral, numerator / denominator)


def true_range(high: Array, low: Array, close: Array) -> Array:
    """The range of a bar, stretched to the close before (Wilder 1978); NaN at the first bar."""
    before = lag(close)
    return np.maximum(high, before) - np.minimum(low, before)
