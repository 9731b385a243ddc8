"""Lockstep: several backtests of one trained policy that wait for each other, so that it is asked once for all of them.

Of a backtest with a small network more than half of the time goes into single predictions, and a batch of six takes
hardly longer than one. Every backtest runs unchanged in a greenlet of its own; what stands for the policy there hands
its observation over and waits. Batched sums are rounded differently, by about 1e-7 of a network's output.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeGuard, TypeVar

import numpy as np
from greenlet import getcurrent, greenlet

from dltrader.agents.policy import Policy
from dltrader.agents.succession import Succession
from dltrader.agents.trained import TrainedPolicy

T = TypeVar("T")


class _Lane:
    """What stands for the policy in one backtest."""

    def __init__(self, policy: TrainedPolicy) -> None:
        self.name, self.env_config, self.pipeline = policy.name, policy.env_config, policy.pipeline

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = False
    ) -> tuple[Any, Any]:
        """Hand the observation over, and wait for the action; it is the likeliest one, whatever is asked."""
        del state, episode_start, deterministic
        hub = getcurrent().parent
        assert hub is not None
        answer: tuple[Any, Any] = hub.switch(observation)
        return answer


def in_lockstep(policy: TrainedPolicy, runs: Sequence[Callable[[Policy], T]]) -> list[T]:
    """What each of several calls returns that backtest the policy deterministically, from the same bar on.

    Args:
        policy: One that `is_memoryless`.
        runs: Each is called with what stands for it.

    Raises:
        Exception: Whatever one of them raises; the others are then given up.
    """
    lanes = [greenlet(partial(run, _Lane(policy))) for run in runs]
    found: dict[int, T] = {}
    said: dict[int, Any] = {number: lane.switch() for number, lane in enumerate(lanes)}
    while said:
        found |= {number: value for number, value in said.items() if lanes[number].dead}
        asked = {number: value for number, value in said.items() if not lanes[number].dead}
        answers = _answers(policy, list(asked.values()))
        said = {number: lanes[number].switch(answer) for number, answer in zip(asked, answers, strict=True)}
    return [found[number] for number in range(len(lanes))]


def is_memoryless(policy: Policy | Succession) -> TypeGuard[TrainedPolicy]:
    """Whether a policy can be asked in lockstep: a trained one, whose action depends on the observation alone.

    What remembers would carry a difference in rounding along, until it acts differently.
    """
    if not isinstance(policy, TrainedPolicy):
        return False
    shapes = policy.observation_space.spaces.items()  # type: ignore[attr-defined]
    _, state = policy.predict({key: np.zeros(space.shape, np.float32) for key, space in shapes}, deterministic=True)
    return state is None


def _answers(policy: Policy, observations: Sequence[Mapping[str, Any]]) -> list[tuple[Any, Any]]:
    """The action for each, from one prediction."""
    if not observations:
        return []
    batch = {key: np.stack([one[key] for one in observations]) for key in observations[0]}  # (lanes, ...)
    actions, _ = policy.predict(batch, deterministic=True)
    return [(action, None) for action in actions]
