"""Policies for costs in proportion to the move: do nothing inside a band of positions, else move to its nearer edge.

Source: Davis and Norman 1990, "Portfolio selection with transaction costs", Mathematics of Operations Research 15(4).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dltrader.benchmarks.oracle.dynamic import Grid, Values
from dltrader.benchmarks.oracle.signals import Array


@dataclass(frozen=True)
class Band:
    """The policy q = q₋₁, moved up to the lower edge or down to the upper edge of a band that rises with the signal.

    The market looks the same upside down, so that the upper edge at p is minus the lower edge at -p.

    Attributes:
        switches: (levels - 1,) the signal from which on it pays to buy from each level up to the next; ascending.
        levels: (levels,) positions, ascending.
        smooth: Whether the positions between the levels may be taken too.
    """

    switches: Array
    levels: Array
    smooth: bool = False

    def __call__(self, signal: Array, position: Array) -> Array:
        """The next positions."""
        return np.clip(position, self.lower(signal), -self.lower(-np.asarray(signal)))

    def lower(self, signal: Array) -> Array:
        """The position up to which it pays to buy, at each signal."""
        if not self.smooth:
            return np.asarray(self.levels[np.searchsorted(self.switches, signal, side="right")])
        between = 0.5 * (self.levels[1:] + self.levels[:-1])
        known = np.isfinite(self.switches)
        return np.interp(signal, self.switches[known], between[known])


def band_of(grid: Grid, values: Values, levels: Array, psi: float, *, smooth: bool = False) -> Band:
    """The policy that goes with a solution on a grid; where it switches is interpolated between the nodes.

    Buying from a level to the next pays where the worth of the next is higher by more than the cost of the move. That
    rises with the signal, and as the worth is concave in the position, the switches ascend.
    """
    gains = np.diff(values.worth, axis=1) - psi * np.diff(levels)  # (nodes, levels - 1), rising with the node
    switches = np.array([np.interp(0.0, gain, grid.nodes) for gain in gains.T])
    switches[gains[-1] <= 0.0] = np.inf  # a level that is never bought on the grid
    switches[gains[0] >= 0.0] = -np.inf
    return Band(np.maximum.accumulate(switches), levels, smooth)
