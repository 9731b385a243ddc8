"""Learning from a replay of past bars: what the configurations of DQN, QR-DQN and SAC share.

- *replay*: the last bars stepped, with what was done on them and what it brought, of which updates draw at random.
- *pace*: how many gradient steps a bar is worth; the same for one environment and for a thousand lanes.
"""

from __future__ import annotations

from abc import abstractmethod
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np
from gymnasium import spaces
from pydantic import Field
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from dltrader.agents.bars import names_bars
from dltrader.agents.sb3 import LearnerConfig
from dltrader.envs.memory import free_bytes
from dltrader.errors import ConfigError

FLAGS = 3
"""Numbers of 4 bytes that a replay holds of a bar beside what was seen and done: reward, end, and whether by time."""


class ReplayConfig(LearnerConfig):
    """An agent that learns from a replay."""

    replay_bars: int = Field(100_000, ge=1, description="Bars that are remembered, over all environments")
    learning_starts: int = Field(
        2_048, ge=0, description="Bars traded at random before the first update, over all environments"
    )
    batch_size: int = Field(256, ge=2, description="Bars that a gradient step draws from the replay")
    gradient_steps_per_bar: float = Field(
        0.0625,
        ge=0.001,
        le=64,
        description="Gradient steps for every bar stepped, over all environments; times agent.batch_size it is how "
        "often a bar is learned from",
    )

    algorithm: ClassVar[type[OffPolicyAlgorithm]]
    updates_often: ClassVar[bool] = True

    def require(self, n_envs: int) -> None:
        """Room in the replay for a bar of every environment."""
        if self.replay_bars < n_envs:
            raise ConfigError(
                f"agent.replay_bars must be at least {n_envs}, one for every environment of train.n_envs, "
                f"was {self.replay_bars}"
            )

    def require_length(self, total_timesteps: int) -> None:
        """Something to learn after the random bars."""
        if total_timesteps <= self.learning_starts:
            raise ConfigError(
                f"agent.learning_starts must be below the {total_timesteps} bars of train.total_timesteps, or nothing "
                f"is ever learned, was {self.learning_starts}"
            )

    def require_room(self, n_envs: int, observation_space: spaces.Space[Any], action_space: spaces.Space[Any]) -> None:
        """Room for the replay."""
        del n_envs  # they share one replay
        bytes_each = _bar_bytes(observation_space, action_space)
        needed, free = self.replay_bars * bytes_each, free_bytes()
        if needed > free:
            hint = "" if names_bars(observation_space) else ", and many more with train.engine: vector"
            raise ConfigError(
                f"a replay of agent.replay_bars {self.replay_bars} takes about {needed / 2**30:.1f} GiB, and "
                f"{free / 2**30:.1f} GiB are free; at most {free // bytes_each} bars fit{hint}"
            )

    def kept_bytes(self, observation_space: spaces.Space[Any], action_space: spaces.Space[Any]) -> int:
        """The replay."""
        return self.replay_bars * _bar_bytes(observation_space, action_space)

    def pace(self, n_envs: int) -> tuple[int, int]:
        """How many steps of all environments are made between updates, and of how many gradient steps an update is.

        The two are the smallest that keep to `gradient_steps_per_bar` exactly, as far as that is a fraction whose
        denominator is 1000 or less.
        """
        per_step = Fraction(self.gradient_steps_per_bar).limit_denominator(1000) * n_envs
        return per_step.denominator, per_step.numerator

    def learner(self, env: VecEnv, *, seed: int, device: str) -> OffPolicyAlgorithm:
        """A learner on the environments."""
        self.require(env.num_envs)
        self.require_action(env.action_space)
        self.require_room(env.num_envs, env.observation_space, env.action_space)
        steps, gradient_steps = self.pace(env.num_envs)
        # Rewards are kept as they came: the algorithm finds the scaling wrapper, and scales those that it draws from
        # the replay by what is known by then.
        return self.algorithm(
            self.policy_class,
            env,
            learning_rate=self._step_size(),
            buffer_size=self.replay_bars,
            learning_starts=self.learning_starts,
            batch_size=self.batch_size,
            gamma=self.gamma,
            train_freq=steps,
            gradient_steps=gradient_steps,
            policy_kwargs=self._network_options(),
            seed=seed,
            device=device,
            **self._algorithm_options(env.num_envs),
        )

    @abstractmethod
    def _algorithm_options(self, n_envs: int) -> dict[str, Any]:
        """What this algorithm takes beside what all take."""


def _bar_bytes(observation_space: spaces.Space[Any], action_space: spaces.Space[Any]) -> int:
    """How many bytes a replay holds of a bar: what was seen before and after it, what was done and what it brought."""
    assert isinstance(observation_space, spaces.Dict)
    seen = sum(_bytes(part) for part in observation_space.values())
    return 2 * seen + _bytes(action_space) + 4 * FLAGS


def _bytes(space: spaces.Space[Any]) -> int:
    return int(np.prod(space.shape or 1)) * np.dtype(space.dtype).itemsize
