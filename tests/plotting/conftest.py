"""Fabricated results: a plot needs records, not a market."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dltrader.evaluation.result import BacktestResult

METRICS = {
    "total_return": 0.5321,
    "annual_return": 0.1234,
    "annual_volatility": 0.1876,
    "sharpe": 0.71,
    "sortino": 1.02,
    "calmar": 0.53,
    "max_drawdown": -0.2345,
    "max_drawdown_bars": 77.0,
    "trades": 41.0,
    "win_rate": 0.5366,
    "profit_factor": 1.31,
    "exposure": 0.62,
    "turnover": 9.1,
    "commission": 1234.5,
}
EMPTY_ORDERS = {"time": [], "instrument": [], "side": [], "size": [], "price": [], "commission": []}
TRADES = ["instrument", "side", "opened_at", "closed_at", "bars", "size", "entry_price"]
TRADES += ["exit_price", "commission", "profit", "return_"]


def make_bars(count, *, seed=0, freq="B", drift=0.0004, volatility=0.013, start="2015-01-02"):
    """Bars of a random walk."""
    random = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(random.normal(drift, volatility, count)))
    opened = np.concatenate([[100.0], close[:-1]]) * np.exp(random.normal(0, volatility / 4, count))
    reach = np.abs(random.normal(0, volatility / 2, (2, count)))
    bars = pd.DataFrame(
        {
            "open": opened,
            "high": np.maximum(opened, close) * (1 + reach[0]),
            "low": np.minimum(opened, close) * (1 - reach[1]),
            "close": close,
            "volume": random.uniform(1e5, 1e6, count),
        },
        index=pd.date_range(start, periods=count, freq=freq, tz="UTC", name="time"),
    )
    return bars.astype("float64")


def make_result(bars, *, switches=30, seed=1, policy="ppo_attention", metrics=None, hold=True):
    """A result whose positions switch at random between short, flat and long."""
    if isinstance(bars, pd.DataFrame):
        bars = {"AAPL": bars}
    random = np.random.default_rng(seed)
    index = next(iter(bars.values())).index
    share = 1.0 / len(bars)
    exposure, orders, growth = {}, [], np.zeros(len(index))
    for name, frame in bars.items():
        level = np.zeros(len(index))
        if switches and len(index) > 2:
            places = random.permutation(np.arange(1, len(index)))[:switches]
            for place in np.sort(places):
                level[place:] = random.choice([-1.0, 0.0, 1.0, 1.0])
        level *= share
        change = np.diff(level, prepend=0.0)
        orders += [
            {
                "time": index[place],
                "instrument": name,
                "side": "buy" if change[place] > 0 else "sell",
                "size": abs(change[place]) * 1000,
                "price": frame["open"].iloc[place],
                "commission": 12.0,
            }
            for place in np.flatnonzero(change)
        ]
        returns = frame["close"].pct_change().fillna(0.0).to_numpy()
        growth += np.concatenate([[0.0], level[:-1]]) * returns + 0.0002 * np.abs(level)
        exposure[name] = level
    frames = pd.DataFrame(exposure, index=index)
    equity = pd.Series(100_000.0 * np.cumprod(1 + growth), index=index, name="equity")
    benchmark = None
    if hold:
        closes = sum(frame["close"] / frame["close"].iloc[0] for frame in bars.values()) / len(bars)
        benchmark = BacktestResult(
            "buy_and_hold", bars, 100_000.0 * closes, frames * 0 + 1, frames * 0 + share,
            pd.DataFrame(EMPTY_ORDERS), pd.DataFrame({"time": []}), pd.DataFrame(columns=TRADES),
            {**METRICS, "total_return": 0.21, "trades": 0.0, "win_rate": float("nan")},
        )  # fmt: skip
    return BacktestResult(
        policy=policy,
        bars=bars,
        equity=equity,
        position=frames * 1000,
        exposure=frames,
        orders=pd.DataFrame(orders) if orders else pd.DataFrame(EMPTY_ORDERS),
        rejections=pd.DataFrame({"time": [], "instrument": [], "size": [], "reason": []}),
        trades=pd.DataFrame(columns=TRADES),
        metrics=METRICS if metrics is None else metrics,
        benchmark=benchmark,
    )


def make_curve(updates=200, seed=0):
    """A training that improves and then overfits."""
    random = np.random.default_rng(seed)
    progress = np.linspace(0, 1, updates)
    validation = 0.15 * np.sin(2.2 * progress) + random.normal(0, 0.01, updates)
    validation[np.arange(updates) % 10 != 9] = np.nan
    return pd.DataFrame(
        {
            "steps": 2048 * np.arange(1, updates + 1),
            "bars_per_second": random.normal(9000, 200, updates),
            "episode_growth": 0.3 * progress + random.normal(0, 0.08, updates),
            "validation_growth": validation,
            "policy_entropy": 1.1 - 0.6 * progress + random.normal(0, 0.01, updates),
            "value_loss": np.exp(-4 * progress + random.normal(0, 0.1, updates)),
            "learning_rate": 3e-4 * (1 - progress),
        }
    )


@pytest.fixture
def result():
    return make_result(make_bars(300), switches=24)
