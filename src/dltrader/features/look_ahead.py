"""The guard against look-ahead: a feature must give the same rows when it cannot see the bars after them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dltrader.errors import LookAheadError
from dltrader.features.compute import compute

if TYPE_CHECKING:
    import pandas as pd

    from dltrader.features.spec import FeatureSpec


def check_causal(spec: FeatureSpec, bars: pd.DataFrame, table: pd.DataFrame, warmup_bars: int) -> None:
    """Recompute a feature on the first 60 % of the bars, and on one bar more, and require equal rows to the bit.

    A second end, one bar later, catches a feature that looks ahead only to the end of some period,
    such as a week.

    Args:
        spec: The feature.
        bars: Of `plain_bars`.
        table: The feature's columns over all bars.
        warmup_bars: Rows before this one are not compared: they are never used.

    Raises:
        LookAheadError: A value changes.
    """
    n_bars = len(bars)
    earliest = max(n_bars * 3 // 5, warmup_bars + 1)
    for end in (earliest, earliest + 1):
        if end >= n_bars:
            return  # only the newest row is used, and nothing comes after it
        seen = compute(spec, bars.iloc[:end]).to_numpy()[warmup_bars:]
        whole = table.to_numpy()[warmup_bars:end]
        rows, columns = np.nonzero((seen != whole) & ~(np.isnan(seen) & np.isnan(whole)))
        if len(rows):
            column, time = table.columns[columns[0]], table.index[warmup_bars + rows[0]]
            raise LookAheadError(
                f"{column} looks ahead: at {time:%Y-%m-%d %H:%M} it is {seen[rows[0], columns[0]].item()!r} "
                f"as long as the bars end at {bars.index[end - 1]:%Y-%m-%d %H:%M}, "
                f"and {whole[rows[0], columns[0]].item()!r} with those after; "
                "leave it out or compute it from past bars only"
            )
