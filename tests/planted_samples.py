"""Samples whose law is known: what comes is partly said by the newest bar, and nothing overlaps."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
from scipy.special import ndtr

from dltrader.forecast.samples import Samples
from dltrader.forecast.scores import base_rate_log_loss, log_loss

BREAKEVEN = 0.004
"""Log return that a trade has to make; movements have a standard deviation of 0.01."""


def planted(n, correlation=0.6, *, features=3, first=8, seed=0):
    """Samples, and the probabilities of their sides given all that can be known, (n, 3).

    Movements are 0.01 times a standard normal number with this correlation with the first feature of the newest bar.
    """
    generator = np.random.default_rng(seed)
    seen = generator.standard_normal((n + first, features)).astype(np.float32)
    known = 0.01 * correlation * seen[first:, 0].astype(float)
    deviation = 0.01 * np.sqrt(1.0 - correlation**2)
    movement = known + deviation * generator.standard_normal(n)
    law = np.column_stack([ndtr((known - BREAKEVEN) / deviation), ndtr((-BREAKEVEN - known) / deviation)])
    samples = samples_of(seen, np.arange(first, n + first), movement)
    return samples, np.column_stack([law, 1.0 - law.sum(axis=1)])


def samples_of(features, rows, movement):
    """Samples with these movements, whose risk is twice the mean one where the second feature is above 0."""
    side = np.where(movement > BREAKEVEN, 0, np.where(movement < -BREAKEVEN, 1, 2)).astype(np.int64)
    return Samples(
        features=features,
        names=tuple(f"x{number}" for number in range(features.shape[1])),
        rows=np.asarray(rows, dtype=np.int64),
        times=pd.date_range("2000-01-03", periods=len(rows), freq="D", tz="UTC"),
        side=side,
        movement=np.asarray(movement, dtype=float),
        risk=np.where(features[rows, 1] > 0, 0.02, 0.01),
        wins={5: (side == 0).astype(np.int64)},
    )


def cut(samples, *places):
    """Samples before, between and after these places."""
    edges = [0, *places, len(samples)]
    return [samples.take(slice(begin, end)) for begin, end in pairwise(edges)]


def share_of_achievable(train, test, said, law):
    """How much of the way from the base rate to the law on unseen samples was gone: 1 is all."""
    base = base_rate_log_loss(train.side, test.side)
    return (base - log_loss(said, test.side)) / (base - log_loss(law, test.side))
