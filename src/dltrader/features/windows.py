"""Numbers over the last bars: lags, means, deviations and extremes.

All take arrays of shape (bars,) and give arrays of the same shape, NaN where the window reaches
before the first bar. Each row is computed from its own window by the same element-wise operations
in the same order, without running sums. So a row depends neither to the bit on later bars nor on
how much history stands before its window, and a window of equal values has a mean of exactly that
value and a deviation of exactly 0.
"""

from __future__ import annotations

import math
from typing import Annotated, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field

Array: TypeAlias = npt.NDArray[np.float64]

Window: TypeAlias = Annotated[int, Field(ge=2, le=10_000, description="bars, from 2 to 10000")]
"""A parameter that counts the bars of a window."""

Horizon: TypeAlias = Annotated[int, Field(ge=1, le=10_000, description="bars, from 1 to 10000")]
"""A parameter that counts bars back, or a window that may be a single bar."""

MEMORY = 5.0
"""How many time constants an exponential mean remembers; what lies further back would weigh exp(-5), 0.7 %."""


def lag(values: Array, bars: int = 1) -> Array:
    """The values so many bars ago."""
    lagged = np.full_like(values, np.nan)
    lagged[bars:] = values[: max(len(values) - bars, 0)]
    return lagged


def weighted_mean(values: Array, weights: Array) -> Array:
    """The mean of the last `len(weights)` values; `weights[0]` is that of the newest, and their sum is 1."""
    n_bars, window = len(values), len(weights)
    result = np.full(n_bars, np.nan)
    if n_bars < window:
        return result
    newest = values[window - 1 :]
    # The sum runs over differences from the newest value: they are exactly 0 where prices stand
    # still.
    total = np.zeros_like(newest)
    for age in range(1, window):
        total += weights[age] * (values[window - 1 - age : n_bars - age] - newest)
    result[window - 1 :] = newest + total
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


def deviations(values: Array, window: int) -> tuple[Array, Array, Array]:
    """How far the newest value stands from the mean of its window, and how far values stray from that mean.

    Returns:
        Newest value - mean; standard deviation (divided by `window`, not `window - 1`); mean
        absolute deviation.
    """
    n_bars = len(values)
    above, standard, absolute = (np.full(n_bars, np.nan) for _ in range(3))
    if n_bars >= window:
        newest = values[window - 1 :]
        aged = [values[window - 1 - age : n_bars - age] for age in range(window)]
        centre = np.zeros_like(newest)  # the window's mean - the newest value
        for value in aged:
            centre += value - newest
        centre /= window
        squares, sizes = np.zeros_like(newest), np.zeros_like(newest)
        for value in aged:
            distance = (value - newest) - centre
            squares += distance * distance
            sizes += np.abs(distance)
        above[window - 1 :] = -centre
        standard[window - 1 :] = np.sqrt(squares / window)
        absolute[window - 1 :] = sizes / window
    return above, standard, absolute


def highest(values: Array, window: int) -> Array:
    """The largest of the last `window` values."""
    return pd.Series(values).rolling(window).max().to_numpy()


def lowest(values: Array, window: int) -> Array:
    """The smallest of the last `window` values."""
    return pd.Series(values).rolling(window).min().to_numpy()


def ratio(numerator: Array, denominator: Array, neutral: float) -> Array:
    """The quotient, and `neutral` where the denominator is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(denominator == 0, neutral, numerator / denominator)


def true_range(high: Array, low: Array, close: Array) -> Array:
    """The range of a bar, stretched to the close before (Wilder 1978); NaN at the first bar."""
    before = lag(close)
    return np.maximum(high, before) - np.minimum(low, before)
