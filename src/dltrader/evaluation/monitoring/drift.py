"""Drift: how far features are spread otherwise than over the bars of training.

Training leaves a *reference*: for each feature the edges of ten bins that hold about equally many of its values. The
population stability index (PSI) of later values compares how many of them fall into each bin.

Features of neighbouring bars are alike, so that any short stretch of bars is spread otherwise than all of them: a slow
average stays in two bins for weeks. The reference therefore also says how large the index *usually* is, of stretches
of the training bars themselves; beyond that, and beyond the customary limit, is drift.

Sources: Lewis 1994, "An Introduction to Credit Scoring", and Siddiqi 2006, "Credit Risk Scorecards" (the index and its
limits of 0.1 and 0.25); it is the divergence of Jeffreys 1946, "An invariant form for the prior probability in
estimation problems", over bins.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field, model_validator

from dltrader.config import Config
from dltrader.errors import ConfigError

Array = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float32]

BINS = 10
DRIFTED = 0.25
"""From this index on it is customary to speak of another population; it has to be unusual in training, too."""

STRETCHES = (50, 100, 200, 500, 1_000, 2_000, 5_000)
"""Lengths of the stretches of training whose index is told, in bars."""

LEAST_STRETCHES = 5
"""Fewer of a length say nothing of what is usual."""

USUAL = 0.95
"""So many of the stretches have an index that is no larger than the usual one."""

LEAST_ROWS = STRETCHES[0]
"""Of fewer values an index is mostly chance."""


class FeatureSpread(Config):
    """How one feature was spread over the bars of training."""

    edges: tuple[float, ...] = Field(min_length=1, description="Between bins; a value on an edge is in the lower one")
    counts: tuple[int, ...] = Field(description="Bars of training in each bin")
    usual: dict[int, float] = Field({}, description="Bars of a stretch -> index that 95 % of such do not exceed")

    @model_validator(mode="after")
    def _bins(self) -> Self:
        if len(self.counts) != len(self.edges) + 1 or any(low >= high for low, high in pairwise(self.edges)):
            raise ConfigError("edges must increase, and counts must be one more than they are")
        if min(self.counts) < 0 or sum(self.counts) == 0:
            raise ConfigError(f"counts must be 0 or more, and not all 0, was {self.counts}")
        return self

    @property
    def shares(self) -> Array:
        """Of the bars of training in each bin: (bins,), they sum to 1."""
        return np.array(self.counts) / sum(self.counts)

    def usual_of(self, bars: int) -> float:
        """What the index of so many bars usually does not exceed: that of the longest stretch that is no longer.

        nan where training was too short to tell.
        """
        known = [length for length in self.usual if length <= bars]
        return self.usual[max(known)] if known else math.nan


class FeatureReference(Config):
    """How features were spread over the bars of training."""

    rows: int = Field(ge=1, description="Bars of training")
    features: dict[str, FeatureSpread]


def feature_reference(matrix: Matrix, names: Sequence[str], *, bins: int = BINS) -> FeatureReference:
    """How features are spread over bars.

    Args:
        matrix: (rows, features) float32, a row a bar in the order of time, at least one.
        names: Of the features.
        bins: Of each feature, with about equally many bars; fewer where many bars have the same value.
    """
    spreads = {name: _spread(matrix[:, column], bins) for column, name in enumerate(names)}
    return FeatureReference(rows=len(matrix), features=spreads)


def stability_index(expected: npt.ArrayLike, found: npt.ArrayLike) -> float:
    """The population stability index of counts in the same bins: the sum of (q - p) ln(q / p) of their shares p and q.

    Half a value is added to every bin, so that an empty one makes it large and not infinite.

    Args:
        expected: (bins,) counts.
        found: (bins,) counts.
    """
    p, q = _smoothed(expected), _smoothed(found)
    return float(((q - p) * np.log(q / p)).sum())


def drift_table(reference: FeatureReference, features: pd.DataFrame) -> pd.DataFrame:
    """How far features have drifted, those that have drifted most first.

    Args:
        reference: Of training.
        features: A row a prediction, a column a feature; those that the reference does not know are left out.

    Returns:
        A row a feature. Columns: feature, psi (nan of fewer than 50 values), usual (what 95 % of equally long stretches
        of training do not exceed; nan where that is not known), drifted (whether psi exceeds both the usual and 0.25).
    """
    rows = []
    for name, spread in reference.features.items():
        if name not in features:
            continue
        values = features[name].dropna().to_numpy(np.float32)
        enough = len(values) >= LEAST_ROWS
        psi = stability_index(spread.counts, _counts(values, spread.edges)) if enough else math.nan
        usual = spread.usual_of(len(values))
        drifted = psi > DRIFTED and not psi <= usual  # an unknown usual forgives nothing
        rows.append({"feature": name, "psi": psi, "usual": usual, "drifted": drifted})
    table = pd.DataFrame(rows, columns=["feature", "psi", "usual", "drifted"])
    return table.sort_values("psi", ascending=False, kind="stable", na_position="last", ignore_index=True)


def _spread(values: Matrix, bins: int) -> FeatureSpread:
    edges = _edges(values, bins)
    counts = _counts(values, edges)
    return FeatureSpread(edges=tuple(edges), counts=tuple(int(one) for one in counts), usual=_usual(values, edges))


def _edges(values: Matrix, bins: int) -> list[float]:
    """Quantiles that are values themselves; where the least is one of them, values below it have a bin of their own."""
    levels = np.arange(1, bins) / bins
    cuts = np.quantile(values, levels, method="inverted_cdf").astype(np.float32)
    if cuts[0] == values.min():
        cuts = np.append(np.nextafter(cuts[0], np.float32(-np.inf)), cuts)
    return [float(cut) for cut in np.unique(cuts)]


def _usual(values: Matrix, edges: Sequence[float]) -> dict[int, float]:
    whole, places = _counts(values, edges), _places(values, edges)
    usual = {}
    for length in STRETCHES:
        stretches = len(values) // length
        if stretches >= LEAST_STRETCHES:
            each = places[: stretches * length].reshape(stretches, length)
            counts = [np.bincount(one, minlength=len(whole)) for one in each]
            usual[length] = float(np.quantile([stability_index(whole, one) for one in counts], USUAL))
    return usual


def _counts(values: Matrix, edges: Sequence[float]) -> npt.NDArray[np.intp]:
    return np.bincount(_places(values, edges), minlength=len(edges) + 1)


def _places(values: Matrix, edges: Sequence[float]) -> npt.NDArray[np.intp]:
    return np.searchsorted(np.array(edges, np.float32), values, side="left")


def _smoothed(counts: npt.ArrayLike) -> Array:
    given = np.asarray(counts, np.float64) + 0.5
    shares: Array = given / given.sum()
    return shares
