"""The tasks as markets: the same paths as prices, the same costs charged by a broker, the same policy in Cerebro.

A bar opens where the one before closed and closes higher by what a unit earns, so that q units held over it earn p q;
a position asked for at a close is bought at the next open, for the same price. What the agent is shown is the change of
the logarithm of the volume, which is a feature that the library has.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

import numpy as np
import pandas as pd

from dltrader.agents.policy import Policy
from dltrader.benchmarks.oracle.observation import observe
from dltrader.benchmarks.oracle.signals import Array, Paths
from dltrader.benchmarks.oracle.tasks import Task
from dltrader.data.bars import COLUMNS, validate_bars
from dltrader.envs.arrays import Arrays
from dltrader.envs.cerebro import TradingEnv
from dltrader.envs.contract import EnvConfig
from dltrader.envs.lanes import Lanes
from dltrader.envs.markets import Markets
from dltrader.errors import ConfigError

Engine: TypeAlias = Literal["vector", "cerebro"]

POSITIONS_IN_CASH = 100.0
"""Cash at the start over the price of the largest position: no order is ever refused."""


class Played(NamedTuple):
    """What a policy did on paths, as its accounts tell.

    Attributes:
        positions: (n_paths, steps) units held over each step.
        money: (n_paths, steps) gained over each step, costs included.
    """

    positions: Array
    money: Array


def play_priced(policy: Policy, task: Task, paths: Paths, *, window_bars: int, engine: Engine = "cerebro") -> Played:
    """Play a task through prices, orders and costs, from no position.

    Args:
        policy: Anything with `predict`; it sees what it sees in `OracleVectorEnv`, and is asked for its deterministic
            actions.
        task: What is played.
        paths: On which; what is shown before the first step must fill a window.
        window_bars: How many numbers of the market the policy sees.
        engine: What keeps the accounts: backtrader itself, or the vectorised market.

    Raises:
        ConfigError: A path leads to a price of 0 or less, or the history is shorter than the window.
    """
    if not 1 <= window_bars <= paths.history:
        raise ConfigError(f"window_bars must be from 1 to {paths.history}, the history of the paths, was {window_bars}")
    frames = bars_of(task, paths, window_bars)
    config = env_config(task, window_bars, price=max(float(frame["close"].iloc[0]) for frame in frames))
    markets = Markets.build({f"path {i}": frame for i, frame in enumerate(frames)}, config)
    accounts: _Accounts = _Lanes(markets, config) if engine == "vector" else _Cerebros(markets, config)
    n_paths = len(frames)
    positions, money = np.empty((paths.steps, n_paths)), np.empty((paths.steps, n_paths))
    state, start = None, np.ones(n_paths, bool)
    for step in range(paths.steps):
        seen: Any = observe(task, accounts.shown, accounts.units)
        actions, state = policy.predict(seen, state=state, episode_start=start, deterministic=True)
        before = accounts.equity
        accounts.step(actions)
        positions[step], money[step] = accounts.units, accounts.equity - before
        start = np.zeros(n_paths, bool)
    return Played(np.ascontiguousarray(positions.T), np.ascontiguousarray(money.T))


def bars_of(task: Task, paths: Paths, window_bars: int) -> list[pd.DataFrame]:
    """The bars of every path: one to begin with, those of the first window, and one a step.

    Raises:
        ConfigError: A path leads to a price of 0 or less.
    """
    flat = np.zeros((len(paths.paid), window_bars + 1))
    first = task.price_at(paths.shown[:, [paths.history - 1]])
    close = first + np.cumsum(np.hstack([flat, paths.paid]), axis=1)
    if close.min() <= 0.0:
        raise ConfigError(f"{task.label} leads to a price of {close.min():.4g} on these paths; take shorter ones")
    opened = np.hstack([first, close[:, :-1]])
    shown = paths.shown[:, paths.history - window_bars :]
    volume = np.exp(np.cumsum(np.hstack([np.zeros_like(first), shown]), axis=1))
    index = pd.date_range("2000-01-03", periods=close.shape[1], freq="D", tz="UTC", name="time")
    return [
        validate_bars(
            pd.DataFrame(
                dict(zip(COLUMNS, (o, np.maximum(o, c), np.minimum(o, c), c, v), strict=True)),
                index=index,
            ),
            origin=f"path {i} of {task.label}",
        )
        for i, (o, c, v) in enumerate(zip(opened, close, volume, strict=True))
    ]


def env_config(task: Task, window_bars: int, *, price: float) -> EnvConfig:
    """The rules by which a task is traded: its positions in units, its costs, and what it shows.

    Args:
        task: Which.
        window_bars: How many numbers of the market are seen.
        price: Of a unit at the start.
    """
    return EnvConfig.from_mapping(
        {
            "window_bars": window_bars,
            "action": task.actions.to_mapping(),
            "features": [{"name": "volume_change", "horizon": 1}],
            "scaling": "none",
            "costs": task.costs.to_mapping(),
            "cash": POSITIONS_IN_CASH * task.largest * price,
            "lot_size": 0.0,
        }
    )


class _Accounts(Protocol):
    """Accounts of all paths, at a close.

    Attributes:
        shown: (n_paths, window_bars) what is seen of the market.
        units: (n_paths,) held.
        equity: (n_paths,) money.
    """

    shown: Array
    units: Array
    equity: Array

    def step(self, actions: Any) -> None:
        """Decide, and go to the next close."""


class _Lanes:
    """Accounts in the vectorised market, each on a path of its own."""

    def __init__(self, markets: Markets, config: EnvConfig) -> None:
        n_paths = len(markets.names)
        self._scheme = config.action
        self._lanes = Lanes(markets, config, n_paths, Arrays.of())
        first = markets.begins + markets.first.first
        self._lanes.begin(np.ones(n_paths, bool), first, markets.begins + len(markets.first) - 1)
        self._read()

    def step(self, actions: Any) -> None:
        """Decide, and go to the next close."""
        self._lanes.step(self._scheme.read_lanes(actions, len(self.units), 1, allow_short=True))
        self._read()

    def _read(self) -> None:
        self.shown: Array = self._lanes.windows()[..., 0]
        self.units: Array = self._lanes.ledger.sizes[0]
        self.equity: Array = self._lanes.equity


class _Cerebros:
    """Accounts in backtrader, one Cerebro a path."""

    def __init__(self, markets: Markets, config: EnvConfig) -> None:
        self._envs = [TradingEnv(market, config) for market in markets.each.values()]
        self._read([env.reset() for env in self._envs])

    def step(self, actions: Any) -> None:
        """Decide, and go to the next close."""
        found = [env.step(action) for env, action in zip(self._envs, actions, strict=True)]
        self._read([(observation, info) for observation, *_, info in found])

    def _read(self, found: list[tuple[Any, dict[str, Any]]]) -> None:
        self.shown: Array = np.stack([observation["market"][:, 0] for observation, _ in found])
        self.units: Array = np.array([info["position"] for _, info in found])
        self.equity: Array = np.array([info["equity"] for _, info in found])
