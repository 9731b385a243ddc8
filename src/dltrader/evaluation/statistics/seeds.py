"""Statistics over training seeds: what a method reaches, whichever seed it is given.

Source: Agarwal, Schwarzer, Castro, Courville and Bellemare 2021, "Deep reinforcement learning at the edge of the
statistical precipice", arXiv 2108.13264.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from dltrader.errors import ConfigError
from dltrader.evaluation.statistics.intervals import Interval, require_level, unknown


def interquartile_mean(values: npt.ArrayLike) -> float:
    """The mean of the middle half: a quarter of the values, rounded down, is left out at either end; nan of none."""
    ordered = np.sort(np.ravel(values))
    cut = len(ordered) // 4
    return float(ordered[cut : len(ordered) - cut].mean()) if len(ordered) else math.nan


def seeds_interval(values: npt.ArrayLike, *, level: float = 0.95, resamples: int = 10_000, seed: int = 0) -> Interval:
    """The interquartile mean over seeds, and its stratified percentile bootstrap interval.

    Args:
        values: (n_seeds,) of one task, or (n_seeds, n_tasks): seeds are drawn anew within each task, its stratum.
        level: Chance with which such intervals hold the mean.
        resamples: How often all is drawn anew.
        seed: Of the draws.

    Returns:
        One seed is its own interval, without width: nothing is known of others. All is nan of no seed, and where a
        value is not finite.
    """
    require_level(level)
    if resamples < 1:
        raise ConfigError(f"resamples must be 1 or more, was {resamples}")
    scores = np.asarray(values, np.float64)
    if scores.size == 0:
        return unknown("there is no seed")
    if odd := int(np.count_nonzero(~np.isfinite(scores))):
        return unknown(f"{odd} of {scores.size} values over seeds are not finite")
    scores = scores.reshape(len(scores), -1)  # (seeds, tasks)
    draws = np.random.default_rng(seed).integers(len(scores), size=(resamples, *scores.shape))
    drawn = np.sort(np.take_along_axis(scores[None], draws, axis=1).reshape(resamples, -1), axis=1)
    cut = drawn.shape[1] // 4
    means = drawn[:, cut : drawn.shape[1] - cut].mean(axis=1)
    low, high = np.quantile(means, [0.5 - 0.5 * level, 0.5 + 0.5 * level])
    return Interval(interquartile_mean(scores), float(low), float(high))
