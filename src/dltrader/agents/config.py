"""Agents by name, each a typed configuration that builds its learner and its network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Annotated, Any

from gymnasium import spaces
from pydantic import Field, SerializeAsAny

from dltrader.config import NamedConfig, named
from dltrader.nn import EXTRACTORS, ExtractorConfig
from dltrader.registry import Registry

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm
    from stable_baselines3.common.policies import BasePolicy
    from stable_baselines3.common.vec_env import VecEnv


def _default_extractor() -> ExtractorConfig:
    return EXTRACTORS["mlp"].from_mapping({"name": "mlp"})


class AgentConfig(NamedConfig, ABC):
    """What every agent's configuration holds: how it reads the market, and how to build it."""

    extractor: Annotated[SerializeAsAny[ExtractorConfig], named(EXTRACTORS)] = Field(
        default_factory=_default_extractor, description="The network that reads the market"
    )

    def require(self, n_envs: int) -> None:
        """Check the configuration against the number of environments.

        Raises:
            ConfigError: They do not go together.
        """

    def require_room(self, env: VecEnv) -> None:
        """Check that what the agent keeps of the environments' steps fits into memory.

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
    },
)
