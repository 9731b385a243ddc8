"""The states of a table: quantile bins of features times levels of exposure, numbered from 0.

- *bin*: one of the ranges that the edges of a feature cut its values into; each holds about as many training bars
- *edge*: where one bin ends and the next begins; a value on an edge belongs to the upper bin
- *level*: an exposure that is told apart from others; whatever is held counts as the nearest level
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dltrader.errors import ConfigError

Array = npt.NDArray[Any]
Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class States:
    """The numbering of states: the first feature counts most, then the others, then the level of exposure.

    Attributes:
        bins: (features,) bins of each feature.
        levels: (levels,) exposures, ascending.
    """

    bins: tuple[int, ...]
    levels: tuple[float, ...]

    def __len__(self) -> int:
        """How many states there are."""
        return math.prod(self.bins) * len(self.levels)

    @property
    def n_edges(self) -> int:
        """Edges of all features."""
        return sum(self.bins) - len(self.bins)

    def numbers(self, rows: Array, exposure: Array, edges: Array) -> Numbers:
        """The states of some bars.

        Args:
            rows: (n, features) values of the features.
            exposure: (n,) exposure held.
            edges: (n_edges,) those of the first feature, ascending, then those of the next.

        Returns:
            (n,) numbers below `len(states)`.
        """
        number = np.zeros(len(rows), np.int64)
        begin = 0
        for column, n_bins in enumerate(self.bins):
            own = edges[begin : begin + n_bins - 1]
            begin += n_bins - 1
            number = number * n_bins + np.searchsorted(own, rows[:, column], side="right")
        levels = np.array(self.levels)
        between = 0.5 * (levels[1:] + levels[:-1])
        return number * len(levels) + np.searchsorted(between, exposure, side="right")


def quantile_edges(values: Array, n_bins: int, name: str) -> Array:
    """The edges that cut values into bins of as equal a number as can be, each midway between two values that occur.

    Args:
        values: (n,) of one feature.
        n_bins: Bins, 2 or more.
        name: Of the feature, for the message.

    Returns:
        (n_bins - 1,) ascending.

    Raises:
        ConfigError: The feature has too few different values, or some are too frequent, for so many bins.
    """
    distinct, counts = np.unique(np.asarray(values, np.float64), return_counts=True)
    if len(distinct) == 1:
        raise ConfigError(
            f"agent.bins: the feature {name} cannot be cut into {n_bins} bins, for it is constant: {distinct[0]:g} on "
            f"all {len(values)} bars; name others in agent.features, or take it out of env.features"
        )
    below = np.cumsum(counts[:-1])  # (distinct - 1,) values below each place where a cut can be made
    cuts = _cuts(below, len(values), n_bins)
    if cuts is None:
        fewer = next(one for one in range(n_bins - 1, 1, -1) if _cuts(below, len(values), one) is not None)
        why = (
            f"it has {len(distinct)} different values"
            if len(distinct) < n_bins
            else f"{counts.max() / len(values):.0%} of the {len(values)} bars have {distinct[counts.argmax()]:g}"
        )
        raise ConfigError(
            f"agent.bins: the feature {name} cannot be cut into {n_bins} bins of equal number, for {why}; give it "
            f"{fewer} bins at most, or name others in agent.features"
        )
    return np.asarray(0.5 * (distinct[cuts] + distinct[cuts + 1]))


def _cuts(below: Array, n_values: int, n_bins: int) -> Numbers | None:
    """The places nearest to where equal bins would be cut, (n_bins - 1,); None where two bins would be cut at one."""
    wanted = n_values * np.arange(1, n_bins) / n_bins
    upper = np.minimum(np.searchsorted(below, wanted), len(below) - 1)
    lower = np.maximum(upper - 1, 0)
    cuts = np.where(wanted - below[lower] < below[upper] - wanted, lower, upper)
    return cuts if (np.diff(cuts) > 0).all() else None


def edges_of(rows: Array, bins: Sequence[int], names: Sequence[str]) -> Array:
    """The edges of all features, one after the other, as `States.numbers` takes them.

    Args:
        rows: (n, features) values seen in training.
        bins: (features,) bins of each.
        names: (features,) what they are called.

    Raises:
        ConfigError: Bins of a feature cannot be formed.
    """
    cut = [quantile_edges(column, n_bins, name) for column, n_bins, name in zip(rows.T, bins, names, strict=True)]
    return np.concatenate(cut)
