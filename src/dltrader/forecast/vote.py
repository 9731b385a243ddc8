"""A vote: what one model says of bars."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

Side = Literal["buy", "sell", "hold"]
SIDES: tuple[Side, ...] = ("buy", "sell", "hold")
BUY, SELL, HOLD = range(3)
"""Columns of probabilities over sides, and the classes of labels."""


@dataclass(frozen=True, eq=False)
class Vote:
    """What a model says of n bars, a row a bar; None where it says nothing of the kind.

    Attributes:
        probabilities: (n, 3), of buy, sell and hold; rows sum to 1.
        horizon_bars: Bars ahead that it speaks of; None of a policy.
        win: (n,), probability that a long trade over the horizon pays for its costs.
        movement: (n,), expected log return over the horizon.
        risk: (n,), expected volatility over the horizon, a bar: standard deviation of log returns.
        value: (n,), what a critic expects of the rewards to come, in the units that it learned in.
    """

    probabilities: Array
    horizon_bars: int | None = None
    win: Array | None = None
    movement: Array | None = None
    risk: Array | None = None
    value: Array | None = None
