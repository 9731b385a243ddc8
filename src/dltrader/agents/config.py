"""Agents by name, each a typed configuration that builds its learner and its network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from gymnasium import spaces
from pydantic import Field, SerializeAsAny

from dltrader.config import NamedConfig, named
from dltrader.errors import ConfigError
from dltrader.nn import EXTRACTORS, ExtractorConfig
from dltrader.registry import Registry

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm
    from stable_baselines3.common.policies import BasePolicy
    from stable_baselines3.common.vec_env import VecEnv


def _default_extractor() -> ExtractorConfig:
    return EXTRACTORS["mlp"].from_mapping({"name": "mlp"})


class AgentConfig(NamedConfig, ABC):
    """What every agent's configuration holds: how it reads the market, and how to build it.

    Attributes:
        updates_often: Whether it updates its weights every few bars, so that not every update is worth a report.
        acts: What an agent that cannot act on every space does, and so needs; for the message that refuses another.
        remedy: What to set in the environment that such an agent may act.
    """

    extractor: Annotated[SerializeAsAny[ExtractorConfig], named(EXTRACTORS)] = Field(
        default_factory=_default_extractor, description="The network that reads the market"
    )

    updates_often: ClassVar[bool] = False
    acts: ClassVar[str] = "acts otherwise"
    remedy: ClassVar[str] = "choose another env.action"

    @classmethod
    def takes(cls, action_space: spaces.Space[Any]) -> bool:
        """Whether the agent can act on such a space."""
        del action_space
        return True

    def require_action(self, action_space: spaces.Space[Any]) -> None:
        """Check that the agent can act on a space.

        Raises:
            ConfigError: It cannot; the message names the agents that can.
        """
        if not self.takes(action_space):
            fitting = [name for name in AGENTS if AGENTS[name].takes(action_space)]
            raise ConfigError(
                f"agent {self.name} {self.acts}, and env.action gives {action_space}; "
                f"{self.remedy}, or take an agent that fits: {', '.join(fitting)}"
            )

    def require(self, n_envs: int) -> None:
        """Check the configuration against the number of environments.

        Raises:
            ConfigError: They do not go together.
        """

    def require_length(self, total_timesteps: int) -> None:
        """Check the configuration against the bars of the whole training.

        Raises:
            ConfigError: The agent would learn nothing in so many.
        """

    def require_room(self, n_envs: int, observation_space: spaces.Space[Any], action_space: spaces.Space[Any]) -> None:
        """Check that what the agent keeps of the environments' steps fits into memory.

        Args:
            n_envs: Environments stepped side by side.
            observation_space: What one of them shows; bars by name take much less than windows.
            action_space: What may be done in it.

        Raises:
            ConfigError: It does not.
        """

    @abstractmethod
    def learner(self, env: VecEnv, *, seed: int, device: str) -> BaseAlgorithm:
        """A Stable-Baselines3 algorithm with fresh weights, drawn from the seed.

        Raises:
            ConfigError: The configuration does not fit the environment.
        """

    @abstractmethod
    def network(self, observation_space: spaces.Dict, action_space: spaces.Space[Any]) -> BasePolicy:
        """The policy's network alone, with weights to be loaded."""


AGENTS: Registry[type[AgentConfig]] = Registry(
    "agent",
    {
        "ppo": "dltrader.agents.ppo:PPOConfig",
        "recurrent_ppo": "dltrader.agents.ppo:RecurrentPPOConfig",
        "a2c": "dltrader.agents.a2c:A2CConfig",
        "sac": "dltrader.agents.sac:SACConfig",
        "dqn": "dltrader.agents.dqn:DQNConfig",
        "qrdqn": "dltrader.agents.dqn:QRDQNConfig",
    },
)
