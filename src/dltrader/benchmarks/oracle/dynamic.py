"""Dynamic programming on a grid, for an AR(1) signal and costs in proportion to the move.

Relative value iteration for the average reward (White 1963; Puterman 1994, section 8.5): with h the relative value,

    W(p, q) = p q - risk q² + E[h(p', q) | p]                what a position is worth once it is taken
    h(p, q₋₁) = max over q of W(p, q) - psi abs(q - q₋₁)     less a constant: the gain per step
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dltrader.benchmarks.oracle.signals import AR1, Array


@dataclass(frozen=True)
class Grid:
    """A signal that lives on a grid.

    Attributes:
        nodes: (n,) values, ascending and symmetric around 0.
        masses: (n, n) chance of each node (column) after each (row).
    """

    nodes: Array
    masses: Array

    @classmethod
    def of(cls, law: AR1, *, per_sd: int, reach: float = 6.0) -> Grid:
        """Gauss cells over so many standard deviations either way, so many cells to each.

        A cell has the Gaussian density at its middle for its mass (the trapezoidal rule): an expectation of a smooth
        function is then exact up to exp(-2 (π shock / width)²), and one of a function with a kink to the order width².
        The exact mass of a cell would be worse: rounding p' to the middle of its cell adds width² / 12 to the variance
        of every shock, and so inflates the signal and all that is earned by it.
        """
        half = round(reach * per_sd)
        nodes = np.arange(-half, half + 1) * (law.sd / per_sd)
        masses = np.exp(-0.5 * ((nodes[None, :] - law.persistence * nodes[:, None]) / law.shock) ** 2)
        return cls(nodes, masses / masses.sum(axis=1, keepdims=True))


@dataclass(frozen=True)
class Values:
    """What relative value iteration found.

    Attributes:
        gain: Optimal mean reward per step.
        worth: (n nodes, n levels) W, what each position is worth at each node once it is taken.
    """

    gain: float
    worth: Array


def best_moves(worth: Array, levels: Array, psi: float) -> Array:
    """The maximum over q of worth[:, q] - psi abs(q - q₋₁) for every q₋₁: (n, levels) -> (n, levels).

    In O(levels): the best of the levels below comes from one running maximum, the best of those above from another.
    """
    toll = psi * levels
    from_below = np.maximum.accumulate(worth + toll, axis=1) - toll
    from_above = np.maximum.accumulate((worth - toll)[:, ::-1], axis=1)[:, ::-1] + toll
    return np.asarray(np.maximum(from_below, from_above))


def relative_values(grid: Grid, levels: Array, *, psi: float, risk: float = 0.0, tolerance: float = 1e-9) -> Values:
    """Solve for the best mean reward per step.

    Args:
        grid: The signal.
        levels: (levels,) positions, ascending.
        psi: Cost per unit moved.
        risk: Cost per squared unit held.
        tolerance: The gain is found to half of it, for the reward on this grid.
    """
    earned = grid.nodes[:, None] * levels - risk * levels**2  # (nodes, levels)
    values = np.zeros_like(earned)
    while True:
        worth = earned + grid.masses @ values
        improved = best_moves(worth, levels, psi)
        change = improved - values
        # The gain lies between the smallest and the largest change (Odoni 1969).
        if np.ptp(change) < tolerance:
            return Values(gain=float(change.min() + 0.5 * np.ptp(change)), worth=worth)
        values = improved - improved[len(improved) // 2, len(levels) // 2]
