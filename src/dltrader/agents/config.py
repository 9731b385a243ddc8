"""Agents by name, each a typed configuration that builds its learner and its network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from gymnasium import spaces

from dltrader.agents.judgement import Judgement, judge_by_action
from dltrader.config import NamedConfig
from dltrader.errors import ConfigError
from dltrader.registry import Registry

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.policies import BasePolicy
    from stable_baselines3.common.vec_env import VecEnv

    from dltrader.envs.markets import Markets


class AgentConfig(NamedConfig, ABC):
    """What every agent's configuration says: what it can act on, and how to build it.

    Attributes:
        remembers: Whether its networks have a memory, so that what they say depends on the bars that they saw before.
        updates_often: Whether it updates its weights every few bars, so that not every update is worth a report.
        acts: What an agent that cannot act on every space does, and so needs; for the message that refuses another.
        remedy: What to set in the environment that such an agent may act.
    """

    remembers: ClassVar[bool] = False
    updates_often: ClassVar[bool] = False
    acts: ClassVar[str] = "acts otherwise"
    remedy: ClassVar[str] = "choose another env.action"

    @property
    def extractor_name(self) -> str | None:
        """Which network reads the market; None where none does."""
        return None

    @property
    def label(self) -> str:
        """Agent and extractor, for titles and tables."""
        return self.name if self.extractor_name is None else f"{self.name} ({self.extractor_name})"

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

    def require_bars(self, markets: Markets) -> None:
        """Check the configuration against the bars of the training.

        Raises:
            ConfigError: The agent cannot learn from them.
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

    def kept_bytes(self, observation_space: spaces.Space[Any], action_space: spaces.Space[Any]) -> int:
        """Memory that the agent takes for the past that it keeps over the whole training; short rollouts do not count.

        Args:
            observation_space: What an environment shows; bars by name take much less than windows.
            action_space: What may be done in it.
        """
        del observation_space, action_space
        return 0

    def callbacks(self) -> list[BaseCallback]:
        """What happens in the course of a training beside what the algorithm does; new ones for each."""
        return []

    @abstractmethod
    def learner(self, env: VecEnv, *, seed: int, device: str) -> BaseAlgorithm:
        """A Stable-Baselines3 algorithm with fresh weights, drawn from the seed.

        Raises:
            ConfigError: The configuration does not fit the environment.
        """

    @abstractmethod
    def network(self, observation_space: spaces.Dict, action_space: spaces.Space[Any]) -> BasePolicy:
        """The policy's network alone, with weights to be loaded."""

    def judge(self, network: BasePolicy, observation: Any, state: Any, episode_start: Any) -> Judgement:
        """What the networks say of a batch of observations: how likely each action was, and what it is worth.

        Of an agent that does not tell, its action for certain.

        Args:
            network: What `network` built, with weights.
            observation: "market" (n, window, features) and "account" (n, numbers).
            state: What the judgement before gave, for those that remember; None at the start.
            episode_start: (n,) bool, true where it is to forget; None: nowhere.
        """
        return judge_by_action(network, network.action_space, observation, state, episode_start)


AGENTS: Registry[type[AgentConfig]] = Registry(
    "agent",
    {
        "ppo": "dltrader.agents.ppo:PPOConfig",
        "recurrent_ppo": "dltrader.agents.ppo:RecurrentPPOConfig",
        "a2c": "dltrader.agents.a2c:A2CConfig",
        "sac": "dltrader.agents.sac:SACConfig",
        "dqn": "dltrader.agents.dqn:DQNConfig",
        "qrdqn": "dltrader.agents.dqn:QRDQNConfig",
        "q_table": "dltrader.agents.q_table:QTableConfig",
    },
)
