"""Rewards are money: whatever the bars, the costs and the actions."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dltrader.envs.cerebro import TradingEnv
from dltrader.envs.contract import EnvConfig
from market_bars import random_walk

SCHEMES = st.sampled_from(
    [
        "target_position",
        {"name": "target_position", "levels": [-0.7, 0.0, 0.3, 1.0]},
        "buy_sell_hold",
        {"name": "buy_sell_hold", "max_units": 3},
        "target_weight",
        {"name": "target_units", "levels": [-300.0, 0.0, 200.0]},
        {"name": "target_units", "largest": 500.0, "band": True},
        {"name": "trade_units", "trades": [-50.0, 0.0, 30.5], "largest": 200.0},
    ]
)

CONFIGS = st.fixed_dictionaries(
    {
        "window_bars": st.just(2),
        "features": st.just(["log_return"]),
        "scaling": st.just("none"),
        "action": SCHEMES,
        "costs": st.fixed_dictionaries(
            {
                "commission": st.sampled_from([0.0, 0.001, 0.05]),
                "slippage": st.sampled_from([0.0, 0.0005, 0.03]),
                "per_unit": st.sampled_from([0.0, 0.0, 0.01]),
                "impact": st.sampled_from([0.0, 0.0, 1e-4]),
            }
        ),
        "lot_size": st.sampled_from([0.0, 0.01, 1.0, 100.0]),
        "sizing": st.sampled_from(["at_open", "at_close"]),
        "leverage": st.sampled_from([1.0, 2.5]),
        "allow_short": st.booleans(),
    }
)


def config_of(values):
    levels = (values["action"].get("levels") or [0]) if isinstance(values["action"], dict) else [0]
    assume(values["allow_short"] or min(levels) >= 0)
    return EnvConfig.from_mapping(values)


def instruments(n_instruments, seed, volatility, price):
    return {f"i{i}": random_walk(30, seed + i, volatility=volatility, price=price) for i in range(n_instruments)}


@settings(max_examples=150)
@given(
    values=CONFIGS,
    n_instruments=st.integers(1, 3),
    seed=st.integers(0, 10_000),
    volatility=st.sampled_from([0.001, 0.02, 0.2]),
    price=st.sampled_from([0.01, 100.0, 50_000.0]),
)
def test_equity_is_cash_and_positions_and_rewards_are_its_growth(values, n_instruments, seed, volatility, price):
    env = TradingEnv(instruments(n_instruments, seed, volatility, price), config_of(values))
    env.action_space.seed(seed)
    _, info = env.reset(seed=seed)
    total, done, terminated = 0.0, False, False
    while not done:
        observation, reward, terminated, truncated, info = env.step(env.action_space.sample())
        worth = info["cash"] + float(np.sum(info["position"] * info["close"]))
        assert abs(info["equity"] - worth) <= 1e-9 * max(1.0, abs(worth))
        assert env.observation_space.contains(observation)
        for fill in info["fills"]:
            bar = env.market.bars[fill.instrument].loc[fill.time]
            costs, size = values["costs"], fill.size if fill.side == "buy" else -fill.size
            # Of an order that is refused in part the price was moved by the whole.
            whole = size + sum(one.size for one in info["rejections"] if one.instrument == fill.instrument)
            moved = costs["impact"] * whole
            highest, lowest = bar["high"] + max(moved, 0.0), bar["low"] + min(moved, 0.0)
            assert max(lowest, 0.01 * bar["low"]) * (1 - 1e-9) <= fill.price <= highest * (1 + 1e-9)
            fee = (costs["commission"] * fill.price + costs["per_unit"]) * fill.size
            assert math.isclose(fill.commission, fee, rel_tol=1e-9, abs_tol=1e-9)
        assert len(info["fills"]) <= n_instruments
        total += reward
        done = terminated or truncated
    if terminated:
        assert info["equity"] <= 0
    else:
        assert abs(total - math.log(info["equity"] / 100_000.0)) <= 1e-9


@settings(max_examples=60)
@given(
    values=CONFIGS,
    n_instruments=st.integers(1, 3),
    seed=st.integers(0, 10_000),
    volatility=st.sampled_from([0.001, 0.02, 0.1]),
)
def test_orders_sized_at_the_open_are_not_refused_without_leverage(values, n_instruments, seed, volatility):
    values = values | {"sizing": "at_open", "leverage": 1.0}
    env = TradingEnv(instruments(n_instruments, seed, volatility, 100.0), config_of(values))
    env.action_space.seed(seed)
    env.reset()
    done = False
    while not done:
        *_, terminated, truncated, info = env.step(env.action_space.sample())
        # Shorts can lose more than there is: then there may be no cash to close them with.
        assert not info["rejections"] or info["equity"] < 50_000
        done = terminated or truncated
