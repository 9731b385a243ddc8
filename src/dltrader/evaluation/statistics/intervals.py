"""An estimate and the interval around it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

from dltrader.errors import ConfigError


@dataclass(frozen=True)
class Interval:
    """An estimate and the ends between which the true value lies with a stated chance, as a rule 95 %.

    Attributes:
        estimate: Of the values themselves.
        low: Lower end.
        high: Upper end.
        why: Why they are nan, if they are.
    """

    estimate: float
    low: float
    high: float
    why: str | None = None

    def holds(self, value: float) -> bool:
        """Whether a value lies between the ends; False where they are nan."""
        return self.low <= value <= self.high


def unknown(why: str, *, estimate: float = math.nan) -> Interval:
    """An interval that cannot be computed, and why."""
    return Interval(estimate, math.nan, math.nan, why)


def require_level(level: float) -> float:
    """Return a level of an interval that can be."""
    if not 0.0 < level < 1.0:
        raise ConfigError(f"level must be above 0 and below 1, was {level:g}; 95 % is 0.95")
    return level


def wilson_interval(share: float, trials: int, *, level: float = 0.95) -> Interval:
    """The interval of a probability of which a share of independent trials is known.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference", Journal of the American
    Statistical Association 22(158).

    Args:
        share: Of the trials, from 0 to 1.
        trials: How many there were.
        level: Chance with which such intervals hold the probability.
    """
    if trials < 1:
        return unknown("there was no trial")
    z = NormalDist().inv_cdf(0.5 + 0.5 * require_level(level))
    middle = share + z * z / (2.0 * trials)
    reach = z * math.sqrt(share * (1.0 - share) / trials + z * z / (4.0 * trials * trials))
    scale = 1.0 + z * z / trials
    # Where all or none of them were, the end is exactly there; rounding would leave it out.
    low = (middle - reach) / scale if share > 0.0 else 0.0
    high = (middle + reach) / scale if share < 1.0 else 1.0
    return Interval(share, low, high)
