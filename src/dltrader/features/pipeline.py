"""The pipeline: a list of features and a scaling, fitted on bars, transforming bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self, overload

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from dltrader.config import Config
from dltrader.errors import BarsError, ConfigError
from dltrader.features.compute import columns_of, compute, is_own, plain_bars, require_finite
from dltrader.features.look_ahead import check_causal
from dltrader.features.scaling import SCALINGS, Moments, Scaling, ScalingField
from dltrader.features.spec import FeatureSpec


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
        """How many leading bars give no row; known without bars."""
        return _settled_from(self.specs) + self.scaling.warmup_bars

    def fit(self, bars: pd.DataFrame | Mapping[str, pd.DataFrame]) -> FittedPipeline:
        """Learn what the scaling has to learn, and check features that are not this library's for look-ahead.

        Args:
            bars: Those of training; of several instruments all rows are pooled.

        Raises:
            BarsError: There are too few bars.
            LookAheadError: A feature changes when later bars are removed.
            FeatureError: A feature cannot be computed or is not finite after its warm-up.
        """
        frames = bars.values() if isinstance(bars, Mapping) else [bars]
        tables = [self._checked_rows(frame) for frame in frames]
        if not tables:
            raise BarsError("there are no bars to fit on; pass a frame or a mapping with at least one")
        return FittedPipeline(
            features=self.specs,
            scaling=self.scaling,
            names=self.names,
            warmup_bars=self.warmup_bars,
            moments=self.scaling.fit(np.concatenate([table.to_numpy() for table in tables])),
        )

    def _checked_rows(self, frame: pd.DataFrame) -> pd.DataFrame:
        plain = plain_bars(frame)
        _require_enough(plain, self.warmup_bars)
        for spec in self.specs:
            if not is_own(spec):
                check_causal(spec, plain, compute(spec, plain), columns_of(spec).warmup_bars)
        return _settled_rows(self.specs, plain)


class FittedPipeline(Config):
    """A pipeline that transforms bars; `to_mapping` and `from_mapping` store it with a model, exactly.

    `Pipeline.fit` makes it.
    """

    features: tuple[FeatureSpec, ...] = Field(min_length=1, description="What is computed")
    scaling: ScalingField = Field(description="How it is scaled")
    names: tuple[str, ...] = Field(description="The columns, in order")
    warmup_bars: int = Field(ge=0, description="How many leading bars give no row")
    moments: Moments | None = Field(None, description="What the scaling learned")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = _names(self.features)
        warmup_bars = _settled_from(self.features) + self.scaling.warmup_bars
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

    @overload
    def transform(self, bars: pd.DataFrame) -> pd.DataFrame: ...

    @overload
    def transform(self, bars: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]: ...

    def transform(self, bars: pd.DataFrame | Mapping[str, pd.DataFrame]) -> pd.DataFrame | dict[str, pd.DataFrame]:
        """The scaled features of bars, which are left as they are.

        Args:
            bars: One instrument, or several by name; each is transformed by itself.

        Returns:
            A frame (bars - warmup_bars, features), float64, with the columns `names`, from the
            first settled bar on; or one a name.

        Raises:
            BarsError: There are too few bars.
            FeatureError: A feature cannot be computed or is not finite after its warm-up.
        """
        if isinstance(bars, Mapping):
            return {name: self.transform(frame) for name, frame in bars.items()}
        plain = plain_bars(bars)
        _require_enough(plain, self.warmup_bars)
        rows = _settled_rows(self.features, plain)
        values = self.scaling.apply(rows.to_numpy(), self.moments)
        return pd.DataFrame(values, rows.index[self.scaling.warmup_bars :], list(self.names))


def _names(specs: Sequence[FeatureSpec]) -> tuple[str, ...]:
    names = [name for spec in specs for name in columns_of(spec).names]
    if not names:
        raise ConfigError("a pipeline needs at least one feature, found none; see dltrader.features.DEFAULT_FEATURES")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ConfigError(f"the feature {twice} is listed twice; leave one out")
    return tuple(names)


def _settled_from(specs: Sequence[FeatureSpec]) -> int:
    return max(columns_of(spec).warmup_bars for spec in specs)


def _require_enough(bars: pd.DataFrame, warmup_bars: int) -> None:
    if len(bars) <= warmup_bars:
        raise BarsError(
            f"{len(bars)} bars are too few: the features take {warmup_bars} to warm up and give rows from then on, so "
            f"at least {warmup_bars + 1} are needed; load more history, or choose shorter windows"
        )


def _settled_rows(specs: Sequence[FeatureSpec], plain: pd.DataFrame) -> pd.DataFrame:
    """The unscaled rows from the first on in which every feature is settled."""
    tables = [compute(spec, plain) for spec in specs]
    rows = pd.concat(tables, axis=1).iloc[_settled_from(specs) :]
    require_finite(rows)
    return rows
