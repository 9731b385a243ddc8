"""Context: features of other bars than those traded, joined by what was known.

    view    the bars that a feature is computed on: those of a higher interval, of another market, or both
    known   when each bar of a view may be seen; at a bar stamped t the last one counts that is known at t or before

Bars of another market are known at their stamps. Only those of a day or longer are known a day later where shorter bars
look at them: a daily bar is stamped with the date at whose end it closes. Where daily bars look at daily bars, equal
dates count as closed together; of a market that closes later in the day, take a horizon or a lag that leaves out the
last bar.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd

from dltrader.data.bars import DAY, median_gap, times_of
from dltrader.data.sessions import DAY_NS
from dltrader.data.times import written
from dltrader.errors import BarsError, ConfigError
from dltrader.features.resampling import Stamps, View, resampled
from dltrader.registry import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dltrader.features.spec import FeatureSpec

Context: TypeAlias = Mapping[str, pd.DataFrame]
"""Markets that are seen and not traded: name -> bars."""

NO_CONTEXT: Context = MappingProxyType({})

STALE = pd.Timedelta(days=31)
"""The longest that a bar of another market counts as its last; of bars longer than a week, five of them."""


def context_names(specs: Iterable[FeatureSpec]) -> tuple[str, ...]:
    """The other markets that features look at, in the order in which they are first named."""
    return tuple(dict.fromkeys(spec.market for spec in specs if spec.market is not None))


def require_context(specs: Iterable[FeatureSpec], context: Mapping[str, Any]) -> None:
    """Check that every market is there that features look at.

    Raises:
        ConfigError: One is missing.
    """
    for spec in specs:
        if spec.market is not None and spec.market not in context:
            hint = did_you_mean(spec.market, context) if context else ""
            raise ConfigError(
                f"{spec.label} looks at {spec.market!r}, whose bars are not there{hint}; name its source in "
                f"env.context, or pass context={{{spec.market!r}: bars}}"
            )


def view_of(spec: FeatureSpec, bars: pd.DataFrame, context: Context) -> View:
    """What a feature of a higher interval or of another market is computed on.

    Args:
        spec: The feature.
        bars: Those that look at it.
        context: Other markets.

    Raises:
        ConfigError: The other market is missing, or its bars are as long as the interval.
    """
    require_context([spec], context)
    seen = bars if spec.market is None else context[spec.market]
    if spec.interval is None:
        view = View(seen, times_of(seen).as_unit("ns").asi8)
    else:
        view = resampled(seen, spec.interval, spec.label)
    of_days = spec.market is not None and _is_daily(seen) and not _is_daily(bars)
    return View(view.bars, view.known + DAY_NS) if of_days else view


def as_of(table: pd.DataFrame, known: Stamps, times: pd.DatetimeIndex) -> pd.DataFrame:
    """The last row of a table that is known at each time; NaN before the first.

    Args:
        table: (rows, columns).
        known: (rows,) when each may be seen, increasing.
        times: UTC.
    """
    rows = np.searchsorted(known, times.as_unit("ns").asi8, side="right") - 1  # (times,)
    values = np.full((len(times), table.shape[1]), np.nan)
    found = rows >= 0
    values[found] = table.to_numpy()[rows[found]]
    return pd.DataFrame(values, times, table.columns)


def require_fresh(spec: FeatureSpec, times: pd.DatetimeIndex, first: int, context: Context) -> None:
    """Check that another market has not ended, or paused, long before the bars that look at it.

    Args:
        spec: The feature.
        times: Of the bars that look at it.
        first: The first row that counts.
        context: Other markets.

    Raises:
        BarsError: A bar would see one that is `STALE`.
    """
    if spec.market is None or first >= len(times):
        return
    theirs = times_of(context[spec.market])
    longest = max(STALE, 5 * median_gap(theirs)) if len(theirs) > 1 else STALE
    rows = theirs.searchsorted(times[first:], side="right") - 1
    seen = theirs[np.maximum(rows, 0)]
    stale = np.asarray(times[first:] - seen > longest)
    if stale.any():
        row = int(stale.argmax())
        seen_from, at = written(seen[row]), written(times[first + row])
        raise BarsError(
            f"{spec.label} would see a bar of {spec.market} from {seen_from} at {at}: nothing newer is there, and it "
            f"counts for {longest.days} days; load its bars up to then"
        )


def _is_daily(bars: pd.DataFrame) -> bool:
    """Whether bars last a day or longer."""
    times = times_of(bars)
    if len(times) < 2:
        return bool((times == times.normalize()).all())
    return median_gap(times) >= 0.9 * DAY
