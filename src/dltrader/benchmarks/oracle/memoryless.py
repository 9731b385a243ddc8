"""What can be earned on `hidden` without a memory of returns: an anchor below the optimum.

A policy without memory sees the last return and its position. The position remembers something of the returns before;
one that steps from short through flat to long remembers more of them than one that jumps.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from dltrader.benchmarks.oracle.dynamic import Grid
from dltrader.benchmarks.oracle.signals import SIGNAL, Array
from dltrader.benchmarks.oracle.tasks import Hidden

_upper_tail = np.frompyfunc(lambda z: 0.5 * math.erfc(z / math.sqrt(2.0)), 1, 1)
PER_SD = 6
"""Cells to a standard deviation of the signal: all functions here are smooth, so that this few are exact to 1e-6."""


@dataclass(frozen=True)
class LastReturn:
    """A policy on the last return y alone, the same upside down.

    Attributes:
        enter: From flat, go long where y > enter.
        leave: From short, go flat where y > leave.
        turn: From short, go long where y > turn; at least `leave`.
    """

    enter: float
    leave: float
    turn: float

    def __call__(self, signal: Array, position: Array) -> Array:
        """The next positions, of returns and positions in {-1, 0, 1}."""
        side = np.where(position == 0.0, np.sign(signal), -position)  # the way that the return has to point
        strength = side * signal
        flat = np.where(strength > self.enter, side, 0.0)
        held = np.where(strength > self.turn, side, np.where(strength > self.leave, 0.0, position))
        return np.where(position == 0.0, flat, held)

    def value(self, task: Hidden) -> float:
        """Mean reward per step, from the stationary law of the hidden signal and the position."""
        grid = Grid.of(SIGNAL, per_sd=PER_SD, reach=5.0)
        p, n = grid.nodes, len(grid.nodes)

        def above(switch: float) -> Array:
            return np.asarray(_upper_tail((switch - p) / task.noise).astype(float))

        enter, leave, turn = above(self.enter), above(self.leave), above(self.turn)
        upside_down = slice(None, None, -1)
        chances = np.zeros((3, 3, n))  # from short, flat, long; to short, flat, long; at each p
        chances[1] = enter[upside_down], 1.0 - enter - enter[upside_down], enter
        chances[0] = 1.0 - leave, leave - turn, turn
        chances[2] = chances[0][::-1, upside_down]
        steps = np.einsum("abp,pr->apbr", chances, grid.masses).reshape(3 * n, 3 * n)
        system = steps.T - np.eye(3 * n)
        system[-1] = 1.0  # the law sums to 1
        law = np.linalg.solve(system, np.eye(3 * n)[-1]).reshape(3, n)
        moves = np.abs(np.subtract.outer((-1, 0, 1), (-1, 0, 1)))
        moved = float(np.einsum("ap,abp,ab->", law, chances, moves))
        return float((law[2] - law[0]) @ p) - task.psi * moved


@lru_cache(maxsize=16)
def best_jump(task: Hidden) -> tuple[LastReturn, float]:
    """The best policy with one switch, long above it and short below minus it, and its mean reward per step."""
    switches = np.linspace(0.5, 5.0, 46) * task.noise
    policies = [LastReturn(switch, switch, switch) for switch in switches.tolist()]
    values = [policy.value(task) for policy in policies]
    best = int(np.argmax(values))
    return policies[best], values[best]


@lru_cache(maxsize=16)
def best_steps(task: Hidden) -> tuple[LastReturn, float]:
    """The best policy with three switches, and its mean reward per step; by pattern search (Hooke and Jeeves 1961)."""
    policy, _ = best_jump(task)
    policy = replace(policy, turn=1.5 * policy.turn)
    value, step = policy.value(task), 0.4 * task.noise
    while step > 0.01 * task.noise:
        nearby = [
            replace(policy, **{name: getattr(policy, name) + change})
            for name in ("enter", "leave", "turn")
            for change in (step, -step)
        ]
        tried = [(each.value(task), each) for each in nearby if each.turn >= each.leave]
        highest, found = max(tried, key=lambda pair: pair[0])
        if highest > value:
            policy, value = found, highest
        else:
            step *= 0.5
    return policy, value
