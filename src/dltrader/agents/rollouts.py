"""Rollouts over bars that are named: how they are collected, and how they are cut into minibatches."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from gymnasium import spaces
from stable_baselines3.common.buffers import DictRolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from dltrader.agents.bars import to_bars
from dltrader.agents.shared import BarEncoder
from dltrader.envs.memory import require_memory

if TYPE_CHECKING:
    from stable_baselines3.common.type_aliases import DictRolloutBufferSamples

DISTINCT = 256
"""Distinct bars that a minibatch is to hold at least: fewer would make its gradient a noisy one."""

NUMBERS_A_SAMPLE = 24
"""Rewards, values, probabilities, advantages, returns, and what an update makes of them."""

Indices = npt.NDArray[np.int64]


class FreezeEncodings(BaseCallback):
    """Encodes every bar once a rollout, while the weights stand still; pass it to `learn` of an on-policy algorithm."""

    def __init__(self) -> None:
        super().__init__()
        self._encoders: list[BarEncoder] = []
        self._steps = 0

    def _on_training_start(self) -> None:
        # Other algorithms update their weights while they collect.
        if isinstance(self.model, OnPolicyAlgorithm):
            self._encoders = [part for part in self.model.policy.modules() if isinstance(part, BarEncoder)]
            self._steps = self.model.n_steps

    def _on_rollout_start(self) -> None:
        for encoder in self._encoders:
            encoder.freeze(self._steps)

    def _on_step(self) -> bool:
        for encoder in self._encoders:
            encoder.advance()
        return True

    def _on_rollout_end(self) -> None:
        for encoder in self._encoders:
            encoder.thaw()

    def _on_training_end(self) -> None:
        self._on_rollout_end()  # a rollout that another callback broke off has no end


class BarRolloutBuffer(DictRolloutBuffer):
    """Stable-Baselines3's buffer with minibatches that hold samples of few bars, so that few windows are encoded.

    Samples of a bar stay together in groups of at most `batch_size // 256`, so a minibatch is made of 256 groups or
    more. The groups of a bar are spread evenly over the epoch: those of a minibatch are of as many bars, unless a bar
    has more than its share of the samples. Every sample comes once an epoch, in another order each time.
    """

    def get(  # type: ignore[override] # as the class above, which does the same
        self, batch_size: int | None = None
    ) -> Generator[DictRolloutBufferSamples, None, None]:
        """Minibatches of an epoch; up to twice 256 samples in a random order without groups."""
        group = 1 if batch_size is None else batch_size // DISTINCT
        if batch_size is None or group <= 1:
            yield from super().get(batch_size)
            return
        if not self.generator_ready:
            next(super().get(1))  # lays the arrays of (steps, lanes) out as samples
        bars = to_bars(torch.from_numpy(self.observations["market"])).numpy()  # (samples,)
        order = grouped(bars, group)
        for start in range(0, len(order), batch_size):
            yield self._get_samples(order[start : start + batch_size])


def grouped(bars: Indices, size: int) -> Indices:
    """A random order of samples in which those of equal bars stand in groups, drawn from NumPy's global generator.

    Args:
        bars: (samples,) the bar of every sample.
        size: Samples in a group, at most.

    Returns:
        (samples,) every index of a sample once.
    """
    order = np.random.permutation(len(bars))  # noqa: NPY002 - the generator that Stable-Baselines3 seeds and uses
    order = order[np.argsort(bars[order], kind="stable")]
    _, first, count = np.unique(bars[order], return_index=True, return_counts=True)
    bar = np.repeat(np.arange(len(count)), count)  # (samples,)
    group = (np.arange(len(order)) - first[bar]) // size  # of the bar's, 0, 1, …
    # A bar's groups come at even distances, and where the first comes is drawn.
    offset = np.random.random(len(count))  # noqa: NPY002 - as above
    turn = (group + offset[bar]) / (-(-count // size))[bar]
    return order[np.argsort(turn, kind="stable")]


def require_room(
    n_envs: int, n_steps: int, observation_space: spaces.Space[Any], action_space: spaces.Space[Any]
) -> None:
    """Check that a rollout, and the minibatches made of it, fit into the memory that is free.

    Args:
        n_envs: Environments stepped side by side.
        n_steps: Bars of each in a rollout.
        observation_space: What one of them shows.
        action_space: What may be done in it.

    Raises:
        ConfigError: They do not fit.
    """
    assert isinstance(observation_space, spaces.Dict)
    observed = sum(int(np.prod(part.shape or 1)) for part in observation_space.values())
    acted = int(np.prod(action_space.shape or 1))
    require_memory(n_envs, n_steps * 4 * (2 * observed + acted + NUMBERS_A_SAMPLE), "of a rollout take")
