"""The answer sheet: for every task its optimal policy, and what that earns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np

from dltrader.benchmarks.oracle import quadratic, tabular
from dltrader.benchmarks.oracle.bands import band_of
from dltrader.benchmarks.oracle.dynamic import Grid, relative_values
from dltrader.benchmarks.oracle.kalman import Filter
from dltrader.benchmarks.oracle.ritter import Ritter
from dltrader.benchmarks.oracle.signals import AR1, SIGNAL, Array, Paths
from dltrader.benchmarks.oracle.tasks import Discrete, Hidden, LinearCapped, LinearRisk, Quadratic, Task


class PositionRule(Protocol):
    """A policy that knows what to look at."""

    def __call__(self, signal: Array, position: Array) -> Array:
        """The positions to take, of the signals seen or estimated and the positions held: arrays of one shape."""
        ...


@dataclass(frozen=True)
class Solution:
    """A solved task.

    Attributes:
        task: What was solved.
        value: Optimal reward per step in the long run; of `ritter` the annualised Sharpe ratio.
        policy: The optimal policy, of the signal in the sense of `signal_of`.
        filter: What estimates a signal that is hidden; None where it is seen.
    """

    task: Task
    value: float
    policy: PositionRule
    filter: Filter | None = None

    def signal_of(self, shown: Array) -> Array:
        """What the policy looks at, after each column that is shown: (n_paths, columns) -> (n_paths, columns)."""
        return shown if self.filter is None else self.filter.estimates(shown)

    def positions(self, paths: Paths) -> Array:
        """The positions that the policy takes on paths, (n_paths, steps), from no position."""
        signals = self.signal_of(paths.shown)[:, paths.history - 1 : -1]
        return follow(self.policy, signals)


def follow(policy: PositionRule, signals: Array) -> Array:
    """The positions of a policy along signals, (n_paths, steps) -> (n_paths, steps), from no position."""
    found = np.empty(signals.shape[::-1])  # a step is one run of memory
    position = np.zeros(len(signals))
    for step, signal in enumerate(np.ascontiguousarray(signals.T)):
        found[step] = position = policy(signal, position)
    return np.ascontiguousarray(found.T)


@lru_cache(maxsize=64)
def solve(task: Task, fineness: int = 1) -> Solution:
    """Solve a task; a second or less, and kept for the process.

    Args:
        task: What to solve.
        fineness: By how much finer the grids are than by default; it moves a value by less than 1e-5 (the tests hold
            it to that). Closed forms and Ritter's own grid know no finer.
    """
    return SOLVERS[type(task)](task, fineness)


def _linear_risk(task: LinearRisk, fineness: int) -> Solution:
    # 0.02 units between levels for the bound of 4, and 0.05 between nodes: the value is smooth in both.
    levels = np.linspace(-task.bound, task.bound, 400 * fineness + 1)
    return _linear(task, SIGNAL, levels, psi=task.psi, risk=task.risk, per_sd=20 * fineness)


def _linear_capped(task: LinearCapped, fineness: int) -> Solution:
    # Nothing but the bound makes one unit different from the next: all are held either way, or none.
    levels = np.linspace(-task.bound, task.bound, 4 * fineness + 1)
    return _linear(task, SIGNAL, levels, psi=task.psi, per_sd=100 * fineness)


def _discrete(task: Discrete, fineness: int) -> Solution:
    return _linear(task, SIGNAL, np.asarray(task.levels), psi=task.psi, per_sd=100 * fineness)


def _hidden(task: Hidden, fineness: int) -> Solution:
    law, levels = task.filter.law, np.asarray(task.levels)
    return _linear(task, law, levels, psi=task.psi, per_sd=100 * fineness, seen=task.filter)


def _linear(
    task: Task, law: AR1, levels: Array, *, psi: float, per_sd: int, risk: float = 0.0, seen: Filter | None = None
) -> Solution:
    grid = Grid.of(law, per_sd=per_sd)
    values = relative_values(grid, levels, psi=psi, risk=risk)
    # A squared cost makes the band's edges smooth; without one they jump.
    return Solution(task, values.gain, band_of(grid, values, levels, psi, smooth=risk > 0.0), seen)


def _quadratic(task: Quadratic, fineness: int) -> Solution:
    del fineness
    costs = {"impact": task.impact, "risk": task.risk}
    policy = quadratic.optimal(SIGNAL, **costs, largest=task.bound)
    return Solution(task, policy.value(SIGNAL, **costs), policy)


def _ritter(task: Ritter, fineness: int) -> Solution:
    del fineness
    table = tabular.table_of(task)
    return Solution(task, tabular.sharpe(table), table)


SOLVERS: dict[type[Task], Callable[[Any, int], Solution]] = {
    LinearRisk: _linear_risk,
    LinearCapped: _linear_capped,
    Quadratic: _quadratic,
    Discrete: _discrete,
    Hidden: _hidden,
    Ritter: _ritter,
}
