"""Samples: windows of features and what became of them, to learn from and to be scored on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from dltrader.forecast.vote import Array


@dataclass(frozen=True, eq=False)
class Samples:
    """Bars that can be learned from, of one market or of several below each other.

    Windows are slices of one matrix and are cut out when they are asked for: a row costs its labels only.

    Attributes:
        features: (bars, features) float32, of all bars, whether they can be learned from or not.
        names: Of the features.
        rows: (n,) int64, the bar of each sample: the last row of its window; in the order of time within a market.
        times: (n,), when that bar closed.
        side: (n,) int64, the class of what paid for its costs, as `vote.SIDES` counts them.
        movement: (n,), log return over the horizon.
        risk: (n,), realised volatility over the horizon, a bar.
        wins: Horizon in bars -> (n,) int64, 1 where a long trade over it paid for its costs.
        ends: (n,), when the last bar closed that any of its labels tells of; None of samples that are never cut.
    """

    features: npt.NDArray[np.float32]
    names: tuple[str, ...]
    rows: npt.NDArray[np.int64]
    times: pd.DatetimeIndex
    side: npt.NDArray[np.int64]
    movement: Array
    risk: Array
    wins: Mapping[int, npt.NDArray[np.int64]]
    ends: pd.DatetimeIndex | None = None

    def __len__(self) -> int:
        """How many samples there are."""
        return len(self.rows)

    def windows(self, window_bars: int, which: npt.NDArray[np.int64] | slice = slice(None)) -> npt.NDArray[np.float32]:
        """Windows of samples: (k, window_bars, features) float32, the newest row last.

        Args:
            window_bars: Rows of a window; of no sample more than it has behind it.
            which: Samples by their numbers; by default all.
        """
        rows = self.rows[which]
        cut: npt.NDArray[np.float32] = self.features[rows[:, np.newaxis] + np.arange(1 - window_bars, 1)]
        return cut

    def take(self, which: npt.NDArray[np.int64] | npt.NDArray[np.bool_] | slice) -> Samples:
        """Some of the samples, over the same features."""
        return Samples(
            features=self.features,
            names=self.names,
            rows=self.rows[which],
            times=self.times[which],
            side=self.side[which],
            movement=self.movement[which],
            risk=self.risk[which],
            wins={horizon: wins[which] for horizon, wins in self.wins.items()},
            ends=None if self.ends is None else self.ends[which],
        )

    @classmethod
    def joined(cls, each: Sequence[Samples]) -> Samples:
        """Samples of several markets as one, their features below each other."""
        first = each[0]
        begins = np.cumsum([0, *(len(one.features) for one in each[:-1])])
        return cls(
            features=np.concatenate([one.features for one in each]),
            names=first.names,
            rows=np.concatenate([one.rows + begin for one, begin in zip(each, begins, strict=True)]),
            times=_joined([one.times for one in each]),
            side=np.concatenate([one.side for one in each]),
            movement=np.concatenate([one.movement for one in each]),
            risk=np.concatenate([one.risk for one in each]),
            wins={horizon: np.concatenate([one.wins[horizon] for one in each]) for horizon in first.wins},
            ends=None if first.ends is None else _joined([one.ends for one in each if one.ends is not None]),
        )


def _joined(each: Sequence[pd.DatetimeIndex]) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(each[0].append(list(each[1:])))
