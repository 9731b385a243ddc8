"""One entry of the list of features: a name and its parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import ConfigDict, Field, model_validator

from dltrader.config import Config
from dltrader.errors import ConfigError, UnknownNameError
from dltrader.features.indicators import FEATURES
from dltrader.features.parameters import ForeignFeature, check_parameters


class FeatureSpec(Config):
    """A registered feature and its parameters, checked against the feature's signature.

    In YAML a bare name, `rsi`, or a mapping: `{name: rsi, window: 21}`. Indicators of other
    libraries are named by their class: `{name: ta, indicator: AroonIndicator, window: 25, output:
    aroon_up}` (without `output`, all its outputs) and `{name: bt, indicator: RSI, period: 14}`.

    Parameters that are not given get their defaults, so that a stored list does not change with a
    later default; for `ta` and `bt` they stay with the indicator.
    """

    model_config = ConfigDict(extra="allow")

    name: str = Field(description="A registered feature")

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
        parameters = {key: given for key, given in value.items() if key != "name"}
        try:
            return {"name": name, **check_parameters(name, parameters)}
        except UnknownNameError as error:  # pydantic turns only ValueErrors into located problems
            raise ConfigError(str(error)) from None

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters by name."""
        return dict(self.model_extra or {})

    @property
    def label(self) -> str:
        """The column's name, or its beginning where there are several: the feature's name and parameter values."""
        # Which outputs of an indicator are taken shows in the rest of the columns' names.
        hidden = {"output"} if isinstance(FEATURES[self.name], ForeignFeature) else set()
        values = [_text(value) for key, value in self.parameters.items() if key not in hidden]
        return "_".join([self.name, *values])


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
