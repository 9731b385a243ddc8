"""Proximal policy optimisation, with and without a recurrent network behind the extractor.

Source: Schulman, Wolski, Dhariwal, Radford and Klimov 2017, arXiv 1707.06347.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from gymnasium import spaces
from pydantic import Field
from sb3_contrib import RecurrentPPO
from sb3_contrib.common.recurrent.policies import RecurrentMultiInputActorCriticPolicy
from stable_baselines3 import PPO
from stable_baselines3.common.policies import ActorCriticPolicy, MultiInputActorCriticPolicy
from stable_baselines3.common.utils import LinearSchedule
from stable_baselines3.common.vec_env import VecEnv

from dltrader.agents.bars import names_bars
from dltrader.agents.config import AgentConfig
from dltrader.agents.extractor import MarketExtractor
from dltrader.agents.rollouts import BarRolloutBuffer
from dltrader.envs.memory import require_memory
from dltrader.errors import ConfigError

NUMBERS_A_SAMPLE = 24
"""Rewards, values, probabilities, advantages, returns, and what an update makes of them."""


class PPOConfig(AgentConfig):
    """PPO with defaults that suit trading: a short horizon, because tomorrow's price says little about next month's."""

    name: Literal["ppo"] = "ppo"
    hidden: tuple[int, ...] = Field((64,), description="Units of the layers between extractor and heads")
    learning_rate: float = Field(3e-4, gt=0, le=1, description="Step size of Adam at the start")
    schedule: Literal["linear", "constant"] = Field(
        "linear", description="Whether the step size falls to a tenth over the training"
    )
    gamma: float = Field(0.95, ge=0, le=1, description="Discount per bar; 0.95 looks about 20 bars ahead")
    gae_lambda: float = Field(0.9, ge=0, le=1, description="Weight of longer returns in the advantages")
    n_steps: int = Field(32, ge=2, description="Bars of each environment between updates")
    batch_size: int = Field(256, ge=2, description="Bars of a gradient step")
    n_epochs: int = Field(5, ge=1, description="Passes over the bars of an update")
    clip_range: float = Field(0.2, gt=0, lt=1, description="How far an update may move an action's probability ratio")
    entropy_bonus: float = Field(0.005, ge=0, description="Weight of the policy's entropy in the loss")
    value_weight: float = Field(0.5, ge=0, description="Weight of the value's error in the loss")
    max_gradient_norm: float = Field(0.5, gt=0, description="Gradients are clipped to this norm")
    normalize_advantage: bool = Field(default=True, description="Whether advantages are standardised in every batch")

    algorithm: ClassVar[type[PPO] | type[RecurrentPPO]] = PPO
    policy_class: ClassVar[type[ActorCriticPolicy]] = MultiInputActorCriticPolicy

    def require(self, n_envs: int) -> None:
        """Whole batches: the bars of an update are a multiple of a gradient step's."""
        bars = self.n_steps * n_envs
        if bars % self.batch_size:
            raise ConfigError(
                f"agent.batch_size must divide the {bars} bars of an update (agent.n_steps {self.n_steps} x "
                f"train.n_envs {n_envs}), was {self.batch_size}"
            )

    def require_room(self, env: VecEnv) -> None:
        """Room for a rollout."""
        require_memory(env.num_envs, self.n_steps * _sample_bytes(env), "of a rollout take")

    def learner(self, env: VecEnv, *, seed: int, device: str) -> PPO | RecurrentPPO:
        """A PPO learner on the environments."""
        self.require(env.num_envs)
        self.require_room(env)
        # To a tenth, not to zero: the last update, or the only one, is to teach something too.
        falling = LinearSchedule(self.learning_rate, self.learning_rate / 10, 1.0)
        return self.algorithm(
            self.policy_class,  # type: ignore[arg-type] # RecurrentPPO has its own, and a subclass sets both
            env,
            learning_rate=falling if self.schedule == "linear" else self.learning_rate,
            n_steps=self.n_steps,
            batch_size=self.batch_size,
            n_epochs=self.n_epochs,
            gamma=self.gamma,
            gae_lambda=self.gae_lambda,
            clip_range=self.clip_range,
            normalize_advantage=self.normalize_advantage,
            ent_coef=self.entropy_bonus,
            vf_coef=self.value_weight,
            max_grad_norm=self.max_gradient_norm,
            policy_kwargs=self._network_options(),
            seed=seed,
            device=device,
            **self._buffer_options(env),
        )

    def network(self, observation_space: spaces.Dict, action_space: spaces.Space[Any]) -> ActorCriticPolicy:
        """Actor and critic on one extractor."""
        options = self._network_options() | {"optimizer_class": _NoOptimizer}
        return self.policy_class(observation_space, action_space, lr_schedule=lambda _: 0.0, **options)

    def _buffer_options(self, env: VecEnv) -> dict[str, Any]:
        return {"rollout_buffer_class": BarRolloutBuffer} if names_bars(env.observation_space) else {}

    def _network_options(self) -> dict[str, Any]:
        return {
            "net_arch": list(self.hidden),
            "features_extractor_class": MarketExtractor,
            "features_extractor_kwargs": {"extractor": self.extractor},
            # Adam in one kernel: a small network's update is otherwise a seventh bookkeeping. SB3's own eps.
            "optimizer_kwargs": {"eps": 1e-5, "fused": True},
        }


def _sample_bytes(env: VecEnv) -> int:
    """About how many bytes a step of one environment takes in a rollout, and in the minibatches made of it."""
    assert isinstance(env.observation_space, spaces.Dict)
    observed = sum(int(np.prod(part.shape or 1)) for part in env.observation_space.values())
    acted = int(np.prod(env.action_space.shape or 1))
    return 4 * (2 * observed + acted + NUMBERS_A_SAMPLE)


class _NoOptimizer:
    """Stands for the optimizer of a network that is only asked: making a real one loads torch's compiler, seconds."""

    def __init__(self, *_: Any, **__: Any) -> None:
        """Take what an optimizer takes, and keep nothing."""


class RecurrentPPOConfig(PPOConfig):
    """PPO whose memory is an LSTM that carries its state from bar to bar; it needs no long window."""

    name: Literal["recurrent_ppo"] = "recurrent_ppo"  # type: ignore[assignment] # each has its own
    lstm_hidden: int = Field(64, ge=1, description="Units of the LSTM that carries the state")
    n_steps: int = Field(64, ge=2, description="Bars of each environment between updates, which its memory learns from")

    algorithm: ClassVar[type[PPO] | type[RecurrentPPO]] = RecurrentPPO
    policy_class: ClassVar[type[ActorCriticPolicy]] = RecurrentMultiInputActorCriticPolicy

    def _buffer_options(self, env: VecEnv) -> dict[str, Any]:
        del env
        return {}  # it cuts sequences, and has a buffer of its own for that

    def _network_options(self) -> dict[str, Any]:
        return super()._network_options() | {"lstm_hidden_size": self.lstm_hidden, "enable_critic_lstm": True}
