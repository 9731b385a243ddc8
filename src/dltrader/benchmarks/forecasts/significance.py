"""Significance: whether a smaller log loss than the base rate's may be luck."""

from __future__ import annotations

import math

import numpy as np
from scipy.special import bdtrc, stdtr

from dltrader.forecast.vote import Array

BLOCK_HORIZONS = 10
"""Length of a block in horizons: labels of neighbouring bars share most of their future, those of neighbouring blocks a
tenth at most."""


def gain_p_value(gains: Array, horizon_bars: int) -> float:
    """The one-sided p-value of a mean gain above 0, over bars whose labels overlap.

    Means of blocks of bars are all but independent, and are put to a t-test. Sources: Diebold and Mariano 1995,
    "Comparing predictive accuracy", Journal of Business and Economic Statistics 13(3), of the test on differences of
    losses; Ibragimov and Müller 2010, "t-statistic based correlation and heterogeneity robust inference", the same
    journal, 28(4), of the t-test on blocks.

    Args:
        gains: (bars,) log loss of the base rate less that of a model, in the order of time.
        horizon_bars: How far the labels reach.

    Returns:
        A probability; 1 where gains never differ, nan where there are fewer than three blocks.
    """
    block = BLOCK_HORIZONS * horizon_bars
    blocks = len(gains) // block
    if blocks < 3:
        return math.nan
    means = gains[len(gains) - blocks * block :].reshape(blocks, block).mean(axis=1)
    if np.ptp(means) == 0.0:
        return 1.0
    return float(stdtr(blocks - 1, -means.mean() / (means.std(ddof=1) / math.sqrt(blocks))))


def too_many_chance(found: int, trials: int, level: float) -> float:
    """How likely so many false positives or more are, where each of the trials gives one with the level's chance."""
    return float(bdtrc(found - 1, trials, level)) if found else 1.0
