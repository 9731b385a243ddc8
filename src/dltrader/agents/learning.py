"""Learning: one algorithm on several environments, reported on as it goes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger, configure
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecNormalize

from dltrader.agents.bars import names_bars, windowed
from dltrader.agents.config import AgentConfig
from dltrader.agents.rollouts import FreezeEncodings
from dltrader.agents.state import State, restore, state_of
from dltrader.agents.threads import torch_threads
from dltrader.envs.arrays import require_device
from dltrader.envs.rewards import growth_between

if TYPE_CHECKING:
    from stable_baselines3.common.base_class import BaseAlgorithm
    from stable_baselines3.common.policies import BasePolicy


REPORT_BARS = 2048
"""Bars between reports on agents that update every few bars: a rollout of PPO by its defaults."""

NEVER = 2**62
"""Episodes or rollouts between what an algorithm writes by itself, where it is told when to write."""

LOSSES = "train/value_loss", "train/critic_loss", "train/loss"
"""Where an algorithm logs the error of its values; PPO's train/loss is another, but it has the first too."""


@dataclass(frozen=True)
class Rollout:
    """How training stands after a rollout and the update that followed it; nan where there is nothing to say.

    Attributes:
        steps: Bars stepped so far, over all environments.
        bars_per_second: Bars stepped per second since the start, or since it was resumed, learning included.
        episode_growth: Mean log growth of equity over the episodes that ended since the report before.
        policy_entropy: Mean entropy of the action distribution in the last update, nats; nan where agents learn from a
            replay.
        value_loss: Mean error of the value in the last update, as the algorithm measures it, in units of the scaled
            reward: squared, or Huber's for DQN.
        learning_rate: Step size of the last update.
        network: The policy's network as it is now; always the same object.
        state: Takes all that the training needs to go on from here, as `learn` takes it; call it before the report is
            over. None after the last rollout.
    """

    steps: int
    bars_per_second: float
    episode_growth: float
    policy_entropy: float
    value_loss: float
    learning_rate: float
    network: BasePolicy = field(repr=False)
    state: Callable[[], State] | None = field(default=None, repr=False)


def learn(
    agent: AgentConfig,
    environments: VecEnv | Sequence[Callable[[], gymnasium.Env[Any, Any]]],
    *,
    total_timesteps: int,
    seed: int,
    device: str = "cpu",
    threads: int = 1,
    tensorboard: Path | None = None,
    report_every: int = REPORT_BARS,
    on_start: Callable[[BasePolicy], None] = lambda _: None,
    on_rollout: Callable[[Rollout], None] = lambda _: None,
    state: State | None = None,
    weights: Mapping[str, torch.Tensor] | None = None,
) -> BasePolicy:
    """Train an agent and return its network, which observes windows whatever the environments show.

    The same seed and number of threads give the same weights on the same machine: environments are stepped in turn in
    this process.

    Args:
        agent: What learns.
        environments: Makers of the environments, stepped side by side, or lanes that are stepped together.
        total_timesteps: Bars to step, over all environments; rounded up to whole rollouts.
        seed: Of weights, actions and episodes.
        device: "cpu", "cuda" or "auto".
        threads: Threads that torch computes with; small networks prefer one.
        tensorboard: A folder for TensorBoard's files.
        report_every: Bars between reports, at least, on an agent that updates every few bars.
        on_start: Called with the network before the first bar.
        on_rollout: Called after every rollout and its update, or as often as `report_every` says, and in the end; what
            it raises ends the training.
        state: What `Rollout.state` gave in an earlier training with the same arguments, to go on from there; None:
            from the beginning.
        weights: Those of a network like its own, to begin with instead of drawn ones; a state has its own.

    Raises:
        ConfigError: The configuration does not fit, or there is no such device.
        RunError: The state is that of another training.
        RuntimeError: The weights are those of another network.
    """
    require_device(device, "train.device")
    # Rewards of one bar are a hundredth or less: scaled to unit size, the value's gradient is of use.
    stepped = environments if isinstance(environments, VecEnv) else DummyVecEnv(list(environments))
    env = VecNormalize(stepped, norm_obs=False, norm_reward=True, gamma=_gamma(agent))
    try:
        with torch_threads(threads):
            learner = agent.learner(env, seed=seed, device=device)
            learner.set_logger(_logger(tensorboard))
            if weights is not None:
                learner.policy.load_state_dict(dict(weights))
            network = _windowed_network(agent, learner)
            # What updates every few bars says too much, or clears what it knows before it is asked.
            interval = NEVER if agent.updates_often else 1
            reporter = _Reporter(network, report_every if agent.updates_often else None, on_start, on_rollout)
            callbacks = [FreezeEncodings(), reporter, *agent.callbacks()]
            follow: dict[str, Any] = {"callback": callbacks, "log_interval": interval}
            if state is None:
                learner.learn(total_timesteps, **follow)
            else:
                restore(learner, env, state)
                # It takes the bars that are left, and its schedules go by those of the whole training.
                learner.learn(total_timesteps - learner.num_timesteps, reset_num_timesteps=False, **follow)
        return network
    finally:
        env.close()


