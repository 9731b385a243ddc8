"""Measures of returns along the last axis, so that one call measures thousands of resampled paths.

They agree with `dltrader.evaluation.metrics`, which measures one curve of equity.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dltrader.evaluation.metrics import ROUNDING

Array = npt.NDArray[np.float64]


def sharpe_ratio(returns: Array, *, periods_per_year: float = 1.0) -> Array:
    """Mean over standard deviation, times the root of the periods in a year; nan for returns that never vary.

    Shapes: (..., n) -> (...).
    """
    mean = returns.mean(axis=-1)
    apart = returns - mean[..., None]
    deviation = np.sqrt(np.einsum("...i,...i->...", apart, apart) / max(returns.shape[-1] - 1, 1))
    # Equal returns differ by rounding; see ROUNDING.
    varied = np.where(deviation > ROUNDING, deviation, np.nan)
    return np.asarray(mean / varied * np.sqrt(periods_per_year), np.float64)


def growth(returns: Array, *, periods_per_year: float = 1.0) -> Array:
    """Compound growth per year, as a fraction; -1 once a return is -1 or less.

    Shapes: (..., n) -> (...).
    """
    ruined = returns.min(axis=-1) <= -1.0
    logs = np.log1p(np.maximum(returns, ROUNDING - 1.0)).mean(axis=-1)
    with np.errstate(over="ignore"):
        return np.where(ruined, -1.0, np.expm1(logs * periods_per_year))


def max_drawdown(returns: Array) -> Array:
    """The deepest fall of equity below its highest close so far, the start included, as a fraction <= 0; -1 if ruined.

    Shapes: (..., n) -> (...).
    """
    ruined = returns.min(axis=-1) <= -1.0
    logs = np.cumsum(np.log1p(np.maximum(returns, ROUNDING - 1.0)), axis=-1)
    highest = np.maximum(np.maximum.accumulate(logs, axis=-1), 0.0)
    return np.where(ruined, -1.0, np.expm1((logs - highest).min(axis=-1)))
