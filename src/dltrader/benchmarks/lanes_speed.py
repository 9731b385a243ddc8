"""How fast environments are stepped: the bare Cerebro, TradingEnv, and the vectorised market on few and many lanes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from dltrader.benchmarks.env_speed import bare_loop, play, tape_of
from dltrader.benchmarks.timing import seconds
from dltrader.envs.cerebro import TradingEnv
from dltrader.envs.contract import EnvConfig
from dltrader.envs.market import Market
from dltrader.envs.vector import TradingVectorEnv

LANES = (1, 64, 1_024, 16_384)
STEPS = 200
"""Steps of all lanes in one measurement."""

CEREBRO_STEPS = 1_000
"""Bars of an episode in Cerebro, whose run has a beginning that takes as long as some bars."""


def market_of(bars: int, config: EnvConfig) -> Market:
    """A random walk of minute bars, with features."""
    return Market.build(f"synthetic:gbm?n={bars}&sigma=0.2&seed=1&interval=1min", config)


def stepping_tasks(market: Market, lanes: Sequence[int] = LANES) -> dict[str, Callable[[], float]]:
    """Name -> what measures its steps per second; an order on every bar of every lane, drawn before the clock runs."""
    env = TradingEnv(market, EnvConfig(episode_bars=CEREBRO_STEPS))
    # Every action differs from the one before, so that every bar has an order.
    trade = [int(action) for action in np.cumsum(np.random.default_rng(0).integers(1, 3, CEREBRO_STEPS)) % 3]
    tape = tape_of(env, trade)
    tasks: dict[str, Callable[[], float]] = {
        "bare Cerebro": lambda: CEREBRO_STEPS / seconds(lambda: bare_loop(env, tape)),
        "TradingEnv": lambda: CEREBRO_STEPS / seconds(lambda: play(env, trade)),
    }
    for windows in (False, True):
        for n_lanes in lanes:
            name = f"{n_lanes:,} lane{'' if n_lanes == 1 else 's'}" + (", windows" if windows else "")
            tasks[name] = partial(_lanes_speed, market, n_lanes, windows)
    return tasks


def _lanes_speed(market: Market, n_lanes: int, windows: bool) -> float:
    envs = TradingVectorEnv(market, n_lanes, EnvConfig(random_start=True, episode_bars=STEPS), windows=windows)
    turns = np.random.default_rng(0).integers(1, 3, (STEPS, n_lanes))
    tape: Any = np.cumsum(turns, axis=0) % 3
    envs.reset(seed=0)

    def run() -> None:
        for actions in tape:
            envs.step(actions)

    return STEPS * n_lanes / seconds(run)
