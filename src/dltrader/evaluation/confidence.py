"""Confidence: what the statistics say of the seeds of one configuration, each with what it means.

The median seed speaks for the configuration: a trader one could have had, neither the luckiest nor the unluckiest.
Growth here is log growth a year, which adds up and stays a number however short the test was.

    difference         of the median seed's growth, or Sharpe ratio, from that of buy-and-hold on the same bars
    pooled difference  the same of the mean over seeds, bar by bar, of log growth: what a seed drawn by lot is expected
                       to grow; its interval is about other markets of the same kind, the seeds being given
    seeds' difference  interquartile mean over seeds; its interval is about other seeds, the market being given
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from dltrader.evaluation.curves import simple_returns
from dltrader.evaluation.over_seeds import over_seeds
from dltrader.evaluation.statistics.bootstrap import bootstrap_interval, difference_interval
from dltrader.evaluation.statistics.intervals import Interval
from dltrader.evaluation.statistics.lengths import min_backtest_years, min_track_record_years
from dltrader.evaluation.statistics.measures import max_drawdown, sharpe_ratio
from dltrader.evaluation.statistics.overfitting import overfitting_probability
from dltrader.evaluation.statistics.sharpe import (
    Moments,
    deflated_sharpe,
    luck,
    moments,
    probabilistic_sharpe,
    sharpe_variance,
)
from dltrader.evaluation.statistics.spa import superior_ability

Array = npt.NDArray[np.float64]

LEAST_TRIALS = 4
"""Seeds below which choosing the best of them is hardly a choice."""

ONE_SEED = "one seed has no interval over seeds; evaluate several"
UNKNOWN_TRIALS = "the number of trials is unknown"


@dataclass(frozen=True)
class Trials:
    """What is known of the trials behind a result.

    Attributes:
        count: How many there were, the seeds evaluated among them; None: unknown.
        sharpes: Sharpe ratios per bar of those that have one.
        why: Why the count is unknown.
    """

    count: int | None
    sharpes: Sequence[float] = ()
    why: str | None = None

    def variance(self, n: int) -> float:
        """Of Sharpe ratios per bar of n returns each: that of the trials, at least that of estimates without skill.

        Seeds of one configuration resemble each other, and a few of them hardly differ: that does not make the luck any
        smaller that all of them may have had.
        """
        known = [value for value in self.sharpes if math.isfinite(value)]
        spread = float(np.var(known, ddof=1)) if len(known) > 1 else 0.0
        return max(spread, sharpe_variance(0.0, n=n))


@dataclass(frozen=True, eq=False)
class Sample:
    """The returns that statistics are made of.

    Attributes:
        growths: (bars, seeds) log growth from bar to bar.
        held: (bars,) that of buy-and-hold.
        median: The median seed's column.
        periods_per_year: Bars in a year.
    """

    growths: pd.DataFrame
    held: pd.Series[float]
    median: str
    periods_per_year: float


def statistics_of(sample: Sample, trials: Trials) -> dict[str, dict[str, Any]]:
    """Name -> value, its interval where it has one, why it is missing, and what it means.

    Raises:
        MissingExtraError: arch is not installed.
    """
    returns = simple_returns(sample.growths)
    median = returns[sample.median].to_numpy()
    held = np.expm1(sample.held.to_numpy())
    pooled = np.expm1(sample.growths.mean(axis=1).to_numpy())
    sharpe = partial(sharpe_ratio, periods_per_year=sample.periods_per_year)
    growth = partial(log_growth, periods_per_year=sample.periods_per_year)
    found = {
        "sharpe": _interval(bootstrap_interval(median, sharpe), "annual Sharpe ratio of the median seed"),
        "growth": _interval(bootstrap_interval(median, growth), "log growth a year of the median seed"),
        "max_drawdown": _interval(
            bootstrap_interval(median, max_drawdown),
            "deepest drawdown of the median seed, and where those of other markets of its kind lie",
        ),
        "difference_growth": _interval(
            difference_interval(median, held, growth), "log growth a year of the median seed less that of buy-and-hold"
        ),
        "difference_sharpe": _interval(
            difference_interval(median, held, sharpe), "Sharpe ratio of the median seed less that of buy-and-hold"
        ),
        "pooled_difference_growth": _interval(
            difference_interval(pooled, held, growth),
            "log growth a year that a seed drawn by lot is expected to have, less that of buy-and-hold; interval over "
            "markets of its kind",
        ),
        "seeds_difference_growth": _over_seeds(sample),
    }
    return (
        found | _of_moments(moments(median), len(median), sample.periods_per_year, trials) | _of_choice(returns, held)
    )


def log_growth(returns: Array, *, periods_per_year: float) -> Array:
    """Log growth a year along the last axis, (..., n) -> (...)."""
    return np.asarray(np.log1p(returns).mean(axis=-1) * periods_per_year, np.float64)


def paired_difference(growths: pd.Series[float], held: pd.Series[float], periods_per_year: float) -> Interval:
    """Log growth a year of one seed less that of buy-and-hold, drawn from the same bars."""
    statistic = partial(log_growth, periods_per_year=periods_per_year)
    return difference_interval(np.expm1(growths.to_numpy()), np.expm1(held.to_numpy()), statistic)


def seed_probabilities(growths: pd.Series[float], trials: Trials) -> dict[str, float]:
    """Probabilistic and deflated Sharpe ratio of one seed."""
    known = moments(np.expm1(growths.to_numpy()))
    return {"psr": _psr(known), "dsr": _dsr(known, trials)}


def _of_moments(known: Moments, n: int, periods_per_year: float, trials: Trials) -> dict[str, dict[str, Any]]:
    """Statistics of the Sharpe ratio of the median seed."""
    annual = known.sharpe * math.sqrt(periods_per_year)
    count, untold = trials.count, trials.why or UNKNOWN_TRIALS
    chance, needed = math.nan, math.nan
    if count is not None:
        chance = luck(n=n, trials=count, variance=trials.variance(n)) * math.sqrt(periods_per_year)
        needed = min_backtest_years(annual, trials=count)
    record = min_track_record_years(
        annual, periods_per_year=periods_per_year, skewness=known.skewness, kurtosis=known.kurtosis
    )
    below = "the Sharpe ratio is not above 0, so no length would do"
    why = known.why
    return {
        "psr": _value(
            _psr(known),
            why,
            "probabilistic Sharpe ratio: confidence that that of the median seed is above 0, were it the only trial",
        ),
        "expected_maximum_sharpe": _value(
            chance,
            untold if count is None else why,
            "annual Sharpe ratio that the best of as many trials without skill is expected to show",
        ),
        "dsr": _value(
            _dsr(known, trials),
            untold if count is None else why,
            "deflated Sharpe ratio: confidence that that of the median seed is above what the best of as many trials "
            "without skill shows",
        ),
        "min_track_record_years": _value(
            record, why or below, "years of such returns after which the Sharpe ratio would be above 0 at 95 %"
        ),
        "min_backtest_years": _value(
            needed,
            untold if count is None else why or below,
            "years below which as many trials without skill are expected to show such a Sharpe ratio",
        ),
    }


def _of_choice(returns: pd.DataFrame, held: Array) -> dict[str, dict[str, Any]]:
    """Statistics of choosing the best seed."""
    varied = returns.loc[:, np.ptp(returns.to_numpy(), axis=0) > 0.0]
    beaten = superior_ability(returns.to_numpy(), held)
    meaning = "probability that the seed which is best in one half of the bars is below the median in the other"
    if varied.shape[1] < LEAST_TRIALS:
        overfitting = _value(
            math.nan, f"{varied.shape[1]} seeds traded; at least {LEAST_TRIALS} are needed to choose among", meaning
        )
    else:
        chosen = overfitting_probability(varied.to_numpy())
        overfitting = _value(chosen.probability, chosen.why, meaning)
    return {
        "spa": _value(
            beaten.consistent,
            beaten.why,
            "p-value of the best seed against buy-and-hold, given that the best was picked (Hansen's SPA)",
        ),
        "pbo": overfitting,
    }


def _over_seeds(sample: Sample) -> dict[str, Any]:
    """The interquartile mean of the differences, each seed's its own."""
    apart = (sample.growths.mean() - sample.held.mean()) * sample.periods_per_year
    estimate = over_seeds(apart)
    why = ONE_SEED if estimate.seeds < 2 else None
    meaning = "log growth a year less that of buy-and-hold, interquartile mean over seeds; interval over seeds"
    return {"value": estimate.estimate, "low": estimate.low, "high": estimate.high, "why": why, "meaning": meaning}


def _psr(known: Moments) -> float:
    return probabilistic_sharpe(known.sharpe, n=known.n, skewness=known.skewness, kurtosis=known.kurtosis)


def _dsr(known: Moments, trials: Trials) -> float:
    if trials.count is None:
        return math.nan
    return deflated_sharpe(
        known.sharpe,
        n=known.n,
        trials=trials.count,
        variance=trials.variance(known.n),
        skewness=known.skewness,
        kurtosis=known.kurtosis,
    )


def _interval(interval: Interval, meaning: str) -> dict[str, Any]:
    why = interval.why
    return {"value": interval.estimate, "low": interval.low, "high": interval.high, "why": why, "meaning": meaning}


def _value(value: float, why: str | None, meaning: str) -> dict[str, Any]:
    known = math.isfinite(value)
    return {"value": value, "why": None if known else why, "meaning": meaning}
