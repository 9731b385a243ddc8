"""What noisy returns tell of the hidden signal: the steady-state Kalman filter.

Source: Kalman 1960, "A new approach to linear filtering and prediction problems"; scalar case.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from dltrader.benchmarks.oracle.signals import AR1, Array


@dataclass(frozen=True)
class Filter:
    """Estimates p̂_t = E[p_t | y_s, s < t] of a signal p from y = p + noise η.

    The estimate is an AR(1) itself. A reward linear in p therefore has the same expectation with p̂ in p's place, and
    the best policy is the one that is best for the signal p̂: `law`.

    Attributes:
        signal: The law of p.
        noise: Standard deviation of the noise.
    """

    signal: AR1
    noise: float

    @property
    def variance(self) -> float:
        """Variance P of p_t given all returns before it: the root of P = a² P R / (P + R) + σ²."""
        a, q, r = self.signal.persistence, self.signal.shock**2, self.noise**2
        half = 0.5 * (r * (1.0 - a**2) - q)
        return math.sqrt(half**2 + q * r) - half

    @property
    def gain(self) -> float:
        """Share of a surprise that is believed, P / (P + R)."""
        return self.variance / (self.variance + self.noise**2)

    @property
    def law(self) -> AR1:
        """The law of p̂: surprises have the variance P + R."""
        a = self.signal.persistence
        return AR1(a, a * self.gain * math.sqrt(self.variance + self.noise**2))

    def update(self, estimate: Array, seen: Array) -> Array:
        """The estimate for the next step, once this step's return is seen."""
        return np.asarray(self.signal.persistence * (estimate + self.gain * (seen - estimate)))

    def estimates(self, returns: Array) -> Array:
        """Estimates after each return, (n_paths, columns) -> (n_paths, columns), from no knowledge before the first."""
        found = np.empty(returns.shape[::-1])  # a step is one run of memory
        estimate = np.zeros(len(returns))
        for column, seen in enumerate(returns.T):
            found[column] = estimate = self.update(estimate, seen)
        return np.ascontiguousarray(found.T)
