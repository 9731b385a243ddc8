"""Lengths: how long a record must be to say something, and how long a backtest to survive the choice among trials."""

from __future__ import annotations

import math
from statistics import NormalDist

from dltrader.errors import ConfigError
from dltrader.evaluation.statistics.sharpe import expected_maximum


def min_track_record(
    sharpe: float, *, benchmark: float = 0.0, skewness: float = 0.0, kurtosis: float = 3.0, level: float = 0.95
) -> float:
    """Returns that it takes for the probabilistic Sharpe ratio to reach a level.

    1 + (1 - skewness SR + (kurtosis - 1) / 4 SR^2) (z / (SR - benchmark))^2, where z is the normal quantile of level.

    Source: Bailey and Lopez de Prado 2012, "The Sharpe ratio efficient frontier", Journal of Risk 15(2).

    Args:
        sharpe: Per period.
        benchmark: Per period.
        skewness: Of the returns.
        kurtosis: Of the returns, 3 for normal ones.
        level: Above 0.5, below 1.

    Returns:
        A number of returns, not rounded; inf if the Sharpe ratio is not above the benchmark, nan if something is nan.
    """
    if not 0.5 < level < 1.0:
        raise ConfigError(f"level must be above 0.5 and below 1, was {level:g}")
    scale = 1.0 - skewness * sharpe + (kurtosis - 1.0) / 4.0 * sharpe**2
    above = sharpe - benchmark
    if math.isnan(above) or not scale >= 0.0:
        return math.nan
    return 1.0 + scale * (NormalDist().inv_cdf(level) / above) ** 2 if above > 0.0 else math.inf


def min_track_record_years(
    annual_sharpe: float,
    *,
    periods_per_year: float,
    annual_benchmark: float = 0.0,
    skewness: float = 0.0,
    kurtosis: float = 3.0,
    level: float = 0.95,
) -> float:
    """As `min_track_record`, of annual Sharpe ratios and in years; skewness and kurtosis stay of single returns."""
    root = math.sqrt(periods_per_year)
    returns = min_track_record(
        annual_sharpe / root, benchmark=annual_benchmark / root, skewness=skewness, kurtosis=kurtosis, level=level
    )
    return returns / periods_per_year


def min_backtest_years(annual_sharpe: float, *, trials: int) -> float:
    """Years below which the best of trials without skill is expected to show this Sharpe ratio.

    (expected maximum of the trials / annual Sharpe ratio)^2: over y years, annual Sharpe ratios without skill have
    standard deviation 1 / sqrt(y).

    Source: Bailey, Borwein, Lopez de Prado and Zhu 2014, "Pseudo-mathematics and financial charlatanism", Notices of
    the American Mathematical Society 61(5).

    Args:
        annual_sharpe: What the chosen trial shows, per year.
        trials: Independent trials that it was chosen from.

    Returns:
        Years; inf if the Sharpe ratio is not above 0, nan if it is nan.
    """
    if math.isnan(annual_sharpe):
        return math.nan
    return (expected_maximum(trials) / annual_sharpe) ** 2 if annual_sharpe > 0.0 else math.inf
