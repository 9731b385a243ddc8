"""The Sharpe ratio as an estimate: its error, and the chance that the true one is above what luck would give.

All Sharpe ratios here are per period, and kurtosis is 3 for normal returns. quantstats takes 3 off a kurtosis that
pandas has taken 3 off already, so that its probabilistic Sharpe ratio differs from this one wherever tails are fat.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from dltrader.errors import ConfigError
from dltrader.evaluation.statistics.reasons import why_not

Array = npt.NDArray[np.float64]
NORMAL = NormalDist()


@dataclass(frozen=True)
class Moments:
    """What the formulas of this room need to know of returns.

    Attributes:
        n: Returns.
        sharpe: Mean over standard deviation, per period.
        skewness: Third standardised moment, 0 for normal returns; the plain estimate, without correction for bias.
        kurtosis: Fourth standardised moment, 3 for normal returns; the plain estimate.
        why: Why they are nan, if they are.
    """

    n: int
    sharpe: float
    skewness: float
    kurtosis: float
    why: str | None = None


def moments(returns: npt.ArrayLike) -> Moments:
    """Number, Sharpe ratio, skewness and kurtosis of returns (n,); nan, and why, if they are too few or never vary."""
    values = np.asarray(returns, np.float64)
    if (why := why_not(values)) is not None:
        return Moments(values.size, math.nan, math.nan, math.nan, why)
    apart = values - values.mean()
    spread = math.sqrt(float(np.mean(apart**2)))
    return Moments(
        n=len(values),
        sharpe=float(values.mean() / values.std(ddof=1)),
        skewness=float(np.mean((apart / spread) ** 3)),
        kurtosis=float(np.mean((apart / spread) ** 4)),
    )


def sharpe_variance(sharpe: float, *, n: int, skewness: float = 0.0, kurtosis: float = 3.0) -> float:
    """The variance of an estimated Sharpe ratio of independent returns, normal or not.

    (1 - skewness SR + (kurtosis - 1) / 4 SR^2) / (n - 1).

    Source: Mertens 2002, "Comments on variance of the IID estimator in Lo (2002)", working paper, University of Basel;
    with n - 1 as in Bailey and Lopez de Prado 2012, "The Sharpe ratio efficient frontier", Journal of Risk 15(2).

    Args:
        sharpe: Per period.
        n: Returns that it was estimated from.
        skewness: Of the returns.
        kurtosis: Of the returns, 3 for normal ones.

    Returns:
        In squared Sharpe ratios per period; nan for fewer than 2 returns, and for moments that no returns can have.
    """
    scale = 1.0 - skewness * sharpe + (kurtosis - 1.0) / 4.0 * sharpe**2
    return scale / (n - 1) if n >= 2 and scale >= 0.0 else math.nan


def dependent_sharpe_variance(returns: npt.ArrayLike, *, lags: int | None = None) -> float:
    """The variance of the estimated Sharpe ratio of returns that depend on those before them.

    With z = (r - mean) / spread, each return moves the estimate by z - SR / 2 (z^2 - 1) over n. The long-run variance
    of these influences, autocovariances weighed down linearly to 0 after so many lags, is n times the variance
    asked for. Without lags it is Mertens' variance.

    Sources: Lo 2002, "The statistics of Sharpe ratios", Financial Analysts Journal 58(4), of the idea; Newey and West
    1987, Econometrica 55(3), of the weights; Andrews 1991, Econometrica 59(3), of the number of lags, by an AR(1) fit.

    Args:
        returns: (n,)
        lags: How many autocovariances count; None, as many as suit the first one.

    Returns:
        In squared Sharpe ratios per period; nan where `why_not(returns)` says why.
    """
    values = np.asarray(returns, np.float64)
    if why_not(values) is not None:
        return math.nan
    n = len(values)
    influences = _influences(values)
    if lags is None:
        lags = _lags_of(influences)
    elif lags < 0:
        raise ConfigError(f"lags must be 0 or more, was {lags}")
    variance = float(influences @ influences)
    for lag in range(1, min(lags, n - 1) + 1):
        variance += 2.0 * (1.0 - lag / (lags + 1.0)) * float(influences[lag:] @ influences[:-lag])
    return variance / n / (n - 1)


def probabilistic_sharpe(
    sharpe: float,
    *,
    n: int,
    skewness: float = 0.0,
    kurtosis: float = 3.0,
    benchmark: float = 0.0,
    variance: float | None = None,
) -> float:
    """The probability with which an estimated Sharpe ratio would stay below this one, were the true one `benchmark`.

    Source: Bailey and Lopez de Prado 2012, "The Sharpe ratio efficient frontier", Journal of Risk 15(2).

    Args:
        sharpe: The estimate, per period.
        n: Returns that it was estimated from.
        skewness: Of the returns.
        kurtosis: Of the returns, 3 for normal ones.
        benchmark: Per period.
        variance: Of the estimate, if returns are not independent: see `dependent_sharpe_variance`. None is Mertens'.

    Returns:
        1 - p of a one-sided test; nan if something given is nan, or the variance cannot be.
    """
    if variance is None:
        variance = sharpe_variance(sharpe, n=n, skewness=skewness, kurtosis=kurtosis)
    above = sharpe - benchmark
    if not variance > 0.0 or math.isnan(above):
        return math.nan
    return NORMAL.cdf(above / math.sqrt(variance))


def expected_maximum(n: int) -> float:
    """The largest of n independent standard normal numbers, on average, by the limit law of extremes.

    (1 - g) q(1 - 1 / n) + g q(1 - 1 / (n e)), where g is the Euler-Mascheroni constant and q the normal quantile. It is
    above the exact mean by 2.3 % for n = 10 and 0.4 % for 1 000, and so on the strict side.

    Source: Bailey, Borwein, Lopez de Prado and Zhu 2014, "Pseudo-mathematics and financial charlatanism", Notices of
    the American Mathematical Society 61(5).

    Returns:
        In standard deviations; 0 for n = 1, where nothing was chosen.
    """
    if n < 1:
        raise ConfigError(f"the number of trials must be 1 or more, was {n}")
    if n == 1:
        return 0.0
    return (1.0 - np.euler_gamma) * NORMAL.inv_cdf(1.0 - 1.0 / n) + np.euler_gamma * NORMAL.inv_cdf(
        1.0 - 1.0 / (n * math.e)
    )


def deflated_sharpe(
    sharpe: float,
    *,
    n: int,
    trials: int,
    variance: float | None = None,
    skewness: float = 0.0,
    kurtosis: float = 3.0,
) -> float:
    """The probabilistic Sharpe ratio of the best of many trials, against the best that trials without skill would give.

    Source: Bailey and Lopez de Prado 2014, "The deflated Sharpe ratio", Journal of Portfolio Management 40(5).

    Args:
        sharpe: Of the trial that was chosen, per period.
        n: Returns that it was estimated from.
        trials: Independent trials that it was chosen from; trials much alike count as fewer.
        variance: Of the Sharpe ratios of the trials, per period (an annual variance over periods per year); None if
            they were not kept: that of estimates without skill, 1 / (n - 1).
        skewness: Of the returns that were chosen.
        kurtosis: Of these, 3 for normal ones.

    Returns:
        A probability: above 0.95 the choice is significant at 5 %; nan if something given is nan.
    """
    benchmark = luck(n=n, trials=trials, variance=variance)
    return probabilistic_sharpe(sharpe, n=n, skewness=skewness, kurtosis=kurtosis, benchmark=benchmark)


def luck(*, n: int, trials: int, variance: float | None = None) -> float:
    """The Sharpe ratio, per period, that the best of trials without skill would show; see `deflated_sharpe`."""
    spread = sharpe_variance(0.0, n=n) if variance is None else variance
    return math.sqrt(spread) * expected_maximum(trials) if spread >= 0.0 else math.nan


def _influences(values: Array) -> Array:
    """How far each return moves the Sharpe ratio, times n."""
    sharpe = values.mean() / values.std(ddof=1)
    apart = (values - values.mean()) / values.std()
    return np.asarray(apart - 0.5 * sharpe * (apart**2 - 1.0), np.float64)


def _lags_of(values: Array) -> int:
    """The bandwidth for linear weights that suits an AR(1) with the first autocorrelation of the values."""
    n = len(values)
    rho = float(np.clip(values[1:] @ values[:-1] / (values @ values), -0.97, 0.97))
    # Andrews' alpha(1) for one AR(1) is 4 rho^2 / ((1 - rho)^2 (1 + rho)^2).
    width = 1.1447 * (4.0 * rho**2 / (1.0 - rho**2) ** 2 * n) ** (1.0 / 3.0)
    return min(int(width), n - 1)
