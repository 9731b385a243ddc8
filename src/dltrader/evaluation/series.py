"""Series that reports draw: a Sharpe ratio that rolls, returns by month, how returns are spread.

Pure functions of equity and returns, as in `metrics`: fractions, and nan where there is too little data.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from dltrader.evaluation.metrics import ROUNDING
from dltrader.evaluation.statistics.seeds import interquartile_mean, seeds_interval

MOST_BINS = 61
"""More bars in a histogram than a reader can tell apart."""


def rolling_sharpe(returns: pd.Series[float], *, window: int, periods_per_year: float) -> pd.Series[float]:
    """The annualised Sharpe ratio of the last `window` returns, one number a return.

    Args:
        returns: Simple returns from bar to bar.
        window: How many returns each number looks back on, >= 2.
        periods_per_year: Bars in a year.

    Returns:
        Nan for the first `window - 1`, and where returns do not vary.
    """
    rolling = returns.rolling(window)
    varies = rolling.max() - rolling.min() > ROUNDING
    found: pd.Series[float] = (rolling.mean() / rolling.std() * math.sqrt(periods_per_year)).where(varies)
    return found


def rolling_window(bars: int, *, periods_per_year: float) -> int:
    """How many returns a rolling ratio looks back on: half a year of them, a quarter of them all if those are fewer."""
    return max(2, min(round(periods_per_year / 2), bars // 4))


def monthly_returns(equity: pd.Series[float]) -> pd.DataFrame:
    """Growth of equity in every calendar month (UTC): a row a year, a column a month from 1 to 12.

    A month begins at the last close of the one before, the first at the first close. Nan for months without a bar, and
    once ruined.
    """
    times = _times(equity)
    growth = _growth(equity, equity.groupby([times.year, times.month]).last())
    table = growth.rename_axis(["year", "month"]).rename("growth").reset_index()
    table = table.pivot_table(index="year", columns="month", values="growth", dropna=False)
    return table.reindex(columns=range(1, 13)).rename_axis(index="year", columns="month")


def yearly_returns(equity: pd.Series[float]) -> pd.Series[float]:
    """Growth of equity in every calendar year (UTC), by year; the first begins at the first close."""
    return _growth(equity, equity.groupby(_times(equity).year).last()).rename_axis("year")


@dataclass(frozen=True, eq=False)
class Distribution:
    """How returns other than 0 are spread; a trader who is often flat would else be a single spike.

    Attributes:
        edges: Where the bins begin and end, one more than there are bins.
        counts: How many returns each bin holds.
        unmoved: How many returns were 0; nothing else here counts them.
        mean: Of the returns.
        deviation: Their standard deviation, n - 1 in the denominator.
        skewness: Third moment about the mean over the second to the power 3/2; 0 for a normal distribution.
        kurtosis: Fourth moment over the square of the second; 3 for a normal distribution.
        worst: The smallest return.
        best: The largest.
    """

    edges: npt.NDArray[np.float64]
    counts: npt.NDArray[np.int64]
    unmoved: int
    mean: float
    deviation: float
    skewness: float
    kurtosis: float
    worst: float
    best: float


def distribution(returns: pd.Series[float]) -> Distribution | None:
    """The histogram and the moments of returns other than 0; None of fewer than two, and of such as do not vary.

    Bins have the width of Freedman and Diaconis 1981, "On the histogram as a density estimator", 2 IQR n^(-1/3), as
    long as that gives no more than `MOST_BINS`; one begins at 0, so that none mixes losses with gains.
    """
    known = returns.dropna().to_numpy(dtype=float)
    values = known[np.abs(known) > ROUNDING]
    if len(values) < 2 or float(np.ptp(values)) <= ROUNDING:
        return None
    low, high = float(values.min()), float(values.max())
    span = max(high, 0.0) - min(low, 0.0)
    quarter, three = np.quantile(values, [0.25, 0.75])
    width = max(2.0 * float(three - quarter) / len(values) ** (1 / 3), span / (MOST_BINS - 2))
    first, last = math.floor(low / width), math.floor(high / width) + 1
    edges = width * np.arange(first, last + 1)
    counts = np.histogram(values, edges)[0]
    centred = values - values.mean()
    second = float((centred**2).mean())
    return Distribution(
        edges=edges,
        counts=counts,
        unmoved=len(known) - len(values),
        mean=float(values.mean()),
        deviation=float(values.std(ddof=1)),
        skewness=float((centred**3).mean()) / second**1.5,
        kurtosis=float((centred**4).mean()) / second**2,
        worst=low,
        best=high,
    )


def seeds_band(equity: pd.DataFrame, *, most: int = 160, resamples: int = 1_000) -> pd.DataFrame:
    """What the seeds' equity is at some of the bars: all of it, its interquartile mean and the interval of that.

    Args:
        equity: Money at each close, a column a seed.
        most: At how many bars, evenly spread from the first to the last, >= 2.
        resamples: How often the seeds are drawn anew for the interval.

    Returns:
        Columns lowest, low, middle, high, highest: the least and the greatest of all seeds, around the interquartile
        mean and its 95 % bootstrap interval over seeds; of one seed all are the same.
    """
    places = np.unique(np.linspace(0, len(equity) - 1, min(most, len(equity))).round().astype(int))
    rows = []
    for values in equity.iloc[places].to_numpy(dtype=float):
        interval = seeds_interval(values, resamples=resamples)
        rows.append((values.min(), interval.low, interquartile_mean(values), interval.high, values.max()))
    columns = ["lowest", "low", "middle", "high", "highest"]
    return pd.DataFrame(rows, index=equity.index[places], columns=columns, dtype="float64")


def _growth(equity: pd.Series[float], closes: pd.Series[float]) -> pd.Series[float]:
    before = closes.shift(1)
    before.iloc[0] = equity.iloc[0]
    found: pd.Series[float] = closes / before.where(before > 0) - 1.0
    return found


def _times(equity: pd.Series[Any]) -> pd.DatetimeIndex:
    assert isinstance(equity.index, pd.DatetimeIndex)
    return equity.index
