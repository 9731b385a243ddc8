"""The law of forward returns, and what nobody can do better than: probabilities, and log losses without simulation.

At the close of a bar the forward return is normal: its mean is what can be known there, its deviation what cannot.
Over many bars that mean is itself a mixture of normal ones of equal weight and spread, so that every expectation over
bars is an integral over one standard normal number.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, xlogy

from dltrader.forecast.vote import BUY, HOLD, SELL, Array

WIDEST = 10.0
"""Standard deviations that integrals reach to; beyond them lies 1e-23 of all chance."""
NODES = 2001
"""At which integrals are summed. Of smooth functions under a normal law the trapezoidal rule converges faster than any
power of their number: twice as many change no digit in the tests."""


@dataclass(frozen=True, eq=False)
class Law:
    """What is known of forward returns over one horizon, log returns throughout.

    Attributes:
        expected: (bars,) mean of the forward return given all that is known at each close.
        deviation: Standard deviation of it around that mean, above 0.
        centres: (mixture,) what `expected` lies around, each equally often.
        spread: Standard deviation of `expected` around its centre; 0 where nothing can be known.
    """

    expected: Array
    deviation: float
    centres: Array
    spread: float

    def sides(self, breakeven: float) -> Array:
        """Probabilities of buy, sell and hold at each close: (bars, 3)."""
        return sides_given(self.expected, self.deviation, breakeven)

    def wins(self, breakeven: float) -> Array:
        """Probability that a long trade pays for its costs, at each close: (bars,)."""
        wins: Array = self.sides(breakeven)[:, BUY]
        return wins

    def side_rates(self, breakeven: float) -> Array:
        """How often each side comes in the long run: (3,)."""
        total = math.hypot(self.deviation, self.spread)
        rates: Array = sides_given(self.centres, total, breakeven).mean(axis=0)
        return rates

    def best_side_loss(self, breakeven: float) -> float:
        """The expected log loss of who knows the law, in nats, over the long run."""
        return self._mean_over_bars(breakeven, wins=False)

    def best_win_loss(self, breakeven: float) -> float:
        """The same of the two classes win and no win."""
        return self._mean_over_bars(breakeven, wins=True)

    def base_side_loss(self, breakeven: float) -> float:
        """The expected log loss of who knows nothing but how often each side comes."""
        return float(entropies(self.side_rates(breakeven)[np.newaxis])[0])

    def base_win_loss(self, breakeven: float) -> float:
        """The same of the two classes win and no win."""
        return float(entropies(two_classes(self.side_rates(breakeven)[np.newaxis]))[0])

    def _mean_over_bars(self, breakeven: float, *, wins: bool) -> float:
        """E[H(p(m))] over the mixture: the mean entropy of what the law leaves open."""
        nodes = np.linspace(-WIDEST, WIDEST, NODES)
        weights = np.exp(-0.5 * nodes**2)
        means = self.centres[:, np.newaxis] + self.spread * nodes  # (mixture, nodes)
        sides = sides_given(means.ravel(), self.deviation, breakeven)  # (mixture * nodes, 3)
        open_still = entropies(two_classes(sides) if wins else sides).reshape(means.shape)
        return float((open_still @ weights).mean() / weights.sum())


def sides_given(expected: Array, deviation: float, breakeven: float) -> Array:
    """Probabilities of buy, sell and hold for normal forward returns: (bars, 3)."""
    sides = np.empty((len(expected), 3))
    sides[:, BUY] = ndtr((expected - breakeven) / deviation)
    sides[:, SELL] = ndtr((-breakeven - expected) / deviation)
    # What is left over, without the rounding of 1 - buy - sell: it may be small.
    sides[:, HOLD] = ndtr((breakeven - expected) / deviation) - sides[:, SELL]
    return sides


def two_classes(sides: Array) -> Array:
    """No win and win, (bars, 2), of probabilities over sides."""
    return np.column_stack([sides[:, SELL] + sides[:, HOLD], sides[:, BUY]])


def entropies(probabilities: Array) -> Array:
    """-Σ p ln p of each row in nats: the log loss that its forecaster expects. Source: Shannon 1948."""
    sums: Array = -xlogy(probabilities, probabilities).sum(axis=1)
    return sums
