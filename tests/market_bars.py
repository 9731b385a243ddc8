"""Bars for the tests: made here, so that a test of one room does not stand on another."""

from __future__ import annotations

import numpy as np
import pandas as pd


def random_walk(n_bars: int, seed: int = 0, *, volatility: float = 0.02, price: float = 100.0) -> pd.DataFrame:
    """Daily bars of a geometric random walk with gaps between close and open."""
    generator = np.random.default_rng(seed)
    close = price * np.exp(np.cumsum(generator.normal(0, volatility, n_bars)))
    before = np.concatenate([[price], close[:-1]])
    opened = before * np.exp(generator.normal(0, volatility / 3, n_bars))
    spread = np.exp(np.abs(generator.normal(0, volatility / 2, (2, n_bars))))
    high, low = np.maximum(opened, close) * spread[0], np.minimum(opened, close) / spread[1]
    volume = generator.integers(1_000, 100_000, n_bars).astype(float)
    return bars_of(opened, high, low, close, volume)


def bars_of(opened, high, low, close, volume=None) -> pd.DataFrame:
    """Bars from columns, on consecutive days."""
    n_bars = len(close)
    index = pd.date_range("2001-01-01", periods=n_bars, freq="D", tz="UTC", name="time")
    volume = np.full(n_bars, 1_000.0) if volume is None else volume
    columns = {"open": opened, "high": high, "low": low, "close": close, "volume": volume}
    return pd.DataFrame({name: np.asarray(values, float) for name, values in columns.items()}, index)


def flat_then(*closes: float, warmup: int = 0, open_at_close: bool = True) -> pd.DataFrame:
    """Bars that open where the one before closed, with the given closes after a flat stretch."""
    close = np.array([closes[0]] * warmup + list(closes), float)
    opened = np.concatenate([[close[0]], close[:-1]]) if open_at_close else close
    return bars_of(opened, np.maximum(opened, close), np.minimum(opened, close), close)
