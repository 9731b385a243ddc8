"""Why a statistic of returns cannot be computed, in words that a report can print."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dltrader.evaluation.metrics import ROUNDING


def why_not(returns: npt.ArrayLike, *, at_least: int = 3, still: bool = False) -> str | None:
    """Why statistics of returns are nan, or None if they are not.

    Args:
        returns: (n,)
        at_least: Returns that the statistic takes.
        still: Whether the statistic also takes returns that never vary, as growth does.

    Returns:
        That there are too few, that some are not finite, or that they never vary; one line.
    """
    values = np.asarray(returns, np.float64)
    if values.ndim != 1:
        return f"returns must be one number a bar, were an array of shape {values.shape}"
    if len(values) < at_least:
        return f"{len(values)} returns; at least {at_least} are needed"
    odd = int(np.count_nonzero(~np.isfinite(values)))
    if odd:
        return f"{odd} of {len(values)} returns are not finite"
    if not still and np.ptp(values) <= ROUNDING:
        return f"all {len(values)} returns are {values[0] + 0.0:g}; without variation there is no Sharpe ratio"
    return None
