"""Proximal policy optimisation, with and without a recurrent network behind the extractor.

Source: Schulman, Wolski, Dhariwal, Radford and Klimov 2017, arXiv 1707.06347.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal, Self

from gymnasium import spaces
from pydantic import Field, model_validator
from sb3_contrib import RecurrentPPO
from sb3_contrib.common.recurrent.policies import (
    RecurrentActorCriticPolicy,
    RecurrentMultiInputActorCriticPolicy,
)
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.policies import ActorCriticPolicy, BasePolicy, MultiInputActorCriticPolicy
from stable_baselines3.common.vec_env import VecEnv

from dltrader.agents.bars import names_bars
from dltrader.agents.exploration import FallingDeviation
from dltrader.agents.judgement import Judgement
from dltrader.agents.judging import judge_actor_critic, judge_recurrent
from dltrader.agents.rollouts import BarRolloutBuffer, require_room
from dltrader.agents.sb3 import LearnerConfig
from dltrader.errors import ConfigError


class PPOConfig(LearnerConfig):
    """PPO with defaults that suit trading."""

    name: Literal["ppo"] = "ppo"
    gae_lambda: float = Field(0.9, ge=0, le=1, description="Weight of longer returns in the advantages")
    n_steps: int = Field(32, ge=2, description="Bars of each environment between updates")
    batch_size: int = Field(256, ge=2, description="Bars of a gradient step")
    n_epochs: int = Field(5, ge=1, description="Passes over the bars of an update")
    clip_range: float = Field(0.2, gt=0, lt=1, description="How far an update may move an action's probability ratio")
    entropy_bonus: float = Field(0.005, ge=0, description="Weight of the policy's entropy in the loss")
    value_weight: float = Field(0.5, ge=0, description="Weight of the value's error in the loss")
    max_gradient_norm: float = Field(0.5, gt=0, description="Gradients are clipped to this norm")
    normalize_advantage: bool = Field(default=True, description="Whether advantages are standardised in every batch")
    initial_deviation: float = Field(
        1.0,
        gt=0,
        le=10,
        description="Standard deviation of continuous actions at the start, where 1 is a full position",
    )
    final_deviation: float | None = Field(
        None,
        gt=0,
        le=10,
        description="Deviation to which it falls over the training, geometrically; null learns it like a weight",
    )

    algorithm: ClassVar[type[PPO] | type[RecurrentPPO]] = PPO
    policy_class: ClassVar[type[BasePolicy]] = MultiInputActorCriticPolicy

    @model_validator(mode="after")
    def _falling(self) -> Self:
        if self.final_deviation is not None and self.final_deviation > self.initial_deviation:
            raise ConfigError(
                f"final_deviation must not be above initial_deviation {self.initial_deviation:g}, was "
                f"{self.final_deviation:g}"
            )
        return self

    def require(self, n_envs: int) -> None:
        """Whole batches: the bars of an update are a multiple of a gradient step's."""
        bars = self.n_steps * n_envs
        if bars % self.batch_size:
            raise ConfigError(
                f"agent.batch_size must divide the {bars} bars of an update (agent.n_steps {self.n_steps} x "
                f"train.n_envs {n_envs}), was {self.batch_size}"
            )

    def require_room(self, n_envs: int, observation_space: spaces.Space[Any], action_space: spaces.Space[Any]) -> None:
        """Room for a rollout."""
        require_room(n_envs, self.n_steps, observation_space, action_space)

    def learner(self, env: VecEnv, *, seed: int, device: str) -> PPO | RecurrentPPO:
        """A PPO learner on the environments."""
        self.require(env.num_envs)
        self.require_action(env.action_space)
        self.require_room(env.num_envs, env.observation_space, env.action_space)
        return self.algorithm(
            self.policy_class,  # type: ignore[arg-type] # RecurrentPPO has its own, and a subclass sets both
            env,
            learning_rate=self._step_size(),
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

    def callbacks(self) -> list[BaseCallback]:
        """What makes the deviation fall, if it is not learned."""
        if self.final_deviation is None:
            return []
        return [FallingDeviation(self.initial_deviation, self.final_deviation)]

    def require_action(self, action_space: spaces.Space[Any]) -> None:
        """A deviation needs continuous actions."""
        super().require_action(action_space)
        if self.final_deviation is not None and not isinstance(action_space, spaces.Box):
            raise ConfigError(
                f"agent.final_deviation is {self.final_deviation:g}, and env.action gives {action_space}, whose "
                "choices have no deviation; leave it out or take an action scheme of numbers"
            )

    def judge(self, network: BasePolicy, observation: Any, state: Any, episode_start: Any) -> Judgement:
        """What actor and critic say."""
        assert isinstance(network, ActorCriticPolicy)
        return judge_actor_critic(network, observation, state, episode_start)

    def _network_options(self) -> dict[str, Any]:
        return super()._network_options() | {"log_std_init": math.log(self.initial_deviation)}

    def _buffer_options(self, env: VecEnv) -> dict[str, Any]:
        return {"rollout_buffer_class": BarRolloutBuffer} if names_bars(env.observation_space) else {}


class RecurrentPPOConfig(PPOConfig):
    """PPO whose memory is an LSTM that carries its state from bar to bar; it needs no long window."""

    name: Literal["recurrent_ppo"] = "recurrent_ppo"  # type: ignore[assignment] # each has its own
    lstm_hidden: int = Field(64, ge=1, description="Units of the LSTM that carries the state")
    n_steps: int = Field(64, ge=2, description="Bars of each environment between updates, which its memory learns from")

    algorithm: ClassVar[type[PPO] | type[RecurrentPPO]] = RecurrentPPO
    policy_class: ClassVar[type[BasePolicy]] = RecurrentMultiInputActorCriticPolicy
    remembers: ClassVar[bool] = True

    def judge(self, network: BasePolicy, observation: Any, state: Any, episode_start: Any) -> Judgement:
        """What actor and critic say, each by its memory."""
        assert isinstance(network, RecurrentActorCriticPolicy)
        return judge_recurrent(network, observation, state, episode_start)

    def _buffer_options(self, env: VecEnv) -> dict[str, Any]:
        del env
        return {}  # it cuts sequences, and has a buffer of its own for that

    def _network_options(self) -> dict[str, Any]:
        return super()._network_options() | {"lstm_hidden_size": self.lstm_hidden, "enable_critic_lstm": True}
