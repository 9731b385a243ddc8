"""Curves: the equities of many seeds, brought together bar by bar.

A ruined account stays at what is left of it, `RUIN_FRACTION` of what it began with, so that its growth is a number.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from dltrader.envs.rewards import RUIN_FRACTION, growth_between


def growth_of(equity: pd.Series[float]) -> float:
    """Log growth of equity over all bars; about -13.8 where it was ruined."""
    return math.log(growth_between(float(equity.iloc[0]), float(equity.iloc[-1])))


def together(curves: Mapping[str, pd.Series[float]]) -> pd.DataFrame:
    """Equities as columns on the bars that the longest has; one that was ruined before stays where it ended."""
    index = max((curve.index for curve in curves.values()), key=len)
    return pd.DataFrame({name: curve.reindex(index).ffill() for name, curve in curves.items()}, index)


def log_growths(equity: pd.DataFrame) -> pd.DataFrame:
    """Log growth from bar to bar, one row fewer than there are bars; columns sum to `growth_of`."""
    solvent = equity.clip(lower=RUIN_FRACTION * equity.iloc[0], axis=1)
    return pd.DataFrame(np.log(solvent)).diff().iloc[1:]


def simple_returns(growths: pd.DataFrame) -> pd.DataFrame:
    """Simple returns from log growths."""
    return pd.DataFrame(np.expm1(growths))


def median_seed(growths: Mapping[int, float]) -> int:
    """The seed whose growth is the median; of two in the middle the lower, of equals the first."""
    ordered = sorted(growths, key=lambda seed: (growths[seed], seed))
    return ordered[(len(ordered) - 1) // 2]


def net(exposure: pd.DataFrame) -> pd.Series[float]:
    """Exposure summed over instruments with its sign; none once ruined."""
    summed: pd.Series[float] = exposure.fillna(0.0).sum(axis=1)
    return summed
