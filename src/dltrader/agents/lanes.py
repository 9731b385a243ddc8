"""The vectorised market as Stable-Baselines3 takes its environments."""

from __future__ import annotations

from typing import Any

import numpy as np
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvStepReturn

from dltrader.envs.contract import EnvConfig
from dltrader.envs.market import Market
from dltrader.envs.vector import TradingVectorEnv
from dltrader.errors import EnvironmentStateError

QUIET: dict[str, Any] = {}
"""The info of a lane in which nothing ended: one for all, for to make thousands would cost more than the step."""


class LanesVecEnv(VecEnv):
    """Lanes of a market, stepped together, where Stable-Baselines3 would step environments one by one.

    The info of a lane whose episode ends carries `terminal_observation`, `TimeLimit.truncated`, and the `equity` it
    ended with; `reset_infos` carries the `equity` that each lane began with.

    Args:
        market: What is traded.
        config: By what rules.
        n_lanes: How many accounts.
    """

    def __init__(self, market: Market, config: EnvConfig, n_lanes: int) -> None:
        self.lanes = TradingVectorEnv(market, n_lanes, config)
        super().__init__(n_lanes, self.lanes.single_observation_space, self.lanes.single_action_space)
        self._actions: Any = None

    def reset(self) -> Any:
        """Begin an episode on every lane; the seed is the one that `seed` was given last."""
        observation, info = self.lanes.reset(seed=self._seeds[0])
        self.reset_infos = [{"equity": float(equity)} for equity in info["equity"]]
        self._reset_seeds()
        self._reset_options()
        return observation

    def step_async(self, actions: np.ndarray[Any, Any]) -> None:
        """Take the actions."""
        self._actions = actions

    def step_wait(self) -> VecEnvStepReturn:
        """Step all lanes."""
        observation, rewards, terminated, truncated, info = self.lanes.step(self._actions)
        ended = terminated | truncated
        infos = [QUIET] * self.num_envs
        for lane in np.flatnonzero(ended):
            infos[lane] = {
                "terminal_observation": {name: part[lane] for name, part in info["final_obs"].items()},
                "TimeLimit.truncated": bool(truncated[lane]),
                "equity": float(info["final_info"]["equity"][lane]),
            }
        return observation, rewards.astype(np.float32), ended, infos

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
