"""The vectorised market as Stable-Baselines3 takes its environments."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvStepReturn

from dltrader.agents.bars import BarSpace, to_numbers
from dltrader.envs.contract import EnvConfig, Observation, observation_space
from dltrader.envs.market import Market
from dltrader.envs.markets import Markets
from dltrader.envs.vector import TradingVectorEnv
from dltrader.errors import EnvironmentStateError

QUIET: dict[str, Any] = {}
"""The info of a lane in which nothing ended: one for all, for to make thousands would cost more than the step."""


class LanesVecEnv(VecEnv):
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
        self.lanes = TradingVectorEnv(market, n_lanes, config, together=together, windows=windows)
        observed = self.lanes.single_observation_space
        if not windows:
            account = observed["account"]
            features, clip = np.ascontiguousarray(market.features), market.pipeline.clip
            shown: Any = observation_space(
                config.window_bars, features.shape[1], account.shape[0] // 2, clip=clip, leverage=config.leverage
            )
            observed = spaces.Dict({"market": BarSpace(features, shown["market"]), "account": account})
        super().__init__(n_lanes, observed, self.lanes.single_action_space)
        self._windows = windows
        self._actions: Any = None

    def reset(self) -> Any:
        """Begin an episode on every lane; the seed is the one that `seed` was given last."""
        # Lanes that begin anywhere may also end at any time: a learner then hears of every part of an episode at once.
        options = {"stagger": self.lanes.config.random_start}
        observation, info = self.lanes.reset(seed=self._seeds[0], options=options)
        self.reset_infos = [{"equity": float(equity)} for equity in info["equity"]]
        self._reset_seeds()
        self._reset_options()
        return self._shown(observation)

    def step_async(self, actions: np.ndarray[Any, Any]) -> None:
        """Take the actions."""
        self._actions = actions

    def step_wait(self) -> VecEnvStepReturn:
        """Step all lanes."""
        observation, rewards, terminated, truncated, info = self.lanes.step(self._actions)
        ended = terminated | truncated
        infos = [QUIET] * self.num_envs
        final = self._shown(info["final_obs"]) if "final_obs" in info else {}
        for lane in np.flatnonzero(ended):
            infos[lane] = {
                "terminal_observation": {name: part[lane] for name, part in final.items()},
                "TimeLimit.truncated": bool(truncated[lane]),
                "equity": float(info["final_info"]["equity"][lane]),
            }
        return self._shown(observation), rewards.astype(np.float32), ended, infos

    def _shown(self, observation: Observation) -> Observation:
        """What the lanes observe, as the observation space has it."""
        if self._windows:
            return observation
        return {"market": to_numbers(observation["bar"]), "account": observation["account"]}

    def close(self) -> None:
        """Nothing is held open."""

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """An attribute of the vectorised market, once for every lane asked for."""
        return [getattr(self.lanes, attr_name, None)] * len(list(self._get_indices(indices)))

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Refused: lanes are no environments of their own.

        Raises:
            EnvironmentStateError: Always.
        """
        del value, indices
        raise EnvironmentStateError(f"lanes share one market; {attr_name} cannot be set on some of them")

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
        """Refused: lanes are no environments of their own.

        Raises:
            EnvironmentStateError: Always.
        """
        del args, indices, kwargs
        raise EnvironmentStateError(f"lanes share one market; {method_name} cannot be called on some of them")

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        """No lane is wrapped."""
        del wrapper_class
        return [False] * len(list(self._get_indices(indices)))
