"""The pipeline: a list of features and a scaling, fitted on bars, transforming bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self, TypeAlias, overload

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field, model_validator

from dltrader.config import Config
from dltrader.errors import BarsError, ConfigError, FeatureError
from dltrader.features.compute import (
    columns_of,
    compute,
    finite_values,
    is_own,
    plain_bars,
    plain_context,
    settled_from,
)
from dltrader.features.context import Context, context_names
from dltrader.features.look_ahead import check_causal
from dltrader.features.scaling import SCALINGS, Moments, Scaling, ScalingField
from dltrader.features.spec import FeatureSpec
from dltrader.features.windows import Array

Matrix: TypeAlias = npt.NDArray[np.float32]


class Pipeline:
    """Features and a scaling, not yet fitted: it knows its columns and its warm-up, and transforms nothing.

    Attributes:
        specs: What is computed.
        scaling: How it is scaled.
        names: The columns, in order.
    """

    def __init__(
        self,
        specs: Sequence[FeatureSpec | str | Mapping[str, Any]],
        scaling: Scaling | str = "rolling",
    ) -> None:
        """Check the list.

        Args:
            specs: Features, each as a spec, a name, or a mapping with a name and parameters.
            scaling: A scaling or its name.

        Raises:
            ConfigError: A feature is unknown, a parameter out of range, or a column listed twice.
            UnknownNameError: The scaling is unknown.
            FeatureError: A feature cannot be computed.
        """
        self.specs = tuple(FeatureSpec.parse(spec) for spec in specs)
        self.scaling = SCALINGS[scaling].from_mapping({"name": scaling}) if isinstance(scaling, str) else scaling
        self.names = _names(self.specs)

    @property
    def warmup_bars(self) -> int:
        """How many leading bars give no row; known without bars.

        Features of higher intervals, of other markets and of sessions may take more of some bars: see `warmup_on`.
        """
        return _warmup_bars(self.specs) + self.scaling.warmup_bars

    def warmup_on(self, bars: pd.DataFrame, context: Context | None = None) -> int:
        """How many leading rows of bars give no row; `warmup_bars` where no feature looks elsewhere.

        It depends on the times of bars only.

        Args:
            bars: One instrument.
            context: Markets that features look at.

        Raises:
            BarsError: A feature is nowhere settled on them.
            ConfigError: A market is missing, or an interval is no longer than the bars'.
        """
        return _first_row(self.specs, plain_bars(bars), plain_context(self.specs, context)) + self.scaling.warmup_bars

    def fit(self, bars: pd.DataFrame | Mapping[str, pd.DataFrame], context: Context | None = None) -> FittedPipeline:
        """Learn what the scaling has to learn, and check features that are not this library's for look-ahead.

        Args:
            bars: Those of training; of several instruments all rows are pooled.
            context: Markets that features look at, by the names that the features use.

        Raises:
            BarsError: There are too few bars.
            ConfigError: A market is missing, or an interval is no longer than the bars'.
            LookAheadError: A feature changes when later bars are removed.
            FeatureError: A feature cannot be computed or is not finite after its warm-up.
        """
        frames = bars.values() if isinstance(bars, Mapping) else [bars]
        plains = [plain_bars(frame) for frame in frames]
        if not plains:
            raise BarsError("there are no bars to fit on; pass a frame or a mapping with at least one")
        others = plain_context(self.specs, context)
        firsts = [_first_row(self.specs, plain, others) for plain in plains]
        for plain, first in zip(plains, firsts, strict=True):
            _require_enough(plain, first + self.scaling.warmup_bars)
        learned = [moments for spec in self.specs for moments in self._checked_moments(spec, plains, firsts, others)]
        return FittedPipeline(
            features=self.specs,
            scaling=self.scaling,
            names=self.names,
            warmup_bars=self.warmup_bars,
            moments=Moments.of_columns(learned) if learned else None,
        )

    def _checked_moments(
        self, spec: FeatureSpec, plains: Sequence[pd.DataFrame], firsts: Sequence[int], context: Context
    ) -> list[Moments]:
        """Check a feature on all bars, and learn its columns' moments; an empty list where there is none to learn."""
        pools: list[list[Array]] = [[] for _ in columns_of(spec).names]
        for plain, first in zip(plains, firsts, strict=True):
            table = compute(spec, plain, context)
            if not is_own(spec):
                check_causal(spec, plain, table, settled_from(spec, plain, context), context)
            for pool, column in zip(pools, _settled_columns(spec, table, first), strict=True):
                if self.scaling.learns:
                    pool.append(column)
        fitted = (self.scaling.fit(np.concatenate(pool)[:, np.newaxis]) for pool in pools if pool)  # (bars, 1) each
        return [moments for moments in fitted if moments is not None]


