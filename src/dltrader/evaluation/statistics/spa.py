"""Superior predictive ability: whether any of many agents beats a benchmark, given that the best would be picked."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dltrader.evaluation.metrics import ROUNDING
from dltrader.evaluation.statistics.intervals import require_level
from dltrader.evaluation.statistics.resampling import FEWEST, draws_of, optimal_blocks

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SuperiorAbility:
    """What Hansen's test finds.

    Attributes:
        consistent: The p-value: the chance of a best agent this good if none were better than the benchmark.
        lower: A lower bound of it: agents that did worse are taken to be worse.
        upper: An upper bound: all agents are taken to be as good as the benchmark; White's reality check.
        best: Column of the agent with the largest mean gain over the benchmark in standard errors; None if unknown.
        superior: Columns of the agents that are better, all together at the level that was asked for.
        why: Why they are nan, if they are.
    """

    consistent: float
    lower: float
    upper: float
    best: int | None
    superior: tuple[int, ...]
    why: str | None = None


def superior_ability(
    returns: npt.ArrayLike,
    benchmark: npt.ArrayLike,
    *,
    level: float = 0.95,
    resamples: int = 1_000,
    block: float | None = None,
    seed: int = 0,
) -> SuperiorAbility:
    """Hansen's test for superior predictive ability, of mean returns.

    Source: Hansen 2005, "A test for superior predictive ability", Journal of Business & Economic Statistics 23(4).
    The draws are arch's. Its own `SPA` says the same of gains that are divided by their standard errors before: left
    to itself arch 8.0 compares plain means, whatever its `studentize` says, and one wild agent hides all others.

    Args:
        returns: (n, k) of k agents on the same bars.
        benchmark: (n,) of what they shall beat, such as buy-and-hold.
        level: 1 less the chance with which an agent is called superior that is not.
        resamples: Paths that are drawn.
        block: Mean length of the blocks; None, the mean of those that suit the gains.
        seed: Of the draws.

    Returns:
        nan, and why, of fewer than 20 returns, of returns that are not finite, and if no agent ever differs from the
        benchmark. One that never does is not superior, and is not counted.

    Raises:
        MissingExtraError: arch is not installed.
    """
    require_level(level)
    agents, other = np.asarray(returns, np.float64), np.asarray(benchmark, np.float64)
    if (why := _why_not(agents, other)) is not None:
        return SuperiorAbility(math.nan, math.nan, math.nan, None, (), why)
    gains = agents - other[:, None]
    differs = np.flatnonzero(np.ptp(gains, axis=0) > ROUNDING)
    if not len(differs):
        why = "no agent's gain over the benchmark ever varies"
        return SuperiorAbility(math.nan, math.nan, math.nan, None, (), why)
    gains = gains[:, differs]
    n = len(gains)
    if block is None:
        block = float(optimal_blocks(gains).mean())
    scaled = gains / _long_run_deviation(gains, block)
    means = scaled.mean(axis=0)
    poor = means < -math.sqrt(2.0 * math.log(math.log(n)) / n)
    centres = np.stack([means, np.where(poor, 0.0, means), np.maximum(means, 0.0)])  # upper, consistent, lower
    largest = np.concatenate(
        [_largest(scaled, rows, centres) for rows in draws_of(n, block=block, resamples=resamples, seed=seed)]
    )  # (resamples, 3)
    upper, consistent, lower = (largest > means.max()).mean(axis=0)
    bar = np.quantile(largest[:, 1], level)
    return SuperiorAbility(
        consistent=float(consistent),
        lower=float(lower),
        upper=float(upper),
        best=int(differs[means.argmax()]),
        superior=tuple(int(column) for column in differs[means > max(bar, 0.0)]),
    )


def _largest(scaled: Array, rows: npt.NDArray[np.int64], centres: Array) -> Array:
    """The largest mean of each draw (rows, n), less each of the centres (3, k): (rows, 3)."""
    n = len(scaled)
    # How often each bar was drawn gives the means of all agents by one product.
    counts = np.stack([np.bincount(row, minlength=n) for row in rows])  # (rows, n)
    drawn = counts @ scaled / n  # (rows, k)
    return np.stack([(drawn - centre).max(axis=1) for centre in centres], axis=1)


def _long_run_deviation(gains: Array, block: float) -> Array:
    """The root of n times the variance that the stationary bootstrap gives the mean of each column.

    Source: Politis and Romano 1994, equation 7: autocovariances weighed by the chance that lags stay together.
    """
    n = len(gains)
    apart = gains - gains.mean(axis=0)
    # Autocovariances by the fast Fourier transform, padded so that ends do not meet.
    power = np.abs(np.fft.rfft(apart, 2 * n, axis=0)) ** 2
    covariances = np.fft.irfft(power, 2 * n, axis=0)[:n] / n  # (n, k)
    lag = np.arange(n) / n
    stay = 1.0 - 1.0 / block
    together = (1.0 - lag) * stay ** np.arange(n) + lag * stay ** (n - np.arange(n))
    together[0] = 0.5
    variances = 2.0 * together @ covariances
    return np.sqrt(np.maximum(variances, ROUNDING**2))


def _why_not(agents: Array, benchmark: Array) -> str | None:
    if agents.ndim != 2 or benchmark.shape != agents.shape[:1] or not agents.shape[1]:
        return f"agents and benchmark must be of the same bars, were of shape {agents.shape} and {benchmark.shape}"
    if len(agents) < FEWEST:
        return f"{len(agents)} returns; at least {FEWEST} are needed"
    odd = int(np.count_nonzero(~np.isfinite(agents)) + np.count_nonzero(~np.isfinite(benchmark)))
    return f"{odd} returns are not finite" if odd else None
