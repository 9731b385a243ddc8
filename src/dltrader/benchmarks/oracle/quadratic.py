"""The quadratic task in closed form.

Source: Gârleanu and Pedersen 2013, "Dynamic trading with predictable returns and transaction costs", Journal of Finance
68(6), here for one asset, without discounting, and for the reward p q - risk q² - impact (Δq)².
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from dltrader.benchmarks.oracle.signals import AR1, Array


@dataclass(frozen=True)
class Linear:
    """The policy q = keep q₋₁ + aim p.

    Attributes:
        keep: Share of the position that is kept, in [0, 1).
        aim: Units added per unit of signal.
        largest: Largest position either way.
    """

    keep: float
    aim: float
    largest: float = math.inf

    def __call__(self, signal: Array, position: Array) -> Array:
        """The next positions."""
        return np.asarray(np.clip(self.keep * position + self.aim * signal, -self.largest, self.largest))

    def value(self, law: AR1, *, impact: float, risk: float) -> float:
        """Mean reward per step, from the moments of (p, q) in the long run; without the bound."""
        a, rho = self.keep, law.persistence
        with_signal = self.aim * law.sd**2 / (1.0 - a * rho)  # E[p q]
        with_last = self.aim * rho * with_signal  # E[q q₋₁] - keep E[q²]
        square = (2.0 * a * with_last + (self.aim * law.sd) ** 2) / (1.0 - a**2)  # E[q²]
        move = 2.0 * (square - a * square - with_last)  # E[(Δq)²]
        return with_signal - risk * square - impact * move


def optimal(law: AR1, *, impact: float, risk: float, largest: float = math.inf) -> Linear:
    """The policy that earns most in the long run.

    With the value -A q² / 2 + B p q, maximising gives keep = 2 impact / (2 risk + 2 impact + A); the envelope theorem
    gives A = 2 impact (1 - keep), B = 2 impact aim, and these impact keep² - (risk + 2 impact) keep + impact = 0.
    """
    keep = (risk + 2.0 * impact - math.sqrt(risk**2 + 4.0 * risk * impact)) / (2.0 * impact)
    curvature = 2.0 * (risk + impact) + 2.0 * impact * (1.0 - keep)
    return Linear(keep, 1.0 / (curvature - 2.0 * impact * law.persistence), largest)


def myopic(*, impact: float, risk: float, largest: float = math.inf) -> Linear:
    """The policy that earns most over the next step."""
    return Linear(impact / (risk + impact), 0.5 / (risk + impact), largest)
