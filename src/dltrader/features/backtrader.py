"""Any indicator of backtrader, by the name of its class: `{name: bt, indicator: RSI, period: 14}`.

It runs over the bars in a Cerebro of its own, and each of its lines becomes a column. Its recursive
indicators start at the first bar: where history begins matters to them. An indicator that needs
several series, such as CrossOver, cannot be a feature, and one that is drawn into the future or the
past, such as Ichimoku's chikou span, does not pass the check for look-ahead.
"""

from __future__ import annotations

import inspect
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any

import backtrader as bt
import numpy as np
import pandas as pd
from pydantic import Field

from dltrader.data.feed import BarsFeed
from dltrader.errors import ConfigError, FeatureError
from dltrader.features.parameters import checked, parameter_model
from dltrader.registry import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dltrader.config import Config

_FAILURES = (ArithmeticError, AttributeError, ImportError, LookupError, TypeError, ValueError)
"""What an indicator raises over too few bars, too few series, or without a package that it needs."""


class BacktraderIndicator:
    """The feature `bt`."""

    def __call__(self, bars: pd.DataFrame, **parameters: Any) -> pd.DataFrame:
        """The lines of an indicator over bars, one column each.

        Args:
            bars: Bars.
            **parameters: `indicator`, the name of its class; `output`, one of its lines, or all; and its own.
                A parameter that takes an indicator, such as `movav`, is given the name of its class.

        Raises:
            FeatureError: The indicator cannot be used, or failed on these bars.
            ConfigError: The indicator or a parameter is unknown or out of range.
        """
        given = self.check_parameters(parameters)
        name, output = given.pop("indicator"), given.pop("output", None)
        kind = _indicators()[name]
        defaults = _defaults(kind)
        values = {
            key: _indicators()[value] if inspect.isclass(defaults[key]) else value for key, value in given.items()
        }
        lines = _run(kind, values, bars)
        return pd.DataFrame(lines if output is None else {output: lines[output]}, bars.index)

    def check_parameters(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters in the order and types of the indicator's own.

        Raises:
            ConfigError: The indicator, its output or a parameter is unknown or out of range.
        """
        given = dict(parameters)
        name, output = given.pop("indicator", None), given.pop("output", None)
        known = _indicators()
        if not isinstance(name, str):
            raise ConfigError("bt: indicator is missing; name a class such as RSI")
        if name not in known:
            raise ConfigError(f"bt: unknown indicator {name!r}{did_you_mean(name, known)}")
        kind = known[name]
        values = checked(_model_of(name), given, name)
        for key, default in _defaults(kind).items():
            if key in given and inspect.isclass(default) and given[key] not in known:
                raise ConfigError(
                    f"{name}: unknown indicator {given[key]!r} for {key}{did_you_mean(str(given[key]), known)}"
                )
        result = {"indicator": name}
        if output is not None:
            lines = kind.lines.getlinealiases()
            if output not in lines:
                raise ConfigError(f"{name}: unknown output {output!r}{did_you_mean(str(output), lines)}")
            result["output"] = output
        return result | {key: value for key, value in values if key in given}


backtrader_indicator = BacktraderIndicator()


class _Recorder(bt.Strategy):
    """Holds one indicator; trades nothing."""

    params = (("kind", None), ("values", None))

    def __init__(self) -> None:
        self.indicator = self.p.kind(self.data, **self.p.values)


def _run(kind: Any, values: Mapping[str, Any], bars: pd.DataFrame) -> dict[str, Any]:
    cerebro = bt.Cerebro(stdstats=False)
    feed: Any = BarsFeed  # only backtrader's metaclass knows what it takes
    cerebro.adddata(feed(dataname=bars))
    cerebro.addstrategy(_Recorder, kind=kind, values=values)
    try:
        (recorder,) = cerebro.run(runonce=True, preload=True)
    except _FAILURES as error:
        raise FeatureError(
            f"backtrader's {kind.__name__} failed on {len(bars)} bars with {type(error).__name__}: {error}; "
            "it may need more bars, several series or other parameters"
        ) from error
    indicator = recorder.indicator
    return {
        alias: _column(line.array, len(bars))
        for alias, line in zip(indicator.lines.getlinealiases(), indicator.lines, strict=False)
    }


def _column(values: Any, n_bars: int) -> Any:
    """A line without what it reserves beyond the last bar."""
    column = np.full(n_bars, np.nan)
    known = np.asarray(values, np.float64)[:n_bars]
    column[: len(known)] = known
    return column


@lru_cache(maxsize=1)
def _indicators() -> dict[str, Any]:
    found = inspect.getmembers(bt.indicators, inspect.isclass)
    return {name: kind for name, kind in found if issubclass(kind, bt.Indicator)}


def _defaults(kind: Any) -> dict[str, Any]:
    """The parameters that can be written in a list: no functions, and nothing that backtrader keeps to itself."""
    return {
        key: default
        for key, default in kind.params._getitems()  # noqa: SLF001 - backtrader's own way to list them
        if not key.startswith("_") and not inspect.isfunction(default)
    }


@lru_cache(maxsize=128)
def _model_of(name: str) -> type[Config]:
    fields: dict[str, tuple[Any, Any]] = {}
    for key, default in _defaults(_indicators()[name]).items():
        kind: Any = Any if default is None else type(default)
        if inspect.isclass(default):
            kind = str
        elif kind is int and default > 0:
            kind = Annotated[int, Field(ge=1, description="a whole number from 1 on")]
        fields[key] = (kind, "" if inspect.isclass(default) else default)
    return parameter_model(name, fields)
