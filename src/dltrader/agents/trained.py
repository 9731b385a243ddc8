"""A trained policy: the network, and all it needs to trade bars that it has never seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from gymnasium import spaces

from dltrader.agents.config import AgentConfig
from dltrader.agents.judgement import Judgement
from dltrader.agents.threads import torch_threads
from dltrader.envs.contract import EnvConfig, observation_space
from dltrader.errors import BundleError
from dltrader.features import FittedPipeline

if TYPE_CHECKING:
    import pandas as pd
    from stable_baselines3.common.policies import BasePolicy


@dataclass(frozen=True, eq=False)
class TrainedPolicy:
    """Decides what the learner that made it would decide.

    Attributes:
        agent: The configuration that builds the network.
        env_config: The environment it was trained in.
        pipeline: Computes its features, with the scaling fitted in training.
        instruments: Names of the instruments it was trained on; it trades any others, but as many.
        network: Actor and critic.
        interval: Median time between the bars it was trained on; None where nothing is known of it.
    """

    agent: AgentConfig
    env_config: EnvConfig
    pipeline: FittedPipeline
    instruments: tuple[str, ...]
    network: BasePolicy
    interval: pd.Timedelta | None = None

    @classmethod
    def build(
        cls,
        agent: AgentConfig,
        env_config: EnvConfig,
        pipeline: FittedPipeline,
        instruments: tuple[str, ...],
        weights: Mapping[str, torch.Tensor],
        interval: pd.Timedelta | None = None,
    ) -> TrainedPolicy:
        """Build the network and load its weights.

        Raises:
            BundleError: The weights are not those of this network.
        """
        network = cls.network_for(agent, env_config, pipeline, len(instruments))
        expected = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
        found = {name: tuple(tensor.shape) for name, tensor in weights.items()}
        if expected != found:
            name = next(name for name in sorted(expected | found) if expected.get(name) != found.get(name))
            raise BundleError(
                f"the weights do not fit the network: {name} should have shape {expected.get(name, 'no such tensor')}, "
                f"found {found.get(name, 'no such tensor')}"
            )
        network.load_state_dict(dict(weights))
        network.set_training_mode(False)
        return cls(agent, env_config, pipeline, instruments, network, interval)

    @staticmethod
    def network_for(
        agent: AgentConfig, env_config: EnvConfig, pipeline: FittedPipeline, n_instruments: int
    ) -> BasePolicy:
        """The network of a policy, with weights to be loaded.

        Raises:
            ConfigError: The agent's configuration does not fit the environment.
        """
        observed = observation_space(
            env_config.window_bars,
            len(pipeline.names) * n_instruments,
            n_instruments,
            clip=pipeline.clip,
            leverage=env_config.leverage,
        )
        return agent.network(observed, env_config.action_space(n_instruments))

    @property
    def name(self) -> str:
        """For titles and tables."""
        return self.agent.label

    @property
    def observation_space(self) -> spaces.Space[Any]:
        """What it can observe."""
        return self.network.observation_space

    @property
    def action_space(self) -> spaces.Space[Any]:
        """What it may do."""
        return self.network.action_space

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = False,
    ) -> tuple[Any, Any]:
        """The action for one observation or a batch, as `dltrader.agents.Policy` says.

        Raises:
            BundleError: The observation is not of the shape that the policy was trained on.
        """
        self._require_observed(observation)
        with torch_threads():
            action, state = self.network.predict(observation, state, episode_start, deterministic)
        return action, state

    def judge(self, observation: Any, state: Any = None, episode_start: Any = None) -> Judgement:
        """What actor and critic say of a batch of observations, as `AgentConfig.judge` says.

        Raises:
            BundleError: The observations are not of the shape that the policy was trained on.
        """
        self._require_observed(observation)
        with torch_threads():
            return self.agent.judge(self.network, observation, state, episode_start)

    def _require_observed(self, observation: Any) -> None:
        for key, space in self.network.observation_space.spaces.items():  # type: ignore[attr-defined]
            found = np.shape(observation[key]) if key in observation else None
            if found is None or found[-len(space.shape) :] != space.shape:
                raise BundleError(
                    f"the policy observes {key!r} of shape {space.shape}, was given "
                    f"{'none' if found is None else found}; use the environment, features and instruments of its run"
                )

    def weights(self) -> dict[str, torch.Tensor]:
        """A copy of all tensors of the network, on the CPU."""
        return {name: tensor.detach().cpu().clone() for name, tensor in self.network.state_dict().items()}
