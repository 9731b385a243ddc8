"""A spec's columns over bars: computed, checked, and known by name and warm-up before any bars are there."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from dltrader.errors import BarsError, FeatureError
from dltrader.features.context import NO_CONTEXT, Context, as_of, context_names, require_context, require_fresh, view_of
from dltrader.features.indicators import FEATURES
from dltrader.features.windows import Array

if TYPE_CHECKING:
    from dltrader.features.spec import FeatureSpec

COLUMNS = ("open", "high", "low", "close", "volume")

PROBE_BARS = (512, 4_096, 32_768)
"""Numbers of synthetic bars on which a warm-up is measured; the next is tried where the one before was too short."""


class Columns(NamedTuple):
    """What a spec gives, whatever the bars.

    Attributes:
        names: The columns.
        warmup_bars: How many leading rows are not settled, of the bars that it is computed on; 0 for a feature that is
            settled by its sessions. How many of the traded bars that takes is told by `settled_from`.
    """

    names: tuple[str, ...]
    warmup_bars: int


def plain_bars(bars: pd.DataFrame) -> pd.DataFrame:
    """A copy of bars that carries their columns and times only, so that no feature can change or depend on more.

    Raises:
        BarsError: A column is missing, or the times are not UTC.
    """
    missing = [column for column in COLUMNS if column not in bars]
    if missing:
        raise BarsError(
            f"bars have the columns {' '.join(COLUMNS)}, found {' '.join(map(str, bars.columns))}; "
            f"{missing[0]!r} is missing"
        )
    if not isinstance(bars.index, pd.DatetimeIndex) or str(bars.index.tz) != "UTC":
        found = bars.index.dtype
        raise BarsError(f"bars are indexed by times in UTC, found {found}; see dltrader.load_bars")
    return pd.DataFrame({column: bars[column].to_numpy(np.float64) for column in COLUMNS}, bars.index, copy=True)


def is_own(spec: FeatureSpec) -> bool:
    """Whether the feature is one of this library's, whose causality its tests prove."""
    module = str(getattr(FEATURES[spec.name], "__module__", ""))
    return module.startswith("dltrader.features.indicators.")


def plain_context(specs: Iterable[FeatureSpec], context: Context | None) -> Context:
    """The markets of a context that features look at, as `plain_bars` gives them.

    Raises:
        BarsError: A column is missing, or the times are not UTC.
        ConfigError: A market is missing.
    """
    specs = list(specs)
    require_context(specs, context or NO_CONTEXT)
    return {name: plain_bars(context[name]) for name in context_names(specs)} if context else NO_CONTEXT


def compute(spec: FeatureSpec, bars: pd.DataFrame, context: Context = NO_CONTEXT) -> pd.DataFrame:
    """The columns of a spec over bars, one row a bar, float64; NaN where they are not settled.

    Args:
        spec: A feature and its parameters.
        bars: Of `plain_bars`.
        context: Of `plain_context`.

    Raises:
        ConfigError: The feature's market is missing, or its interval is no longer than the bars.
        FeatureError: The feature failed, or gave something else than numbers for these bars.
    """
    if not spec.looks_elsewhere:
        return _computed(spec, bars)
    view = view_of(spec, bars, context)
    times = pd.DatetimeIndex(bars.index)
    if len(view.bars) == 0:
        return pd.DataFrame(np.nan, times, list(columns_of(spec).names))
    return as_of(_computed(spec, view.bars), view.known, times)


def own_columns(spec: FeatureSpec, bars: pd.DataFrame, first: int) -> list[Array] | None:
    """The columns of one of this library's features from a row on, one (bars - first,) each, without a table of them.

    A table takes longer than most features, and where one bar is foretold after the other that is what counts.

    Args:
        spec: A feature and its parameters.
        bars: Of `plain_bars`.
        first: In which they are settled.

    Returns:
        None where there is more to do or to say, which `compute` does: the feature looks elsewhere, is not this
        library's, or has a value that is not finite.
    """
    if spec.looks_elsewhere or not is_own(spec):
        return None
    with np.errstate(all="ignore"):
        values = FEATURES[spec.name](bars, **spec.parameters).to_numpy()
    columns = np.atleast_2d(values.T)[:, first:]  # (columns, bars - first)
    return list(columns) if columns.dtype == np.float64 and np.isfinite(columns).all() else None


