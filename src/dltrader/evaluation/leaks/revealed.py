"""A backtest in which every bar comes to be only when its time comes: all bars at once are looked at, in one run.

Where a backtest is repeated on bars that are altered after a cut, one cut is looked at. Here the bars after the present
one are others in the environment's own memory, from the first decision to the last, and each is put right when its time
comes: the bar when it opens, its close when it has closed. Whatever the environment or the policy takes from a later
bar, or a fill from its bar's close, is then another than in a backtest on the bars as they are.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from dltrader.envs.cerebro import TradingEnv
from dltrader.envs.contract import EnvConfig
from dltrader.envs.market import Market
from dltrader.envs.records import Fill
from dltrader.evaluation.leaks.alterations import other_close
from dltrader.evaluation.leaks.trading import Recorded, Trading
from dltrader.evaluation.tables import table_of

LINES = ("open", "high", "low", "close", "volume")


class RevealedEnv(TradingEnv):
    """The environment, on a market whose bars are others until their time comes.

    Args:
        market: The market as it is.
        other: The same market with other bars and features, at the same times.
        config: As of the environment; an episode is all bars there are.
    """

    def __init__(self, market: Market, other: Market, config: EnvConfig) -> None:
        self._true = market
        self._prices = [frame[list(LINES)].to_numpy() for frame in market.bars.values()]  # (bars, lines) each
        known = market.first + 1
        features = other.features.copy()
        features[:known] = market.features[:known]
        bars = {name: _then(frame, other.bars[name], known) for name, frame in market.bars.items()}
        super().__init__(replace(market, bars=bars, features=features), config)
        self._shown, self._hidden = features, other.features

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode; from now on the account is read when a bar has been put right."""
        self._shown[self._true.first + 1 :] = self._hidden[self._true.first + 1 :]
        begun = super().reset(seed=seed, options=options)
        trader = self.strategy.trader
        read = trader.close_bar

        def close_bar() -> None:
            self._reveal(("close",))
            read()

        trader.close_bar = close_bar  # type: ignore[method-assign]
        return begun

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Put the next bar right as far as it is known at its open, and take a step into it."""
        self._next = self._bar + 1
        self._shown[self._next] = self._true.features[self._next]
        self._reveal(LINES[:3] + LINES[4:])
        return super().step(action)

    def _reveal(self, lines: tuple[str, ...]) -> None:
        """Put lines of the bar that is coming right, in the memory of Cerebro's feeds."""
        row = self._next - self._first
        for data, bars in zip(self.strategy.datas, self._prices, strict=False):
            bar = dict(zip(LINES, bars[self._next].tolist(), strict=True))
            if "close" not in lines:
                # Until it is known the close stands elsewhere in the bar's range.
                data.lines.close.array[row] = other_close(bar["high"], bar["low"], bar["close"])
            for name in lines:
                getattr(data.lines, name).array[row] = bar[name]


def revealed_trading(policy: Any, market: Market, other: Market, config: EnvConfig) -> Trading:
    """A backtest of a policy that acts deterministically, on bars that come to be one by one.

    Args:
        policy: What trades; one that adapts the configuration has done so.
        market: The bars as they are.
        other: Other bars at the same times.
        config: The rules.
    """
    env = RevealedEnv(market, other, config.model_copy(update={"episode_bars": None, "random_start": False}))
    recorded = Recorded(policy)
    observation, info = env.reset(seed=0)
    state, starts, ended = None, np.ones(1, dtype=bool), False
    times, fills = [], list[Fill]()
    while not ended:
        times.append(info["time"])
        action, state = recorded.predict(observation, state=state, episode_start=starts, deterministic=True)
        observation, _, terminated, truncated, info = env.step(action)
        fills += info["fills"]
        starts, ended = np.zeros(1, dtype=bool), terminated or truncated
    index = pd.DatetimeIndex(times, name="time")
    return recorded.trading(index, market.instruments, table_of(fills, Fill._fields, index))


def _then(frame: pd.DataFrame, other: pd.DataFrame, known: int) -> pd.DataFrame:
    """So many bars, and others from then on."""
    return pd.concat([frame.iloc[:known], other.iloc[known:]])
