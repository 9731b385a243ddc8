"""Signals and the paths drawn of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class AR1:
    """The process p' = persistence p + shock ε with ε standard normal, in its stationary law.

    Attributes:
        persistence: Share of p that is left after one step, in [0, 1).
        shock: Standard deviation of what is added in one step.
    """

    persistence: float
    shock: float

    @property
    def sd(self) -> float:
        """Standard deviation of p."""
        return self.shock / math.sqrt(1.0 - self.persistence**2)

    def sample(self, generator: np.random.Generator, n_paths: int, steps: int) -> Array:
        """Stationary paths: (n_paths, steps)."""
        shocks = generator.standard_normal((steps, n_paths))  # a step is one run of memory
        shocks[0] *= self.sd
        shocks[1:] *= self.shock
        for now in range(1, steps):
            shocks[now] += self.persistence * shocks[now - 1]
        return np.ascontiguousarray(shocks.T)


SIGNAL = AR1(persistence=0.9, shock=math.sqrt(0.2))
"""Of every task but Ritter's: p' = 0.9 p + 0.44721 ε, mean-reverting with rate and volatility 0.1, scaled; sd 1.0260.

Source: Chaouki, Hardiman, Schmidt, Serié and de Lataillade 2020, "Deep deterministic portfolio optimization",
arXiv 2003.06497.
"""


@dataclass(frozen=True)
class Paths:
    """Paths of a task: all that does not depend on what the agent does.

    At step t (0 … steps - 1) the newest column of `shown` that may be seen is `history - 1 + t`; the column after the
    last step's belongs to the observation that ends the episode.

    Attributes:
        shown: (n_paths, history + steps) what the agent sees of the market.
        signal: (n_paths, steps) what a unit is expected to earn over each step, given p.
        paid: (n_paths, steps) what a unit earns over it.
    """

    shown: Array
    signal: Array
    paid: Array

    @property
    def steps(self) -> int:
        """Steps of every path."""
        return int(self.paid.shape[1])

    @property
    def history(self) -> int:
        """Columns that are seen at the first step."""
        return int(self.shown.shape[1] - self.steps)
