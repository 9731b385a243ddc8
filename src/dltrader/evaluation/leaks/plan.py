"""How much a leak check looks at."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from dltrader.errors import ConfigError
from dltrader.evaluation.leaks.tables import Rows

LONG = 5_000
"""Bars up to which every one is looked at, where nothing else is asked for."""


@dataclass(frozen=True)
class Plan:
    """How much is looked at.

    Attributes:
        every: Look at every so many bars; None for all, or a sample of a long series.
        sample: Look at about so many bars instead, drawn.
        cuts: Bars, drawn, after which a whole history is altered to its end; no more than the sample has.
        trades: Fills, drawn, around which a whole backtest is altered; no more than the sample has.
        seed: Of all draws.

    Raises:
        ConfigError: Both a step and a sample are given, or one is below 1.
    """

    every: int | None = None
    sample: int | None = None
    cuts: int = 12
    trades: int = 4
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the numbers."""
        if self.every is not None and self.sample is not None:
            raise ConfigError("either every so many bars or a sample of them is looked at: give --every or --sample")
        for name in ("every", "sample"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} counts bars, from 1 on, was {value}")

    def offsets(self, period: int, n_bars: int) -> Rows:
        """Where combs of a period begin, so that as many bars as asked for are the last of a block; ascending."""
        here = min(period, n_bars)
        wanted = self.sample if self.sample is not None else LONG
        if self.every is not None:
            count = math.ceil(here / self.every)
        elif self.sample is None and n_bars <= LONG:
            count = here
        else:
            count = min(here, max(1, math.ceil(wanted * period / n_bars)))
        drawn = np.random.default_rng([self.seed, period]).permutation(here)[:count]
        return np.sort(drawn)

    def rows(self, first: int, stop: int, count: int) -> Rows:
        """So many rows from one on up to, not including, another, drawn and ascending; all where there are fewer."""
        n_rows = max(stop - first, 0)
        drawn = np.random.default_rng([self.seed, n_rows, count]).permutation(n_rows)[:count]
        return np.sort(drawn) + first

    def few(self, count: int) -> int:
        """So many, or as many as are to be looked at at all."""
        return count if self.sample is None else min(count, self.sample)
