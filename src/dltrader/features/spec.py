"""One entry of the list of features: a name and its parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from dltrader.config import Config
from dltrader.errors import ConfigError, UnknownNameError
from dltrader.features.indicators import FEATURES
from dltrader.features.parameters import VIEW, ForeignFeature, check_parameters
from dltrader.features.resampling import interval_of


def _is_none(value: Any) -> bool:
    return value is None


class FeatureSpec(Config):
    """A registered feature and its parameters, checked against the feature's signature.

    In YAML a bare name, `rsi`, or a mapping: `{name: rsi, window: 21}`. Indicators of other
    libraries are named by their class: `{name: ta, indicator: AroonIndicator, window: 25, output:
    aroon_up}` (without `output`, all its outputs) and `{name: bt, indicator: RSI, period: 14}`.

    Any of them can be computed on bars of a higher interval, `{name: rsi, interval: 1W}`, on those
    of another market, `{name: log_return, market: SPY}`, or both; what they are at a bar is then what
    the last higher or other bar says that has closed by then.

    Parameters that are not given get their defaults, so that a stored list does not change with a
    later default; for `ta` and `bt` they stay with the indicator.
    """

    model_config = ConfigDict(extra="allow")

    name: str = Field(description="A registered feature")
    interval: Annotated[str, BeforeValidator(interval_of)] | None = Field(
        None, exclude_if=_is_none, description="Of the bars it is computed on, such as 1h or 1W; null: as they come"
    )
    market: str | None = Field(
        None,
        min_length=1,
        exclude_if=_is_none,
        description="The market it is computed on, one of the context; null: the one that is traded",
    )
    scaled: bool = Field(
        default=True,
        exclude_if=lambda scaled: scaled,
        description="Whether the scaling applies to it; false: it is passed on as it was computed",
    )

    @classmethod
    def of(cls, name: str, **parameters: Any) -> Self:
        """The feature of that name with these parameters.

        Raises:
            ConfigError: The feature or a parameter is unknown, or a parameter is out of range.
        """
        return cls(name=name, **parameters)

    @classmethod
    def parse(cls, entry: FeatureSpec | str | Mapping[str, Any]) -> FeatureSpec:
        """A spec from any form in which a list may hold it.

        Raises:
            ConfigError: It is none of these forms, or as for `of`.
        """
        if isinstance(entry, FeatureSpec):
            return entry
        if isinstance(entry, str):
            return cls(name=entry)
        if isinstance(entry, Mapping):
            return cls.from_mapping(entry)
        raise ConfigError(f"a feature is a name or a mapping with a name, found {entry!r}")

    @model_validator(mode="before")
    @classmethod
    def _checked(cls, value: Any) -> Any:
        if isinstance(value, str):
            value = {"name": value}
        if not isinstance(value, Mapping) or not isinstance(value.get("name"), str):
            return value
        name = value["name"]
        view = {key: given for key, given in value.items() if key in VIEW}
        parameters = {key: given for key, given in value.items() if key != "name" and key not in VIEW}
        try:
            return {"name": name, **view, **check_parameters(name, parameters)}
        except UnknownNameError as error:  # pydantic turns only ValueErrors into located problems
            raise ConfigError(str(error)) from None

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters by name."""
        return dict(self.model_extra or {})

    @property
    def label(self) -> str:
        """The column's name, or its beginning where there are several: the feature's name and parameter values.

        `rsi_14@1W` is of weekly bars, `SPY:rsi_14` of another market, `rsi_14_unscaled` is not scaled.
        """
        # Which outputs of an indicator are taken shows in the rest of the columns' names.
        hidden = {"output"} if isinstance(FEATURES[self.name], ForeignFeature) else set()
        values = [_text(value) for key, value in self.parameters.items() if key not in hidden]
        label = "_".join([self.name, *values, *([] if self.scaled else ["unscaled"])])
        if self.interval is not None:
            label = f"{label}@{self.interval}"
        return label if self.market is None else f"{self.market}:{label}"

    @property
    def looks_elsewhere(self) -> bool:
        """Whether it is computed on other bars than those that are traded, and joined to them."""
        return self.interval is not None or self.market is not None


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


DEFAULT_FEATURES: tuple[FeatureSpec, ...] = (
    FeatureSpec.of("log_return"),
    FeatureSpec.of("log_return", horizon=5),
    FeatureSpec.of("log_return", horizon=20),
    FeatureSpec.of("gap"),
    FeatureSpec.of("range"),
    FeatureSpec.of("volume_change"),
    FeatureSpec.of("rsi"),
    FeatureSpec.of("macd"),
    FeatureSpec.of("bollinger"),
    FeatureSpec.of("atr"),
    FeatureSpec.of("adx"),
    FeatureSpec.of("stochastic"),
    FeatureSpec.of("cci"),
    FeatureSpec.of("obv_slope"),
    FeatureSpec.of("ema_distance", window=50),
)
"""16 columns that are free of the price's scale; none depends on where history begins."""
