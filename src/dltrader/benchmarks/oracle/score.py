"""How much of the optimum a policy reaches on common test paths."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from dltrader.agents.policy import Policy
from dltrader.benchmarks.oracle.observation import observe, windows_of
from dltrader.benchmarks.oracle.prices import Engine, play_priced
from dltrader.benchmarks.oracle.signals import Array, Paths
from dltrader.benchmarks.oracle.solver import solve
from dltrader.benchmarks.oracle.tasks import Task
from dltrader.errors import ConfigError

N_PATHS = 100
STEPS = 1_000
HISTORY = 256
"""Columns before the first step, from which the optimum estimates a hidden signal: older ones say next to nothing."""
TEST_SEED = 20_200_327
TUNING_SEED = 7


@dataclass(frozen=True)
class Score:
    """A policy and the optimum on the same paths.

    Attributes:
        task: Label of the task.
        reached: (n_paths,) what the policy reached on each path: mean reward per step; of `ritter` the Sharpe ratio.
        optimum: (n_paths,) what the optimal policy reaches.
    """

    task: str
    reached: Array
    optimum: Array

    @property
    def fraction(self) -> float:
        """The policy's mean over that of the optimum; 1 is optimal, 0 as good as doing nothing."""
        return float(self.reached.mean() / self.optimum.mean())

    @property
    def standard_error(self) -> float:
        """Of the fraction, over paths; small, for both had the same luck (the delta method for a ratio of means)."""
        apart = self.reached - self.fraction * self.optimum
        return float(apart.std(ddof=1) / math.sqrt(len(apart)) / abs(self.optimum.mean()))


@lru_cache(maxsize=16)
def common_paths(task: Task, *, n_paths: int = N_PATHS, steps: int = STEPS, seed: int = TEST_SEED) -> Paths:
    """The common test paths of a task; kept for the process.

    Args:
        task: What is played.
        n_paths: How many.
        steps: Steps of each.
        seed: Other than any that training draws its own seeds from; give another one for paths to tune on.
    """
    if n_paths < 2 or steps < 2:
        raise ConfigError(f"a score takes at least 2 paths of 2 steps, was {n_paths} of {steps}")
    return task.sample(np.random.default_rng([seed, TEST_SEED]), n_paths, steps, HISTORY)


def score(
    policy: Policy,
    task: Task,
    *,
    window_bars: int = 32,
    paths: Paths | None = None,
    engine: Engine | None = None,
) -> Score:
    """Score a policy against the optimum on the same paths.

    Args:
        policy: Anything with `predict`; it is asked for its deterministic actions.
        task: What is played.
        window_bars: How many numbers of the market the policy sees.
        paths: Other than the common test paths.
        engine: What the task is played through: None, the array environment; else prices and costs, and the money is
            that of the accounts of backtrader or of the vectorised market. All give the same score, up to rounding.

    Raises:
        ConfigError: The window is longer than the history of the paths, or a path leads to a price of 0 or less.
    """
    paths = common_paths(task) if paths is None else paths
    if engine is not None:
        played = play_priced(policy, task, paths, window_bars=window_bars, engine=engine)
        return score_positions(played.positions, task, paths=paths, money=played.money)
    return score_positions(play(policy, task, paths, window_bars=window_bars), task, paths=paths)


def score_positions(positions: Array, task: Task, *, paths: Paths | None = None, money: Array | None = None) -> Score:
    """Score positions (n_paths, steps), and the money they made if an account says so, against the optimum."""
    paths = common_paths(task) if paths is None else paths
    best = solve(task).positions(paths)
    return Score(task.label, task.performance(paths, positions, money), task.performance(paths, best))


def play(policy: Policy, task: Task, paths: Paths, *, window_bars: int) -> Array:
    """The positions that a policy takes along paths, (n_paths, steps), from no position."""
    if not 1 <= window_bars <= paths.history:
        raise ConfigError(f"window_bars must be from 1 to {paths.history}, the history of the paths, was {window_bars}")
    # At step t the newest column that is seen is history - 1 + t.
    windows = windows_of(paths.shown, window_bars)[:, paths.history - window_bars :]  # (n_paths, steps + 1, window)
    n_paths = len(paths.shown)
    found = np.empty((paths.steps, n_paths))
    held, state, start = np.zeros(n_paths), None, np.ones(n_paths, bool)
    for step in range(paths.steps):
        observation: Any = observe(task, windows[:, step], held)
        actions, state = policy.predict(observation, state=state, episode_start=start, deterministic=True)
        found[step] = held = task.position_of(actions, held)
        start = np.zeros(n_paths, bool)
    return np.ascontiguousarray(found.T)
