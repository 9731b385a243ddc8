"""Any indicator of the package `ta`, by the name of its class: `{name: ta, indicator: AroonIndicator, window: 25}`.

`ta` fills some warm-ups with 0 or with the mean of the whole series, counts half-filled windows as
full, and rolls the last prices round to the front. Those rows are made NaN here; what cannot be
mended so is refused, with the reason. Values are ta's own from then on. Its recursive indicators
(RSIIndicator, EMAIndicator, MACD …) start at the first bar, and its running sums
(OnBalanceVolumeIndicator …) count from there: where history begins matters to them.
"""

from __future__ import annotations

import inspect
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any

import pandas as pd
from pydantic import Field

from dltrader.errors import ConfigError, FeatureError
from dltrader.features.parameters import checked, parameter_model
from dltrader.registry import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dltrader.config import Config

_MODULES = ("momentum", "trend", "volatility", "volume", "others")

_INPUTS = frozenset({"open", "high", "low", "close", "volume"})

_REFUSED_PARAMETERS = {
    "fillna": "fills the warm-up, in places from later bars",
    "dropnans": "drops rows, and a feature gives one row a bar",
}

_REAL_PARAMETERS = frozenset({"window_dev", "multiplier"})
"""Annotated as int by ta, and used as a factor."""

_NON_NEGATIVE_PARAMETERS = frozenset({"offset"})

_REFUSED_INDICATORS = {
    "KSTIndicator": (
        "puts the mean of all closes before the first bar, a look-ahead that its running sums carry on; "
        "use bt's KnowSureThing"
    ),
}

_REFUSED_OUTPUTS = {
    "PSARIndicator.psar_up": "is empty in every downtrend; use psar and psar_up_indicator",
    "PSARIndicator.psar_down": "is empty in every uptrend; use psar and psar_down_indicator",
}

_UNSETTLED: Mapping[str, Callable[[dict[str, Any]], int]] = {
    "ADXIndicator": lambda p: max(2 * p["window"] - 1, p["window"] + 1),  # zeros
    "AverageTrueRange": lambda p: p["window"] - 1,  # zeros
    "BollingerBands": lambda p: p["window"] - 1,  # zeros in the two indicators
    "DPOIndicator": lambda p: max(p["window"] - 1, p["window"] // 2 + 1),  # the whole series' mean
    "IchimokuIndicator": lambda p: (
        max(p["window1"], p["window2"], p["window3"])
        - 1
        + (p["window2"] if p["visual"] else 0)  # half-filled windows; the whole series' mean
    ),
    "KAMAIndicator": lambda p: p["window"],  # the last close before the first
    "KeltnerChannel": lambda p: max(p["window"], p["window_atr"]) - 1,  # half-filled windows; zeros
    "PSARIndicator": lambda _: 2,  # the close
    "TRIXIndicator": lambda p: 3 * (p["window"] - 1) + 1,  # the whole series' mean
    "UlcerIndex": lambda p: 2 * (p["window"] - 1),  # half-filled windows
    "VortexIndicator": lambda p: p["window"],  # the whole series' mean
}
"""Indicators whose leading rows are no values: how many there are, and what stands in them."""


class TaIndicator:
    """The feature `ta`."""

    def __call__(self, bars: pd.DataFrame, **parameters: Any) -> pd.DataFrame:
        """The outputs of an indicator over bars, one column each.

        Args:
            bars: Bars.
            **parameters: `indicator`, the name of its class; `output`, one of its methods, or all;
                and its own.

        Raises:
            FeatureError: The indicator cannot be used, or failed on these bars.
            ConfigError: The indicator or a parameter is unknown or out of range.
        """
        given = self.check_parameters(parameters)
        name, output = given.pop("indicator"), given.pop("output", None)
        kind = _indicators()[name]
        # On a DatetimeIndex ta is 14 times slower.
        columns = {column: bars[column].reset_index(drop=True) for column in _inputs(kind)}
        try:
            indicator = kind(**columns, **given)
            outputs = [output] if output else _outputs(name)
            table = pd.DataFrame({method: getattr(indicator, method)() for method in outputs})
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise FeatureError(
                f"ta's {name} failed on {len(bars)} bars with {type(error).__name__}: {error}; "
                "give it more bars or other parameters"
            ) from error
        table = table.astype("float64").set_axis(bars.index, axis=0)
        table.iloc[: _unsettled_rows(name, given)] = float("nan")
        return table

    def check_parameters(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters in the order and types of the indicator's signature.

        Raises:
            FeatureError: The indicator cannot be used as a feature.
            ConfigError: The indicator or a parameter is unknown, missing or out of range.
        """
        given = dict(parameters)
        name, output = given.pop("indicator", None), given.pop("output", None)
        known = _indicators()
        if not isinstance(name, str):
            raise ConfigError("ta: indicator is missing; name a class such as RSIIndicator")
        if name not in known:
            raise ConfigError(f"ta: unknown indicator {name!r}{did_you_mean(name, known)}")
        if name in _REFUSED_INDICATORS:
            raise FeatureError(f"ta's {name} {_REFUSED_INDICATORS[name]}")
        for parameter, reason in _REFUSED_PARAMETERS.items():
            if parameter in given:
                raise FeatureError(f"ta's {parameter} {reason}; leave it out")
        values = checked(_model_of(name), given, name)
        result = {"indicator": name}
        if output is not None:
            result["output"] = _checked_output(name, output)
        return result | {key: value for key, value in values if key in given}


ta_indicator = TaIndicator()


def _checked_output(name: str, output: Any) -> str:
    if f"{name}.{output}" in _REFUSED_OUTPUTS:
        raise FeatureError(f"ta's {name}.{output} {_REFUSED_OUTPUTS[f'{name}.{output}']}")
    if output not in _outputs(name):
        raise ConfigError(f"{name}: unknown output {output!r}{did_you_mean(str(output), _outputs(name))}")
    return str(output)


@lru_cache(maxsize=1)
def _indicators() -> dict[str, Any]:
    base = import_module("ta.utils").IndicatorMixin
    modules = [import_module(f"ta.{name}") for name in _MODULES]
    return {
        name: kind
        for module in modules
        for name, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, base) and kind is not base
    }


def _inputs(kind: Any) -> list[str]:
    return [name for name in inspect.signature(kind).parameters if name in _INPUTS]


def _outputs(name: str) -> list[str]:
    """The methods that give a column, in the order of the class, without those refused."""
    methods = [method for method in vars(_indicators()[name]) if not method.startswith("_")]
    return [method for method in methods if f"{name}.{method}" not in _REFUSED_OUTPUTS]


@lru_cache(maxsize=128)
def _model_of(name: str) -> type[Config]:
    fields: dict[str, tuple[Any, Any]] = {}
    for parameter in inspect.signature(_indicators()[name]).parameters.values():
        if parameter.name in _INPUTS or parameter.name in _REFUSED_PARAMETERS:
            continue
        kind = parameter.annotation
        if parameter.name in _REAL_PARAMETERS:
            kind = float
        elif kind is int:
            least = 0 if parameter.name in _NON_NEGATIVE_PARAMETERS else 1
            kind = Annotated[int, Field(ge=least, description=f"bars, from {least} on")]
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[parameter.name] = (kind, default)
    return parameter_model(name, fields)


def _unsettled_rows(name: str, given: dict[str, Any]) -> int:
    rule = _UNSETTLED.get(name)
    return rule(dict(_model_of(name)(**given))) if rule else 0
