"""The vectorised market as Stable-Baselines3 takes its environments."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces

from dltrader.agents.bars import BarSpace, to_numbers
from dltrader.agents.vector import VectorLanes
from dltrader.envs.contract import EnvConfig, observation_space
from dltrader.envs.market import Market
from dltrader.envs.markets import Markets
from dltrader.envs.vector import TradingVectorEnv


class LanesVecEnv(VectorLanes):
    """Lanes of a market, stepped together, where Stable-Baselines3 would step environments one by one.

    The info of a lane whose episode ends carries `terminal_observation`, `TimeLimit.truncated`, and the `equity` it
    ended with; `reset_infos` carries the `equity` that each lane began with.

    Args:
        market: What is traded; of several, every episode draws one.
        config: By what rules.
        n_lanes: How many accounts.
        together: How many lanes begin an episode on the same bars.
        windows: Whether observations show windows, as those of `TradingEnv` do; without, they name bars (`BarSpace`),
            which takes next to no memory and lets `MarketExtractor` encode equal bars once.
    """

    def __init__(
        self,
        market: Market | Markets,
        config: EnvConfig,
        n_lanes: int,
        *,
        together: int = 1,
        windows: bool = True,
    ) -> None:
        lanes = TradingVectorEnv(market, n_lanes, config, together=together, windows=windows)
        observed = lanes.single_observation_space
        if not windows:
            account = observed["account"]
            features, clip = np.ascontiguousarray(market.features), market.pipeline.clip
            shown: Any = observation_space(
                config.window_bars, features.shape[1], account.shape[0] // 2, clip=clip, leverage=config.leverage
            )
            observed = spaces.Dict({"market": BarSpace(features, shown["market"]), "account": account})
        self._windows = windows
        # Lanes that begin anywhere may also end at any time: a learner then hears of every part of an episode at once.
        super().__init__(lanes, observed, {"stagger": config.random_start})

    def shown(self, observation: dict[str, Any]) -> dict[str, Any]:
        """Windows as they are, bars by name as two numbers."""
        if self._windows:
            return observation
        return {"market": to_numbers(observation["bar"]), "account": observation["account"]}

    def info_of(self, info: dict[str, Any], lane: int) -> dict[str, Any]:
        """The equity of the lane."""
        return {"equity": float(info["equity"][lane])}
