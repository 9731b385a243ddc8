"""Gymnasium's vector environments as Stable-Baselines3 takes its environments."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvStepReturn

from dltrader.errors import EnvironmentStateError

QUIET: dict[str, Any] = {}
"""The info of a lane in which nothing ended: one for all, for to make thousands would cost more than the step."""


class VectorLanes(VecEnv):
    """Lanes that are stepped together and begin again in the step in which they end.

    The info of a lane whose episode ends carries `terminal_observation` and `TimeLimit.truncated`.

    Args:
        lanes: A vector environment with Gymnasium's same-step autoreset.
        observation_space: What one lane shows, where that is something else than the vector environment says.
        options: Of every reset.
    """

    def __init__(
        self,
        lanes: gymnasium.vector.VectorEnv[Any, Any, Any],
        observation_space: spaces.Space[Any] | None = None,
        options: dict[str, Any] | None = None,
    ) -> None:
        self.lanes: Any = lanes
        self._reset_with = options or {}
        self._actions: Any = None
        super().__init__(lanes.num_envs, observation_space or lanes.single_observation_space, lanes.single_action_space)

    def reset(self) -> Any:
        """Begin an episode on every lane; the seed is the one that `seed` was given last."""
        observation, info = self.lanes.reset(seed=self._seeds[0], options=self._reset_with)
        self.reset_infos = [self.info_of(info, lane) for lane in range(self.num_envs)]
        self._reset_seeds()
        self._reset_options()
        return self.shown(observation)

    def step_async(self, actions: np.ndarray[Any, Any]) -> None:
        """Take the actions."""
        self._actions = actions

    def step_wait(self) -> VecEnvStepReturn:
        """Step all lanes."""
        observation, rewards, terminated, truncated, info = self.lanes.step(self._actions)
        ended = terminated | truncated
        infos = [QUIET] * self.num_envs
        if "final_obs" in info:
            final = self.shown(info["final_obs"])
            for lane in np.flatnonzero(ended):
                infos[lane] = self.info_of(info["final_info"], int(lane)) | {
                    "terminal_observation": {name: part[lane] for name, part in final.items()},
                    "TimeLimit.truncated": bool(truncated[lane]),
                }
        return self.shown(observation), rewards.astype(np.float32), ended, infos

    def shown(self, observation: dict[str, Any]) -> dict[str, Any]:
        """What the lanes observe, as the observation space has it."""
        return observation

    def info_of(self, info: dict[str, Any], lane: int) -> dict[str, Any]:
        """What is told of a lane whose episode begins or ends."""
        del info, lane
        return QUIET

    def state(self) -> dict[str, Any]:
        """Where the lanes stand, as `dltrader.agents.state` has it.

        Raises:
            EnvironmentStateError: They cannot say it.
        """
        return {"lanes": self._resumable().state(), "begun": self.reset_infos}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from where other lanes of the same making stood, in place of a reset."""
        self._resumable().load_state(state["lanes"])
        self.reset_infos = state["begun"]

    def _resumable(self) -> Any:
        if not hasattr(self.lanes, "load_state"):
            raise EnvironmentStateError(
                f"{type(self.lanes).__name__} has no state() and load_state(), so a training in it cannot be resumed"
            )
        return self.lanes

    def close(self) -> None:
        """Nothing is held open."""

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """An attribute of the vector environment, once for every lane asked for."""
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
