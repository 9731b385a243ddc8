"""What a policy does at each signal, beside what the optimal one does: the curves of a picture.

A policy is asked for the position that it takes at each signal from three positions held before: short, none and long.
Where the signal is all that it sees of the market, its answer is one position. Where it sees more, or remembers, it is
asked along test paths, and the mean of its answers at nearly the same signal counts: one that tells a hidden signal
from its noise worse than the Kalman filter turns over a wider range of the estimate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from dltrader.agents.policy import Policy
from dltrader.benchmarks.oracle.observation import observe, windows_of
from dltrader.benchmarks.oracle.ritter import Ritter
from dltrader.benchmarks.oracle.score import common_paths
from dltrader.benchmarks.oracle.signals import SIGNAL, Array
from dltrader.benchmarks.oracle.solver import solve
from dltrader.benchmarks.oracle.tasks import Task

POINTS, REACH = 121, 2.5
"""Signals at which positions are asked for, over so many standard deviations either way: 99 of 100 lie within."""

N_PATHS, STEPS = 200, 250
"""Test paths along which a policy is asked that sees more than the signal."""

LEAST_ANSWERS = 30
"""The mean of fewer answers along paths says too little, and is nan."""

USUAL = 0.95
"""The positions held before are as large as the optimal policy's is at most on this share of the steps."""


@dataclass(frozen=True)
class Curves:
    """The positions taken at each signal, from each position held before.

    Attributes:
        axis: What the signals are called.
        signal: (points,) ascending.
        held: (3,) positions held before: short, none and long.
        optimal: (3, points) what the optimal policy then takes.
        learned: (seeds, 3, points) what the trained policies take; nan where that is not known well enough.
    """

    axis: str
    signal: Array
    held: Array
    optimal: Array
    learned: Array

    def to_mapping(self) -> dict[str, Any]:
        """Plain values, as JSON holds them, to four decimals."""
        arrays = {name: getattr(self, name) for name in ("signal", "held", "optimal", "learned")}
        return {"axis": self.axis} | {name: np.round(array, 4).tolist() for name, array in arrays.items()}


def curves_of(task: Task, learned: Sequence[Array]) -> Curves:
    """The curves that `learned_curve` found of policies trained on a task, beside those of the optimal policy."""
    solution, signals, held = solve(task), signals_of(task), held_before(task)
    optimal = np.stack([solution.policy(signals, np.full(POINTS, position)) for position in held])
    if isinstance(task, Ritter):  # he shows prices
        return Curves("price", task.price * np.exp(signals), held, optimal, np.stack(learned))
    axis = "signal" if solution.filter is None else "estimate of the signal"
    return Curves(axis, signals, held, optimal, np.stack(learned))


def learned_curve(policy: Policy, task: Task, *, window_bars: int) -> Array:
    """The positions that a policy takes, (3, points): from each of `held_before`, at each of `signals_of`.

    Args:
        policy: Anything with `predict`; it is asked for its deterministic actions.
        task: What it was trained on.
        window_bars: How many numbers of the market it sees.
    """
    if solve(task).filter is None and window_bars == 1:
        windows = signals_of(task)[:, None]
        answers, state = _answers(policy, task, windows, None, np.ones(POINTS, bool))
        if state is None:
            return answers
    return _along_paths(policy, task, window_bars)


def signals_of(task: Task) -> Array:
    """The signals at which positions are asked for, (points,), as the optimal policy knows them."""
    seen = solve(task).filter
    law = task.signal if isinstance(task, Ritter) else SIGNAL if seen is None else seen.law
    return np.linspace(-REACH, REACH, POINTS) * law.sd


@lru_cache(maxsize=16)
def held_before(task: Task) -> Array:
    """The positions from which others are asked for, (3,): short, none and long, as large as the optimum's are."""
    taken = np.abs(solve(task).positions(common_paths(task, n_paths=N_PATHS, steps=STEPS)))
    usual = float(np.quantile(taken, USUAL, method="nearest"))
    if task.levels is None:
        usual = min(round(usual, 1), task.largest)
    usual = usual or task.largest  # where trading never pays
    return np.array([-usual, 0.0, usual])


def _along_paths(policy: Policy, task: Task, window_bars: int) -> Array:
    """The mean position at each signal, (3, points), asked for at every step of test paths that the policy plays."""
    paths, grid = common_paths(task, n_paths=N_PATHS, steps=STEPS), signals_of(task)
    signals = solve(task).signal_of(paths.shown)[:, paths.history - 1 : -1]  # (n_paths, steps)
    nearest = np.rint((signals - grid[0]) / (grid[1] - grid[0])).astype(np.int64)
    windows = windows_of(paths.shown, window_bars)[:, paths.history - window_bars :]  # (n_paths, steps + 1, window)
    totals, counts = np.zeros((POINTS, 3)), np.zeros(POINTS)
    own, state, start = np.zeros(N_PATHS), None, np.ones(N_PATHS, bool)
    for step in range(STEPS):
        within = (nearest[:, step] >= 0) & (nearest[:, step] < POINTS)
        answers, _ = _answers(policy, task, windows[:, step], state, start)
        np.add.at(totals, nearest[within, step], answers[:, within].T)
        np.add.at(counts, nearest[within, step], 1.0)
        seen: Any = observe(task, windows[:, step], own)
        actions, state = policy.predict(seen, state=state, episode_start=start, deterministic=True)
        own, start = task.position_of(actions, own), np.zeros(N_PATHS, bool)
    return np.where(counts >= LEAST_ANSWERS, totals.T / np.maximum(counts, 1.0), np.nan)


def _answers(policy: Policy, task: Task, windows: Array, state: Any, start: Array) -> tuple[Array, Any]:
    """The positions taken at each window from each of `held_before`, (3, lanes), and the policy's last state."""
    answers, after = [], None
    for position in held_before(task):
        held = np.full(len(windows), position)
        seen: Any = observe(task, windows, held)
        actions, after = policy.predict(seen, state=state, episode_start=start, deterministic=True)
        answers.append(task.position_of(actions, held))
    return np.stack(answers), after