def _windowed_network(agent: AgentConfig, learner: BaseAlgorithm) -> BasePolicy:
    """The learner's network, or where that is shown bars by name, one of the same weights that is shown windows."""
    observed = learner.observation_space
    if not names_bars(observed):
        return learner.policy
    assert isinstance(observed, spaces.Dict)
    with torch.random.fork_rng(devices=[]):  # its first weights are thrown away, and cost the training no draws
        return agent.network(windowed(observed), learner.action_space)


class _Reporter(BaseCallback):
    """Turns what Stable-Baselines3 knows after a rollout into a `Rollout`.

    Args:
        network: Is shown to whom is reported, with the weights of then.
        every: Bars between reports, at least, after which the algorithm's log is written; None: after every rollout,
            and it writes its log by itself.
        on_start: Called with the network.
        on_rollout: Called with every report.
    """

    def __init__(
        self,
        network: BasePolicy,
        every: int | None,
        on_start: Callable[[BasePolicy], None],
        on_rollout: Callable[[Rollout], None],
    ) -> None:
        super().__init__()
        self._network, self._every, self._on_start, self._on_rollout = network, every, on_start, on_rollout
        self._growths: list[float] = []
        self._reported = self._first = 0
        self._started = time.monotonic()

    def _on_training_start(self) -> None:
        self._started = time.monotonic()
        self._reported = self._first = self.num_timesteps
        self._refresh()
        self._on_start(self._network)

    def _on_step(self) -> bool:
        starts, ends = self.training_env.unwrapped.reset_infos, self.locals["infos"]
        for lane in np.flatnonzero(self.locals["dones"]):
            if "equity" not in ends[lane]:
                continue  # not every task has an account
            growth = growth_between(starts[lane]["equity"], ends[lane]["equity"])
            self._growths.append(math.log(growth))
        return True

    def _on_rollout_start(self) -> None:
        # What came before the first rollout is nothing.
        if self.num_timesteps - self._reported >= (self._every or 1):
            env = self.training_env
            assert isinstance(env, VecNormalize)
            self._report(partial(state_of, self.model, env))

    def _on_training_end(self) -> None:
        self._report()

    def _refresh(self) -> None:
        if self._network is not self.model.policy:
            self._network.load_state_dict(self.model.policy.state_dict())

    def _report(self, state: Callable[[], State] | None = None) -> None:
        self._refresh()
        logged = self.logger.name_to_value
        seconds = time.monotonic() - self._started
        growths, self._growths = self._growths, []
        self._reported = self.num_timesteps
        losses = (logged[key] for key in LOSSES if key in logged)
        self._on_rollout(
            Rollout(
                steps=self.num_timesteps,
                bars_per_second=(self.num_timesteps - self._first) / seconds if seconds > 0 else math.nan,
                episode_growth=sum(growths) / len(growths) if growths else math.nan,
                policy_entropy=-float(logged.get("train/entropy_loss", math.nan)),
                value_loss=float(next(losses, math.nan)),
                learning_rate=float(logged.get("train/learning_rate", math.nan)),
                network=self._network,
                state=state,
            )
        )
        if self._every is not None:
            self.model.dump_logs()


def _gamma(agent: AgentConfig) -> float:
    return float(getattr(agent, "gamma", 0.99))


def _logger(tensorboard: Path | None) -> Logger:
    if tensorboard is None:
        return Logger(folder=None, output_formats=[])
    return configure(str(tensorboard), ["tensorboard"])
