"""Advantage actor-critic: one gradient step on every short rollout, and nothing used twice.

Source: Mnih, Badia, Mirza, Graves, Lillicrap, Harley, Silver and Kavukcuoglu 2016, arXiv 1602.01783, with all lanes in
step; Adam in place of RMSprop.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from gymnasium import spaces
from pydantic import Field
from stable_baselines3 import A2C
from stable_baselines3.common.policies import ActorCriticPolicy, BasePolicy, MultiInputActorCriticPolicy
from stable_baselines3.common.vec_env import VecEnv

from dltrader.agents.judgement import Judgement
from dltrader.agents.judging import judge_actor_critic
from dltrader.agents.rollouts import require_room
from dltrader.agents.sb3 import LearnerConfig


class A2CConfig(LearnerConfig):
    """A2C: quicker than PPO for a bar, and it needs more of them."""

    name: Literal["a2c"] = "a2c"
    learning_rate: float = Field(7e-4, gt=0, le=1, description="Step size of Adam at the start")
    gae_lambda: float = Field(0.9, ge=0, le=1, description="Weight of longer returns in the advantages")
    n_steps: int = Field(8, ge=2, description="Bars of each environment between updates")
    entropy_bonus: float = Field(0.005, ge=0, description="Weight of the policy's entropy in the loss")
    value_weight: float = Field(0.5, ge=0, description="Weight of the value's error in the loss")
    max_gradient_norm: float = Field(0.5, gt=0, description="Gradients are clipped to this norm")
    normalize_advantage: bool = Field(default=False, description="Whether advantages are standardised in every update")

    policy_class: ClassVar[type[BasePolicy]] = MultiInputActorCriticPolicy
    updates_often: ClassVar[bool] = True

    def require_room(self, n_envs: int, observation_space: spaces.Space[Any], action_space: spaces.Space[Any]) -> None:
        """Room for a rollout."""
        require_room(n_envs, self.n_steps, observation_space, action_space)

    def learner(self, env: VecEnv, *, seed: int, device: str) -> A2C:
        """An A2C learner on the environments."""
        self.require_room(env.num_envs, env.observation_space, env.action_space)
        return A2C(
            MultiInputActorCriticPolicy,
            env,
            learning_rate=self._step_size(),
            n_steps=self.n_steps,
            gamma=self.gamma,
            gae_lambda=self.gae_lambda,
            ent_coef=self.entropy_bonus,
            vf_coef=self.value_weight,
            max_grad_norm=self.max_gradient_norm,
            use_rms_prop=False,
            normalize_advantage=self.normalize_advantage,
            policy_kwargs=self._network_options(),
            seed=seed,
            device=device,
        )

    def judge(self, network: BasePolicy, observation: Any, state: Any, episode_start: Any) -> Judgement:
        """What actor and critic say."""
        assert isinstance(network, ActorCriticPolicy)
        return judge_actor_critic(network, observation, state, episode_start)
