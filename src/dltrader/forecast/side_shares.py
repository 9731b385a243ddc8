"""From the probability of a win to the probabilities of buy, sell and hold.

A trade wins or loses, and each side comes more or less often with either: P(side) = p P(side | won) + (1 - p)
P(side | lost). What came with a loss depends on how unlikely the win was, for where prices are to fall far, selling
would have paid, and where they are to stand still, nothing. So these shares are a multinomial logistic function of the
logit of p, learned from the labels of training. Where buy is what wins, P(buy) is nearly p.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from dltrader.errors import BundleError
from dltrader.forecast.scores import LEAST_PROBABILITY
from dltrader.forecast.vote import SIDES, Array

Classes = npt.NDArray[np.int64]

STEPS = 100
"""Of Newton's method at most; it takes about six."""

CLOSE = 1e-10
"""It ends with a step no longer than this."""


@dataclass(frozen=True, eq=False)
class SideShares:
    """How buy, sell and hold are shared out by the probability of a win.

    Attributes:
        coefficients: (2, 2, 3): where a trade lost, and where it won; constant, and slope by the logit of a win; side.
    """

    coefficients: Array

    @classmethod
    def fit(cls, win: Array, wins: Classes, side: Classes) -> Self:
        """Learn shares.

        Args:
            win: (n,), probability of a win as it would have been told.
            wins: (n,), 1 where the trade won.
            side: (n,), what paid for its costs.
        """
        logit = _logit(win)
        return cls(np.stack([_fitted(logit[wins == outcome], side[wins == outcome]) for outcome in (0, 1)]))

    def probabilities(self, win: Array) -> Array:
        """Probabilities of the sides, (n, 3), by those of a win, (n,)."""
        lost, won = (_said(_logit(win), each) for each in self.coefficients)  # (n, 3)
        shared: Array = win[:, np.newaxis] * won + (1.0 - win)[:, np.newaxis] * lost
        return shared

    @classmethod
    def from_list(cls, values: Sequence[Sequence[Sequence[float]]]) -> Self:
        """From plain numbers, as `coefficients.tolist()` gives them.

        Raises:
            BundleError: They are not those of shares.
        """
        try:
            coefficients = np.array(values, np.float64)
        except (TypeError, ValueError):
            coefficients = np.empty(0)
        if coefficients.shape != (2, 2, len(SIDES)) or not np.isfinite(coefficients).all():
            raise BundleError(f"found {values!r}, shares of sides are 2 x 2 x 3 numbers; copy the run again")
        return cls(coefficients)


def _fitted(logit: Array, side: Classes) -> Array:
    """Coefficients, (2, 3), of the likeliest multinomial logistic function of a logit, drawn a little towards none.

    They are told from the shares of all bars alike, each counted once more than it came, so that nothing which never
    came is held to be impossible; and their squares are kept small, as a normal prior of deviation 1 would.
    """
    counts = np.bincount(side, minlength=len(SIDES)) + 1.0
    start = np.stack([np.log(counts / counts.sum()), np.zeros(len(SIDES))])  # (2, 3)
    rows, came = np.stack([np.ones_like(logit), logit], axis=1), np.eye(len(SIDES))[side]  # (n, 2), (n, 3)
    products = rows[:, :, np.newaxis] * rows[:, np.newaxis, :]  # (n, 2, 2)
    away: Array = np.zeros_like(start)

    def cost(away: Array) -> float:
        likely = _said(logit, start + away)
        return float((away**2).sum() / 2 - np.log((likely * came).sum(axis=1)).sum())

    for _ in range(STEPS):
        likely = _said(logit, start + away)
        slope = rows.T @ (likely - came) + away  # (2, 3)
        spread = likely[:, :, np.newaxis] * (np.eye(len(SIDES)) - likely[:, np.newaxis, :])  # (n, 3, 3)
        bend = np.tensordot(products, spread, axes=(0, 0)).swapaxes(1, 2).reshape(away.size, away.size)
        bend += np.eye(away.size)
        step = np.linalg.solve(bend, slope.reshape(-1)).reshape(slope.shape)
        while cost(away - step) > cost(away) and np.abs(step).max() > CLOSE:
            step /= 2
        away = away - step
        if np.abs(step).max() <= CLOSE:
            break
    fitted: Array = start + away
    return fitted


def _said(logit: Array, coefficients: Array) -> Array:
    """Shares of sides, (n, 3), by a logit: (n,); each row from its own logit alone, to the bit."""
    logits = coefficients[0] + logit[:, np.newaxis] * coefficients[1]
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: Array = odds / odds.sum(axis=1, keepdims=True)
    return shares


def _logit(probability: Array) -> Array:
    kept: Array = np.clip(probability, LEAST_PROBABILITY, 1.0 - LEAST_PROBABILITY)
    logit: Array = np.log(kept) - np.log1p(-kept)
    return logit