class FittedPipeline(Config):
    """A pipeline that transforms bars; `to_mapping` and `from_mapping` store it with a model, exactly.

    `Pipeline.fit` makes it.
    """

    features: tuple[FeatureSpec, ...] = Field(min_length=1, description="What is computed")
    scaling: ScalingField = Field(description="How it is scaled")
    names: tuple[str, ...] = Field(description="The columns, in order")
    warmup_bars: int = Field(
        ge=0, description="How many leading bars give no row, on any bars; see warmup_on for what looks elsewhere"
    )
    moments: Moments | None = Field(None, description="What the scaling learned")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = _names(self.features)
        warmup_bars = _warmup_bars(self.features) + self.scaling.warmup_bars
        if (names, warmup_bars) != (self.names, self.warmup_bars):
            raise ConfigError(
                f"the pipeline was fitted with {len(self.names)} columns and {self.warmup_bars} bars of warm-up, "
                f"and its features now give {len(names)} and {warmup_bars}, or other names; "
                "install the versions it was fitted with, or fit it again"
            )
        if self.moments is not None and {len(self.moments.mean), len(self.moments.deviation)} != {len(names)}:
            raise ConfigError(f"moments must have one mean and one deviation for each of {len(names)} columns")
        if self.moments is None and self.scaling.learns:
            raise ConfigError(f"moments are missing; scaling {self.scaling.name!r} has to be fitted")
        return self

    @property
    def clip(self) -> float | None:
        """The values lie in [-clip, clip]; None where they are not scaled and may be anything."""
        return self.scaling.bound

    @property
    def context(self) -> tuple[str, ...]:
        """The names of the other markets that its features look at."""
        return context_names(self.features)

    def warmup_on(self, bars: pd.DataFrame, context: Context | None = None) -> int:
        """As of `Pipeline`: how many leading rows of bars give no row."""
        others = plain_context(self.features, context)
        return _first_row(self.features, plain_bars(bars), others) + self.scaling.warmup_bars

    @overload
    def transform(self, bars: pd.DataFrame, context: Context | None = None) -> pd.DataFrame: ...

    @overload
    def transform(
        self, bars: Mapping[str, pd.DataFrame], context: Context | None = None
    ) -> dict[str, pd.DataFrame]: ...

    def transform(
        self, bars: pd.DataFrame | Mapping[str, pd.DataFrame], context: Context | None = None
    ) -> pd.DataFrame | dict[str, pd.DataFrame]:
        """The scaled features of bars, which are left as they are.

        Args:
            bars: One instrument, or several by name; each is transformed by itself.
            context: Markets that features look at.

        Returns:
            A frame (bars - warmup_on, features), float64, with the columns `names`, from the
            first settled bar on; or one a name.

        Raises:
            BarsError: There are too few bars.
            ConfigError: A market is missing, or an interval is no longer than the bars'.
            FeatureError: A feature cannot be computed or is not finite after its warm-up.
        """
        if isinstance(bars, Mapping):
            return {name: self.transform(frame, context) for name, frame in bars.items()}
        plain, others, first = self._enough(bars, context)
        warmup = first + self.scaling.warmup_bars
        # Columns are contiguous, as pandas keeps them, so that the frame takes the array as it is.
        values = np.empty((len(plain) - warmup, len(self.names)), np.float64, order="F")
        self._write(plain, others, first, values)
        return pd.DataFrame(values, plain.index[warmup:], list(self.names), copy=False)

    def matrix(self, bars: pd.DataFrame, out: Matrix | None = None, context: Context | None = None) -> Matrix:
        """The scaled features of one instrument as `transform` gives them, in single precision and little memory.

        Beside the matrix itself only a few columns are held in double precision.

        Args:
            bars: One instrument, left as they are.
            out: Filled and given back instead of a new matrix; it may be a part of a larger one.
            context: Markets that features look at.

        Returns:
            (bars - warmup_on, features) float32, from the first settled bar on; to the bit
            `transform(bars).to_numpy(numpy.float32)`.

        Raises:
            BarsError: There are too few bars.
            FeatureError: A feature cannot be computed or is not finite after its warm-up, or `out`
                has another shape.
        """
        plain, others, first = self._enough(bars, context)
        shape = (len(plain) - first - self.scaling.warmup_bars, len(self.names))
        if out is None:
            out = np.empty(shape, np.float32)
        elif out.shape != shape:
            raise FeatureError(
                f"{len(plain)} bars give a matrix of shape {shape}, found {out.shape}; pass out so large"
            )
        self._write(plain, others, first, out)
        return out

    def _enough(self, bars: pd.DataFrame, context: Context | None) -> tuple[pd.DataFrame, Context, int]:
        """Plain bars and context, and the first row in which all features are settled."""
        plain, others = plain_bars(bars), plain_context(self.features, context)
        first = _first_row(self.features, plain, others)
        _require_enough(plain, first + self.scaling.warmup_bars)
        return plain, others, first

    def _write(self, plain: pd.DataFrame, context: Context, first: int, out: Array | Matrix) -> None:
        """Compute spec by spec and scale column by column into (bars - first - scaling's warm-up, features)."""
        position = 0
        for spec in self.features:
            for column in _settled_columns(spec, compute(spec, plain, context), first):
                moments = None if self.moments is None else self.moments.of_column(position)
                out[:, position] = self.scaling.apply(column[:, np.newaxis], moments)[:, 0]
                position += 1


