"""Deep Q-learning: the value of every choice, or its distribution, learned from a replay.

A target network that lags behind gives the values to learn towards, and the agent explores by acting at random on a
share of the bars, ε, which falls over the training.

Sources: Mnih et al. 2015, "Human-level control through deep reinforcement learning", Nature 518 (DQN); Dabney, Rowland,
Bellemare and Munos 2017, arXiv 1710.10044 (QR-DQN).
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from gymnasium import spaces
from pydantic import Field, model_validator
from sb3_contrib import QRDQN
from sb3_contrib.qrdqn.policies import MultiInputPolicy as QuantilePolicy
from sb3_contrib.qrdqn.policies import QRDQNPolicy
from stable_baselines3 import DQN
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.dqn.policies import DQNPolicy, MultiInputPolicy

from dltrader.agents.judgement import Judgement
from dltrader.agents.judging import judge_q
from dltrader.agents.replay import ReplayConfig
from dltrader.errors import ConfigError


class LanesDQN(DQN):
    """DQN in which every environment decides for itself whether it explores."""

    def _sample_action(self, learning_starts: int, action_noise: Any = None, n_envs: int = 1) -> tuple[Any, Any]:
        del action_noise
        return _explored(self, self._last_obs, learning_starts, n_envs)


class LanesQRDQN(QRDQN):
    """QR-DQN in which every environment decides for itself whether it explores."""

    def _sample_action(self, learning_starts: int, action_noise: Any = None, n_envs: int = 1) -> tuple[Any, Any]:
        del action_noise
        return _explored(self, self._last_obs, learning_starts, n_envs)


def _explored(learner: DQN | QRDQN, observed: Any, learning_starts: int, n_envs: int) -> tuple[Any, Any]:
    """One action an environment, the best or a random one: (n_envs,), to be done and to be remembered.

    Stable-Baselines3 draws once for all environments, so that either all of them act at random or none does: of 64
    lanes that is a burst of noise on every twentieth bar, in place of three exploring lanes on every bar.
    """
    assert isinstance(learner.action_space, spaces.Discrete)
    share = 1.0 if learner.num_timesteps < learning_starts else learner.exploration_rate
    # The global generator is the one that Stable-Baselines3 seeds and uses.
    explores = np.random.random(n_envs) < share  # noqa: NPY002
    actions = np.random.randint(learner.action_space.n, size=n_envs)  # noqa: NPY002
    if not explores.all():
        best, _ = learner.policy.predict(observed, deterministic=True)
        actions = np.where(explores, actions, best)
    return actions, actions


class DQNConfig(ReplayConfig):
    """DQN with defaults that suit trading, for action schemes with one choice a bar."""

    name: Literal["dqn"] = "dqn"
    target_update_bars: int = Field(
        2_048, ge=1, description="Bars between updates of the target network, to whole steps of all environments"
    )
    tau: float = Field(1.0, gt=0, le=1, description="How far such an update moves it to the network; 1 makes a copy")
    epsilon_start: float = Field(1.0, ge=0, le=1, description="Share of random actions after agent.learning_starts")
    epsilon_end: float = Field(0.05, ge=0, le=1, description="Share of random actions in the end")
    epsilon_fraction: float = Field(
        0.5, gt=0, le=1, description="Share of the training over which epsilon falls, linearly, from its very start"
    )
    max_gradient_norm: float = Field(10.0, gt=0, description="Gradients are clipped to this norm")

    algorithm: ClassVar[type[OffPolicyAlgorithm]] = LanesDQN
    policy_class: ClassVar[type[BasePolicy]] = MultiInputPolicy
    acts: ClassVar[str] = "makes one choice, so it needs a Discrete"
    remedy: ClassVar[str] = "trade one instrument with env.action: target_position or buy_sell_hold"

    @model_validator(mode="after")
    def _falling(self) -> Self:
        if self.epsilon_end > self.epsilon_start:
            raise ConfigError(
                f"epsilon_end must not be above epsilon_start {self.epsilon_start:g}, was {self.epsilon_end:g}"
            )
        return self

    @classmethod
    def takes(cls, action_space: spaces.Space[Any]) -> bool:
        """One choice."""
        return isinstance(action_space, spaces.Discrete)

    def learner(self, env: VecEnv, *, seed: int, device: str) -> OffPolicyAlgorithm:
        """A learner on the environments."""
        learner = super().learner(env, seed=seed, device=device)
        assert isinstance(learner, DQN | QRDQN)
        learner.exploration_rate = self.epsilon_start  # it would make its first step without
        return learner

    def judge(self, network: BasePolicy, observation: Any, state: Any, episode_start: Any) -> Judgement:
        """The best choice and its worth; what it explored by in training is no opinion."""
        assert isinstance(network, DQNPolicy | QRDQNPolicy)
        return judge_q(network, observation, state, episode_start)

    def _algorithm_options(self, n_envs: int) -> dict[str, Any]:
        return {
            "target_update_interval": max(1, round(self.target_update_bars / n_envs)) * n_envs,
            "tau": self.tau,
            "exploration_initial_eps": self.epsilon_start,
            "exploration_final_eps": self.epsilon_end,
            "exploration_fraction": self.epsilon_fraction,
            "max_grad_norm": self.max_gradient_norm,
        }


class QRDQNConfig(DQNConfig):
    """DQN that learns quantiles of what a choice will bring, and acts on their mean."""

    name: Literal["qrdqn"] = "qrdqn"  # type: ignore[assignment] # each has its own
    n_quantiles: int = Field(32, ge=1, le=1000, description="Quantiles of every choice's return")

    algorithm: ClassVar[type[OffPolicyAlgorithm]] = LanesQRDQN
    policy_class: ClassVar[type[BasePolicy]] = QuantilePolicy

    def _network_options(self) -> dict[str, Any]:
        return super()._network_options() | {
            "n_quantiles": self.n_quantiles,
            # Named, because QR-DQN puts options of its own in the place of ours otherwise; the eps is its paper's.
            "optimizer_class": torch.optim.Adam,
            "optimizer_kwargs": {"eps": 0.01 / self.batch_size, "fused": True},
        }
