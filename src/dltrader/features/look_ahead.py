"""The guard against look-ahead: a feature must give the same rows when it cannot see the bars after them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dltrader.errors import LookAheadError
from dltrader.features.compute import compute
from dltrader.features.context import NO_CONTEXT, Context

if TYPE_CHECKING:
    import pandas as pd

    from dltrader.features.spec import FeatureSpec


def changes(values: npt.NDArray[Any], others: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Where two arrays of one shape differ, to the bit; NaN is equal to NaN."""
    differs: npt.NDArray[np.bool_] = (values != others) & ~(np.isnan(values) & np.isnan(others))
    return differs


def check_causal(
    spec: FeatureSpec,
    bars: pd.DataFrame,
    table: pd.DataFrame,
    warmup_bars: int,
    context: Context = NO_CONTEXT,
) -> None:
    """Recompute a feature on the first 60 % of the bars, and on one bar more, and require equal rows to the bit.

    A second end, one bar later, catches a feature that looks ahead only to the end of some period,
    such as a week.

    Args:
        spec: The feature.
        bars: Of `plain_bars`.
        table: The feature's columns over all bars.
        warmup_bars: Rows before this one are not compared: they are never used.
        context: Of `plain_context`; it is cut where the bars are.

    Raises:
        LookAheadError: A value changes.
    """
    n_bars = len(bars)
    earliest = max(n_bars * 3 // 5, warmup_bars + 1)
    for end in (earliest, earliest + 1):
        if end >= n_bars:
            return  # only the newest row is used, and nothing comes after it
        known = {name: frame.loc[: bars.index[end - 1]] for name, frame in context.items()}
        seen = compute(spec, bars.iloc[:end], known).to_numpy()[warmup_bars:]
        whole = table.to_numpy()[warmup_bars:end]
        rows, columns = np.nonzero(changes(seen, whole))
        if len(rows):
            column, time = table.columns[columns[0]], table.index[warmup_bars + rows[0]]
            raise LookAheadError(
                f"{column} looks ahead: at {time:%Y-%m-%d %H:%M} it is {seen[rows[0], columns[0]].item()!r} "
                f"as long as the bars end at {bars.index[end - 1]:%Y-%m-%d %H:%M}, "
                f"and {whole[rows[0], columns[0]].item()!r} with those after; "
                "leave it out or compute it from past bars only"
            )
