"""Exploration: how far continuous actions stray from what the policy would do."""

from __future__ import annotations

import math
from typing import Any

from stable_baselines3.common.callbacks import BaseCallback


class FallingDeviation(BaseCallback):
    """Lets the standard deviation of the actions fall over the training instead of learning it.

    Where costs are in proportion to the trade every stray action is paid for, and a policy that strays as far as it did
    in the beginning learns that it is best not to trade at all. It falls geometrically, and is set before each rollout.

    Args:
        start: Deviation at the first bar.
        end: Deviation at the last.
    """

    def __init__(self, start: float, end: float) -> None:
        super().__init__()
        self._start, self._end = math.log(start), math.log(end)

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        learner = self.model
        share = min(learner.num_timesteps / learner._total_timesteps, 1.0)  # noqa: SLF001 - its only name
        deviation: Any = learner.policy.log_std
        deviation.requires_grad = False
        deviation.fill_(self._start + share * (self._end - self._start))
