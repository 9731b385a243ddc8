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
    own_columns,
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

UNTOUCHED = Moments(mean=(0.0,), deviation=(1.0,))
"""What stands for the moments of a column that is not scaled."""


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
        return _warmup_bars(self.specs, self.scaling)

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
        return _first_row(self.specs, self.scaling, plain_bars(bars), plain_context(self.specs, context))

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
        for plain in plains:
            _require_enough(plain, _first_row(self.specs, self.scaling, plain, others))
        # What is learned of a column must not depend on others that the scaling leaves alone.
        scaled = [spec for spec in self.specs if spec.scaled] or self.specs
        firsts = [max(settled_from(spec, plain, others) for spec in scaled) for plain in plains]
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
            start = first if spec.scaled else max(first, settled_from(spec, plain, context))
            for pool, column in zip(pools, _settled_columns(spec, table, start), strict=True):
                if self.scaling.learns:
                    pool.append(column)
        if not spec.scaled:
            return [UNTOUCHED for pool in pools if pool]
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
        warmup_bars = _warmup_bars(self.features, self.scaling)
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
        """The scaled values lie in [-clip, clip]; None where none is scaled and they may be anything."""
        return self.scaling.bound

    def beside(self, spec: FeatureSpec) -> FittedPipeline:
        """The same columns, to the bit, and after them those of a feature that is not scaled, unless they are there.

        Raises:
            ConfigError: The feature is one to be scaled, which would have to be learned.
        """
        if spec in self.features:
            return self
        if spec.scaled:
            raise ConfigError(f"{spec.label} is scaled, and bars would be needed to fit it; set its scaled: false")
        added = [UNTOUCHED] * len(columns_of(spec).names)
        features = (*self.features, spec)
        return FittedPipeline(
            features=features,
            scaling=self.scaling,
            names=_names(features),
            warmup_bars=_warmup_bars(features, self.scaling),
            moments=None if self.moments is None else Moments.of_columns([self.moments, *added]),
        )

    @property
    def context(self) -> tuple[str, ...]:
        """The names of the other markets that its features look at."""
        return context_names(self.features)

    def warmup_on(self, bars: pd.DataFrame, context: Context | None = None) -> int:
        """As of `Pipeline`: how many leading rows of bars give no row."""
        return _first_row(self.features, self.scaling, plain_bars(bars), plain_context(self.features, context))

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
        plain, others, warmup = self._enough(bars, context)
        # Columns are contiguous, as pandas keeps them, so that the frame takes the array as it is.
        values = np.empty((len(plain) - warmup, len(self.names)), np.float64, order="F")
        self._write(plain, others, warmup, values)
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
        plain, others, warmup = self._enough(bars, context)
        shape = (len(plain) - warmup, len(self.names))
        if out is None:
            out = np.empty(shape, np.float32)
        elif out.shape != shape:
            raise FeatureError(
                f"{len(plain)} bars give a matrix of shape {shape}, found {out.shape}; pass out so large"
            )
        self._write(plain, others, warmup, out)
        return out

    def _enough(self, bars: pd.DataFrame, context: Context | None) -> tuple[pd.DataFrame, Context, int]:
        """Plain bars and context, and how many leading rows give no row."""
        plain, others = plain_bars(bars), plain_context(self.features, context)
        warmup = _first_row(self.features, self.scaling, plain, others)
        _require_enough(plain, warmup)
        return plain, others, warmup

    def _write(self, plain: pd.DataFrame, context: Context, warmup: int, out: Array | Matrix) -> None:
        """Compute spec by spec and scale column by column into (bars - warmup, features)."""
        position = 0
        for spec in self.features:
            first = warmup - self.scaling.warmup_bars if spec.scaled else warmup
            columns = own_columns(spec, plain, first)
            if columns is None:
                columns = _settled_columns(spec, compute(spec, plain, context), first)
            for column in columns:
                moments = None if self.moments is None else self.moments.of_column(position)
                rows = column[:, np.newaxis]
                out[:, position] = (self.scaling.apply(rows, moments) if spec.scaled else rows)[:, 0]
                position += 1


def _names(specs: Sequence[FeatureSpec]) -> tuple[str, ...]:
    names = [name for spec in specs for name in columns_of(spec).names]
    if not names:
        raise ConfigError("a pipeline needs at least one feature, found none; see dltrader.features.DEFAULT_FEATURES")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigError(f"the feature {twice} is listed twice; leave one out")
    return tuple(names)


def _warmup_bars(specs: Sequence[FeatureSpec], scaling: Scaling) -> int:
    """How many rows give no row, on any bars."""
    return max(
        (0 if spec.looks_elsewhere else columns_of(spec).warmup_bars) + (scaling.warmup_bars if spec.scaled else 0)
        for spec in specs
    )


def _first_row(specs: Sequence[FeatureSpec], scaling: Scaling, plain: pd.DataFrame, context: Context) -> int:
    """The first row in which all features are settled and scaled; it may lie beyond the bars."""
    return max(settled_from(spec, plain, context) + (scaling.warmup_bars if spec.scaled else 0) for spec in specs)


def _require_enough(bars: pd.DataFrame, warmup_bars: int) -> None:
    if len(bars) <= warmup_bars:
        raise BarsError(
            f"{len(bars)} bars are too few: the features take {warmup_bars} to warm up and give rows from then on, so "
            f"at least {warmup_bars + 1} are needed; load more history, or choose shorter windows"
        )


def _settled_columns(spec: FeatureSpec, table: pd.DataFrame, first: int) -> list[Array]:
    """The columns of a feature from the row `first` on, before any scaling.

    Args:
        spec: The feature.
        table: Its columns over all bars.
        first: In which they are settled.

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
