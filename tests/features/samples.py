"""Bars for the tests of features, and the ways to spoil them."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import pandas as pd

from dltrader.features import FEATURES, FeatureSpec

FOREIGN = {
    "ta": {"indicator": "AroonIndicator", "window": 10},
    "bt": {"indicator": "RSI", "period": 7},
}
SESSIONS = [
    FeatureSpec.of("session_return"),
    FeatureSpec.of("session_vwap_distance"),
    FeatureSpec.of("opening_range"),
    FeatureSpec.of("opening_range", minutes=120, timezone="Europe/London", open="08:00", close="16:30"),
    FeatureSpec.of("session_return", timezone="Asia/Tokyo", open="22:00", close="04:00"),
]
"""Features that are settled by their sessions: they need bars shorter than a day."""
DEFAULTS = [
    FeatureSpec.of(name, **FOREIGN.get(name, {})) for name in FEATURES if name not in {spec.name for spec in SESSIONS}
]
VARIANTS = [
    FeatureSpec.of("log_return", horizon=7),
    FeatureSpec.of("rsi", window=2),
    FeatureSpec.of("macd", fast=3, slow=7, signal=4),
    FeatureSpec.of("stochastic", window=5, smooth=1),
    FeatureSpec.of("bollinger", window=2, width=1.5),
    FeatureSpec.of("obv_slope", window=2),
    FeatureSpec.of("volume_change", horizon=3),
    FeatureSpec.of("adx", window=2),
    FeatureSpec.of("minutes_to_close", timezone="Asia/Tokyo", open="09:00", close="15:00"),
    FeatureSpec.of("first_minutes", minutes=90),
]


def make_bars(n_bars, seed=0, *, freq="D", price=100.0):
    """A random walk."""
    random = np.random.default_rng(seed)
    close = price * np.exp(np.cumsum(random.normal(0, 0.02, n_bars)))
    opened = close * np.exp(random.normal(0, 0.01, n_bars))
    reach = np.exp(np.abs(random.normal(0, 0.01, (2, n_bars))))
    high, low = np.maximum(opened, close) * reach[0], np.minimum(opened, close) / reach[1]
    volume = random.integers(1_000, 100_000, n_bars).astype(float)
    return frame(opened, high, low, close, volume, freq=freq)


def frame(opened, high, low, close, volume, *, freq="D"):
    """Bars from columns."""
    index = pd.date_range("2001-01-01", periods=len(close), freq=freq, tz="UTC", name="time")
    columns = {"open": opened, "high": high, "low": low, "close": close, "volume": volume}
    return pd.DataFrame({name: np.asarray(values, float) for name, values in columns.items()}, index)


def closes(*values, volume=1_000.0):
    """Bars whose four prices are the same."""
    return frame(values, values, values, values, [volume] * len(values))


def corrupted_after(bars, row, seed=1):
    """The same bars up to a row, and wild but valid ones after it."""
    random = np.random.default_rng(seed)
    n_wild = len(bars) - row - 1
    opened, close = np.exp(random.normal(0, 8, (2, n_wild)))
    high, low = np.maximum(opened, close) * 2, np.minimum(opened, close) / 2
    wild = bars.copy()
    wild.iloc[row + 1 :] = np.column_stack([opened, high, low, close, np.exp(random.normal(5, 8, n_wild))])
    return wild


@contextmanager
def registered(name, feature):
    """A feature that is known only for a while."""
    FEATURES.register(name, feature)
    try:
        yield
    finally:
        del FEATURES._entries[name]


def same_bits(left, right):
    """Whether two tables are equal, NaN where NaN."""
    return np.array_equal(np.asarray(left, float), np.asarray(right, float), equal_nan=True)