def settled_from(spec: FeatureSpec, bars: pd.DataFrame, context: Context = NO_CONTEXT) -> int:
    """The first row of bars at which a feature is settled; it depends on their times only.

    Args:
        spec: A feature and its parameters.
        bars: Of `plain_bars`.
        context: Of `plain_context`.

    Raises:
        BarsError: The bars of a higher interval, of another market or of whole sessions are too few, or out of date.
        ConfigError: As of `compute`.
    """
    if not spec.looks_elsewhere:
        return _settled_row(spec, bars)
    view = view_of(spec, bars, context)
    times = pd.DatetimeIndex(bars.index)
    needed = _settled_row(spec, view.bars)
    stamps = times.as_unit("ns").asi8
    closed = int(view.known.searchsorted(stamps[-1], side="right"))
    if needed >= closed:
        of = "".join(f" of {each}" for each in (spec.interval, spec.market) if each is not None)
        raise BarsError(
            f"{spec.label} takes {needed + 1} bars{of} to warm up, and {closed} are closed by "
            f"{times[-1]:%Y-%m-%d %H:%M}, the last of {len(times)} bars; load more history, or choose shorter windows "
            "or intervals"
        )
    row = int(stamps.searchsorted(view.known[needed]))
    require_fresh(spec, times, row, context)
    return row


def _settled_row(spec: FeatureSpec, bars: pd.DataFrame) -> int:
    """The first settled row of the bars that a feature is computed on."""
    by_times: Any = getattr(FEATURES[spec.name], "settled_from", None)
    if by_times is None:
        return columns_of(spec).warmup_bars
    return int(by_times(pd.DatetimeIndex(bars.index), **spec.parameters))


def _computed(spec: FeatureSpec, bars: pd.DataFrame) -> pd.DataFrame:
    """The columns of a spec over the bars themselves."""
    feature = FEATURES[spec.name]
    with np.errstate(all="ignore"):  # 0 / 0 is dealt with below, where the time is known
        result = feature(bars if is_own(spec) else bars.copy(), **spec.parameters)
    if isinstance(result, pd.Series):
        table = result.to_frame(spec.label)
    elif isinstance(result, pd.DataFrame):
        table = result.set_axis([f"{spec.label}.{part}" for part in result.columns], axis=1)
    else:
        found = type(result).__name__
        raise FeatureError(f"{spec.label} gave a {found}; a feature gives a Series or a DataFrame")
    if not table.index.equals(bars.index):
        raise FeatureError(
            f"{spec.label} gave {len(table)} rows for {len(bars)} bars or changed their times; give one row a bar"
        )
    try:
        return table.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise FeatureError(f"{spec.label} gave something else than numbers: {error}") from None


@lru_cache(maxsize=1_024)
def columns_of(spec: FeatureSpec) -> Columns:
    """The names of a spec's columns and how many leading rows are not settled, measured on synthetic bars.

    They are hourly and go on day and night.

    Raises:
        FeatureError: The feature fails, or is not settled within the longest synthetic bars.
    """
    failure: FeatureError | None = None
    for n_bars in PROBE_BARS:
        try:
            table = _computed(spec, probe_bars(n_bars))
        except FeatureError as error:
            failure = error  # some indicators fail on too few bars
            continue
        failure = None
        settled = table.notna().to_numpy()
        if settled.any(axis=0).all():
            if hasattr(FEATURES[spec.name], "settled_from"):
                return Columns(tuple(map(str, table.columns)), 0)
            return Columns(tuple(map(str, table.columns)), int(settled.argmax(axis=0).max()))
    if failure is not None:
        raise failure
    raise FeatureError(f"{spec.label} has no value within {PROBE_BARS[-1]} bars; choose shorter windows")


@lru_cache(maxsize=len(PROBE_BARS))
def probe_bars(n_bars: int) -> pd.DataFrame:
    """Synthetic hourly bars, a seeded random walk; not to be changed."""
    generator = np.random.default_rng(20_240_601)
    close = 100.0 * np.exp(np.cumsum(generator.normal(0.0, 0.01, n_bars)))
    opened = close * np.exp(generator.normal(0.0, 0.003, n_bars))
    reach = np.abs(generator.normal(0.0, 0.005, (2, n_bars)))
    high = np.maximum(opened, close) * np.exp(reach[0])
    low = np.minimum(opened, close) * np.exp(-reach[1])
    volume = generator.lognormal(10.0, 0.5, n_bars)
    times = pd.date_range("2000-01-03", periods=n_bars, freq="h", tz="UTC", name="time")
    return pd.DataFrame({"open": opened, "high": high, "low": low, "close": close, "volume": volume}, index=times)


def finite_values(rows: pd.DataFrame) -> Array:
    """The values of settled rows, (rows, columns).

    Raises:
        FeatureError: A value is NaN or infinite.
    """
    values = rows.to_numpy()
    finite = np.isfinite(values)
    if not finite.all():
        row, column = np.argwhere(~finite)[0]
        raise FeatureError(
            f"{rows.columns[column]} is {values[row, column]} at {rows.index[row]:%Y-%m-%d %H:%M}, after its warm-up; "
            "features must be finite, so check the bars there or leave the feature out"
        )
    return values
