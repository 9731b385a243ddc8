"""What an agent sees of a task, and the optimal policy as an agent."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.lib.stride_tricks import sliding_window_view

from dltrader.benchmarks.oracle.signals import Array
from dltrader.benchmarks.oracle.solver import Solution
from dltrader.benchmarks.oracle.tasks import Task


def observation_space(window_bars: int) -> Any:
    """One column of what is shown, and the position as a fraction of the largest.

    | key | shape | meaning |
    | --- | --- | --- |
    | market | (window_bars, 1) | the newest numbers shown, oldest first, in units of `task.shown_unit` |
    | account | (1,) | position / largest position, in [-1, 1] |
    """
    return spaces.Dict(
        {
            "market": spaces.Box(-np.inf, np.inf, (window_bars, 1), np.float32),
            "account": spaces.Box(-1.0, 1.0, (1,), np.float32),
        }
    )


def windows_of(shown: Array, window_bars: int) -> Array:
    """Every window of what is shown: (lanes, columns) -> (lanes, columns - window_bars + 1, window_bars), no copy."""
    return sliding_window_view(shown, window_bars, axis=1)


def observe(task: Task, windows: Array, held: Array) -> dict[str, Array]:
    """The observations of lanes: windows (lanes, window_bars) and positions (lanes,)."""
    return {
        "market": (windows / task.shown_unit)[..., None].astype(np.float32),
        "account": (held / task.largest)[:, None].astype(np.float32),
    }


class OptimalPolicy:
    """The optimal policy with the `predict` of every other policy; its state is the estimate of a hidden signal.

    An estimate begins with the returns in the first window: it is the optimal one up to what older returns would say,
    a share of (persistence (1 - gain))^window_bars.

    Args:
        solution: Of the task that is played.
    """

    def __init__(self, solution: Solution) -> None:
        self.solution = solution

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = False
    ) -> tuple[Array, Any]:
        """The actions for a batch of observations, and the state."""
        del deterministic
        task, seen = self.solution.task, self.solution.filter
        shown = np.asarray(observation["market"], np.float64)[..., 0] * task.shown_unit  # (lanes, window)
        held = np.asarray(observation["account"], np.float64)[:, 0] * task.largest
        if task.levels is not None:  # float32 may have moved a position off its level by a rounding
            levels = np.asarray(task.levels)
            held = levels[np.abs(levels - held[:, None]).argmin(axis=1)]
        signal = shown[:, -1]
        if seen is not None:
            first = np.ones(len(held), bool) if state is None else np.asarray(episode_start, bool)
            if state is not None:
                signal = seen.update(state, signal)
            if first.any():
                signal[first] = seen.estimates(shown[first])[:, -1]
            state = signal
        return task.action_of(self.solution.policy(signal, held), held), state
