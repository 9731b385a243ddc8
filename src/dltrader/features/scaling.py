"""Scaling: what makes features comparable, without looking ahead."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Annotated, Literal, TypeAlias

import numpy as np
from pydantic import Field, SerializeAsAny

from dltrader.config import Config, NamedConfig, named
from dltrader.errors import FeatureError
from dltrader.features.windows import Array, highest, lowest, standard_deviation
from dltrader.registry import Registry

NOISE = 1e-12
"""Values whose spread is below this fraction of their size are equal up to rounding."""


class Moments(Config):
    """What a fit learned of every column."""

    mean: tuple[float, ...] = Field(description="Mean of each column")
    deviation: tuple[float, ...] = Field(description="Standard deviation of each column; 0 for a constant one")

    @classmethod
    def of_columns(cls, each: Iterable[Moments]) -> Moments:
        """The moments of several tables as those of one, their columns side by side."""
        each = list(each)
        return cls(
            mean=tuple(value for moments in each for value in moments.mean),
            deviation=tuple(value for moments in each for value in moments.deviation),
        )

    def of_column(self, column: int) -> Moments:
        """The moments of one column."""
        return Moments(mean=(self.mean[column],), deviation=(self.deviation[column],))


class Scaling(NamedConfig, ABC):
    """The base of all scalings.

    Every column is fitted and scaled from its own values, so that a pipeline can do one column after
    the other and never needs all of them at once in double precision.
    """

    @property
    def warmup_bars(self) -> int:
        """How many settled rows pass before the first scaled one."""
        return 0

    @property
    def learns(self) -> bool:
        """Whether `apply` needs what `fit` gives."""
        return False

    @property
    def bound(self) -> float | None:
        """Scaled values lie in [-bound, bound]; None where they may be anything."""
        return None

    def fit(self, rows: Array) -> Moments | None:
        """What is to be learned of settled rows, (bars, columns); None where nothing is.

        A pipeline calls it, a column at a time, only if `learns`.
        """
        del rows
        return None

    @abstractmethod
    def apply(self, rows: Array, moments: Moments | None) -> Array:
        """Scale settled rows, (bars, columns) -> (bars - warmup_bars, columns).

        Args:
            rows: Settled rows, all finite.
            moments: What `fit` learned.
        """


class RollingScaling(Scaling):
    """The z-score of a value among the last `window_bars` of its column, itself included; 0 where they are equal."""

    name: Literal["rolling"] = "rolling"
    window_bars: int = Field(128, ge=2, le=10_000, description="Rows of the window, the present one included")
    clip: float = Field(5.0, gt=0, description="Largest size of a scaled value, in standard deviations")

    @property
    def warmup_bars(self) -> int:
        """Only full windows count."""
        return self.window_bars - 1

    @property
    def bound(self) -> float:
        """The clip."""
        return self.clip

    def apply(self, rows: Array, moments: Moments | None) -> Array:
        """Column by column, from each row's own window."""
        del moments
        scaled = [rolling_z_score(np.ascontiguousarray(column), self.window_bars) for column in rows.T]
        return np.clip(np.column_stack(scaled)[self.warmup_bars :], -self.clip, self.clip)


class TrainScaling(Scaling):
    """The z-score by the mean and deviation of the bars passed to `fit`, those of training; 0 for a constant column."""

    name: Literal["train"] = "train"
    clip: float = Field(5.0, gt=0, description="Largest size of a scaled value, in standard deviations")

    @property
    def learns(self) -> bool:
        """Mean and deviation of each column."""
        return True

    @property
    def bound(self) -> float:
        """The clip."""
        return self.clip

    def fit(self, rows: Array) -> Moments:
        """Mean and standard deviation (divided by the number of rows) of each column."""
        spread = rows.max(axis=0) - rows.min(axis=0)
        constant = spread <= NOISE * np.abs(rows).max(axis=0)
        deviation = np.where(constant, 0.0, rows.std(axis=0))
        return Moments(mean=tuple(rows.mean(axis=0).tolist()), deviation=tuple(deviation.tolist()))

    def apply(self, rows: Array, moments: Moments | None) -> Array:
        """By what was learned."""
        if moments is None:
            raise FeatureError("scaling 'train' is not fitted; transform with what Pipeline.fit returns")
        deviation = np.array(moments.deviation)
        constant = deviation == 0
        scaled = (rows - np.array(moments.mean)) / np.where(constant, 1.0, deviation)
        return np.clip(np.where(constant, 0.0, scaled), -self.clip, self.clip)


class NoScaling(Scaling):
    """Features as they are."""

    name: Literal["none"] = "none"

    def apply(self, rows: Array, moments: Moments | None) -> Array:
        """Nothing changes."""
        del moments
        return rows


def rolling_z_score(values: Array, window: int) -> Array:
    """(value - mean) / standard deviation of the last `window` values, the present one included.

    0 where they are equal up to rounding: their range tells, as the computed deviation of equal
    numbers need not be 0. NaN before the first full window.
    """
    top, bottom = highest(values, window), lowest(values, window)
    constant = top - bottom <= NOISE * np.maximum(np.abs(top), np.abs(bottom))
    above, standard = standard_deviation(values, window)
    # The square of a very small deviation is 0 in floats; so small a spread tells nothing either.
    constant |= standard == 0
    return np.where(constant, 0.0, above / np.where(constant, 1.0, standard))


SCALINGS: Registry[type[Scaling]] = Registry(
    "scaling",
    {
        "rolling": f"{__name__}:RollingScaling",
        "train": f"{__name__}:TrainScaling",
        "none": f"{__name__}:NoScaling",
    },
)

ScalingField: TypeAlias = Annotated[SerializeAsAny[Scaling], named(SCALINGS)]
"""A field that takes a scaling, its name, or a mapping with its name and parameters."""