def _names(specs: Sequence[FeatureSpec]) -> tuple[str, ...]:
    names = [name for spec in specs for name in columns_of(spec).names]
    if not names:
        raise ConfigError("a pipeline needs at least one feature, found none; see dltrader.features.DEFAULT_FEATURES")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigError(f"the feature {twice} is listed twice; leave one out")
    return tuple(names)


def _warmup_bars(specs: Sequence[FeatureSpec]) -> int:
    """How many rows are not settled, on any bars."""
    return max(0 if spec.looks_elsewhere else columns_of(spec).warmup_bars for spec in specs)


def _first_row(specs: Sequence[FeatureSpec], plain: pd.DataFrame, context: Context) -> int:
    """The first row in which all features are settled; it may lie beyond the bars."""
    return max(settled_from(spec, plain, context) for spec in specs)


def _require_enough(bars: pd.DataFrame, warmup_bars: int) -> None:
    if len(bars) <= warmup_bars:
        raise BarsError(
            f"{len(bars)} bars are too few: the features take {warmup_bars} to warm up and give rows from then on, so "
            f"at least {warmup_bars + 1} are needed; load more history, or choose shorter windows"
        )


def _settled_columns(spec: FeatureSpec, table: pd.DataFrame, first: int) -> list[Array]:
    """The unscaled columns of a feature from the row `first` on, in which all features are settled.

    Args:
        spec: The feature.
        table: Its columns over all bars.
        first: Of `_first_row`.

    Returns:
        One (bars - first,) for each name of the spec's columns.

    Raises:
        FeatureError: The columns are not those that the feature has on other bars, or a value is
            not finite.
    """
    names = columns_of(spec).names
    if tuple(map(str, table.columns)) != names:
        raise FeatureError(
            f"{spec.label} gave the columns {' '.join(map(str, table.columns))} for these bars and "
            f"{' '.join(names)} for others; give the same columns whatever the bars"
        )
    return list(finite_values(table.iloc[first:]).T)
