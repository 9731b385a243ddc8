"""Significance: whether growth may be luck."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pandas as pd

NORMAL = NormalDist()


def growth_p_value(equity: pd.Series[float]) -> float:
    """The one-sided p-value of a mean log growth per bar above 0.

    On fair bars, whose price is a martingale, equity is one too, less costs; the logarithm is concave, so no policy has
    an expected log growth above 0. Single bars may differ in variance, but none can be predicted from those before:
    mean / standard error is normal in the limit (Brown 1971, "Martingale central limit theorems", Annals of
    Mathematical Statistics 42(1)), for which a few hundred bars do.

    Args:
        equity: Money at the close of each bar.

    Returns:
        A probability; 1 where equity never changes, or is lost.
    """
    values = equity.to_numpy(np.float64)
    if len(values) < 3 or values.min() <= 0.0:
        return 1.0
    growths = np.diff(np.log(values))
    error = float(growths.std(ddof=1)) / math.sqrt(len(growths))
    if np.ptp(growths) == 0.0 or error == 0.0:
        return 1.0
    return 1.0 - NORMAL.cdf(float(growths.mean()) / error)
