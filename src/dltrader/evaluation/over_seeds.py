"""Over seeds: one number of each seed becomes an interquartile mean and the interval around it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dltrader.evaluation.statistics.seeds import interquartile_mean, seeds_interval


@dataclass(frozen=True)
class Estimate:
    """What a number is over seeds.

    Attributes:
        estimate: Interquartile mean; nan of none.
        low: Lower end of the 95 % interval over seeds; nan of fewer than two.
        high: Its upper end.
        seeds: How many have the number: a seed that never traded has no Sharpe ratio.
    """

    estimate: float
    low: float
    high: float
    seeds: int

    @classmethod
    def none(cls) -> Estimate:
        """Of no seed."""
        return cls(math.nan, math.nan, math.nan, 0)

    def to_mapping(self) -> dict[str, float]:
        """estimate, low, high, seeds."""
        return {"estimate": self.estimate, "low": self.low, "high": self.high, "seeds": self.seeds}

    def named(self, name: str) -> dict[str, float]:
        """NAME, NAME_low, NAME_high, for a row in which other numbers stand too."""
        return {name: self.estimate, f"{name}_low": self.low, f"{name}_high": self.high}


def over_seeds(values: npt.ArrayLike) -> Estimate:
    """The interquartile mean of those values that are finite, and its bootstrap interval over seeds.

    Args:
        values: (seeds,)
    """
    numbers = np.asarray(values, np.float64)
    finite = numbers[np.isfinite(numbers)]
    if len(finite) < 2:  # of one seed nothing is known of others, which an interval without width would deny
        return Estimate(interquartile_mean(finite), math.nan, math.nan, len(finite))
    interval = seeds_interval(finite)
    return Estimate(interval.estimate, interval.low, interval.high, len(finite))


def table_over_seeds(rows: Sequence[Mapping[str, Any]], names: Iterable[str]) -> dict[str, dict[str, float]]:
    """Metric -> its estimate, of rows of which each is a seed's."""
    return {name: over_seeds([row[name] for row in rows]).to_mapping() for name in names}
