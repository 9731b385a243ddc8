"""The probability of backtest overfitting: how often the best trial of one half is below the median of the other."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import combinations, islice

import numpy as np
import numpy.typing as npt

from dltrader.errors import ConfigError
from dltrader.evaluation.metrics import ROUNDING

Array = npt.NDArray[np.float64]
MOST_BLOCKS = 20
CHUNK_ELEMENTS = 2_000_000
"""Of a matrix (combinations, trials) held at once: 16 MB."""


@dataclass(frozen=True)
class Overfitting:
    """What combinatorially symmetric cross-validation finds.

    Attributes:
        probability: Share of the combinations in which the trial that was best in one half is not above the median of
            all trials in the other.
        loss_probability: Share of the combinations in which it loses there.
        slope: Of its Sharpe ratio there on its Sharpe ratio where it was chosen; below 0, better means worse.
        combinations: How many halves there were.
        logits: (combinations,) ln(w / (1 - w)), where w = rank / (trials + 1) is its rank there, 1 the worst.
        why: Why they are nan, if they are.
    """

    probability: float
    loss_probability: float
    slope: float
    combinations: int
    logits: Array = field(repr=False, compare=False)
    why: str | None = None


def overfitting_probability(returns: npt.ArrayLike, blocks: int = 10) -> Overfitting:
    """The probability of backtest overfitting of choosing the best of many trials by its Sharpe ratio.

    Bars are cut into blocks; every choice of half of the blocks takes a turn as the half in which the best trial is
    chosen, and is judged on the other half.

    Source: Bailey, Borwein, Lopez de Prado and Zhu 2017, "The probability of backtest overfitting", Journal of
    Computational Finance 20(4).

    Args:
        returns: (n_bars, n_trials) of all trials on the same bars, those that were thrown away included.
        blocks: An even number from 2 to 20; blocks of bars that blocks does not divide differ by one bar.

    Returns:
        nan, and why, of fewer than 2 trials or 2 bars a block, if a return is not finite or a trial never varies.

    Raises:
        ConfigError: An odd number of blocks, or one out of range.
    """
    if blocks % 2 or not 2 <= blocks <= MOST_BLOCKS:
        raise ConfigError(f"blocks must be an even number from 2 to {MOST_BLOCKS}, was {blocks}")
    values = np.asarray(returns, np.float64)
    if (why := _why_not(values, blocks)) is not None:
        return Overfitting(math.nan, math.nan, math.nan, 0, np.empty(0), why)
    trials = values.shape[1]
    # Sums of blocks are all that Sharpe ratios take. Without the mean of each trial the squares keep their digits.
    middle = values.mean(axis=0)
    cuts = np.array_split(values - middle, blocks)
    counts = np.array([len(cut) for cut in cuts], np.float64)  # (blocks,)
    sums = np.array([cut.sum(axis=0) for cut in cuts])  # (blocks, trials)
    squares = np.array([(cut**2).sum(axis=0) for cut in cuts])  # (blocks, trials)

    def sharpe(chosen: Array) -> Array:
        n = (chosen @ counts)[:, None]  # (combinations, 1)
        mean = chosen @ sums / n  # (combinations, trials)
        variance = np.maximum(chosen @ squares / n - mean**2, 0.0) * n / (n - 1.0)
        return np.asarray((mean + middle) / np.sqrt(np.maximum(variance, ROUNDING**2)))

    inner, outer, ranks = [], [], []
    halves = combinations(range(blocks), blocks // 2)
    while chunk := list(islice(halves, max(1, CHUNK_ELEMENTS // trials))):
        chosen = np.zeros((len(chunk), blocks))
        np.put_along_axis(chosen, np.array(chunk), 1.0, axis=1)
        inside, outside = sharpe(chosen), sharpe(1.0 - chosen)
        best = inside.argmax(axis=1)[:, None]
        reached = np.take_along_axis(outside, best, axis=1)
        inner.append(np.take_along_axis(inside, best, axis=1)[:, 0])
        outer.append(reached[:, 0])
        # Equals share the mean of their ranks.
        ranks.append((outside < reached).sum(axis=1) + 0.5 * ((outside == reached).sum(axis=1) + 1.0))
    before, after, rank = np.concatenate(inner), np.concatenate(outer), np.concatenate(ranks)
    logits = np.log(rank / (trials + 1.0 - rank))
    apart = before - before.mean()
    moved = float(apart @ apart)
    return Overfitting(
        probability=float(np.mean(logits <= 0.0)),
        loss_probability=float(np.mean(after < 0.0)),
        slope=float(apart @ after) / moved if moved > 0.0 else math.nan,
        combinations=len(logits),
        logits=logits,
    )


def _why_not(values: Array, blocks: int) -> str | None:
    if values.ndim != 2 or values.shape[1] < 2:
        return "at least 2 trials are needed, one column each"
    if len(values) < 2 * blocks:
        return f"{len(values)} returns; at least {2 * blocks} are needed for {blocks} blocks"
    if odd := int(np.count_nonzero(~np.isfinite(values))):
        return f"{odd} of {values.size} returns are not finite"
    if still := int(np.count_nonzero(np.ptp(values, axis=0) <= ROUNDING)):
        return f"{still} of {values.shape[1]} trials never vary; leave them out"
    return None
