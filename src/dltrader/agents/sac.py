"""Soft actor-critic: weights in a Box, learned from a replay, with as much entropy as can be afforded.

Source: Haarnoja, Zhou, Hartikainen, Tucker, Ha, Tan, Kumar, Zhu, Gupta, Abbeel and Levine 2018, arXiv 1812.05905.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from gymnasium import spaces
from pydantic import Field
from stable_baselines3 import SAC
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.sac.policies import MultiInputPolicy, SACPolicy

from dltrader.agents.judgement import Judgement
from dltrader.agents.judging import judge_soft
from dltrader.agents.replay import ReplayConfig


class SACConfig(ReplayConfig):
    """SAC with defaults that suit trading; actor and critics have an extractor each."""

    name: Literal["sac"] = "sac"
    tau: float = Field(0.005, gt=0, le=1, description="How far a gradient step moves the target network to the critic")
    entropy_bonus: float = Field(
        # Rewards are scaled so that discounted returns have unit size; the paper's 1 would drown them for long.
        0.1,
        gt=0,
        description="Weight of the policy's entropy, at the start where it is tuned",
    )
    tune_entropy: bool = Field(
        default=True, description="Whether the weight is learned, so that the entropy comes to be target_entropy"
    )
    target_entropy: float | None = Field(
        None, description="Entropy of the actions to come to, nats; null is -1 for every instrument, the paper's choice"
    )

    algorithm: ClassVar[type[OffPolicyAlgorithm]] = SAC
    policy_class: ClassVar[type[BasePolicy]] = MultiInputPolicy
    acts: ClassVar[str] = "chooses weights, so it needs a Box"
    remedy: ClassVar[str] = "set env.action: target_weight"

    @classmethod
    def takes(cls, action_space: spaces.Space[Any]) -> bool:
        """Weights."""
        return isinstance(action_space, spaces.Box)

    def judge(self, network: BasePolicy, observation: Any, state: Any, episode_start: Any) -> Judgement:
        """What the actor and the more cautious critic say."""
        assert isinstance(network, SACPolicy)
        return judge_soft(network, observation, state, episode_start)

    def _algorithm_options(self, n_envs: int) -> dict[str, Any]:
        del n_envs
        return {
            "tau": self.tau,
            "ent_coef": f"auto_{self.entropy_bonus!r}" if self.tune_entropy else self.entropy_bonus,
            "target_entropy": "auto" if self.target_entropy is None else self.target_entropy,
        }
