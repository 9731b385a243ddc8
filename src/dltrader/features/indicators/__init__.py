"""The features that are known by name.

A feature is a function `(bars, *, parameter: type = default, ...)` that gives a Series, or a
DataFrame with one column a part, over the index of the bars: float64, NaN in the leading rows that
are not settled yet, finite from there on. 0 / 0, as on flat prices or without volume, has a neutral
value that the function's docstring names. Parameters are checked against their annotations;
`Annotated[int, pydantic.Field(ge=2)]` gives a range.

A feature may be settled by the times of its bars rather than after a number of them: then it has an
attribute `settled_from(times, **parameters)` that gives its first settled row, as those of sessions
do.

`FEATURES.register("mine", function)` adds one; it is checked for look-ahead whenever a pipeline is
fitted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from dltrader.registry import Registry

if TYPE_CHECKING:
    import pandas as pd

Feature: TypeAlias = Callable[..., "pd.Series[float] | pd.DataFrame"]

FEATURES: Registry[Feature] = Registry(
    "feature",
    {
        "log_return": f"{__name__}.returns:log_return",
        "gap": f"{__name__}.returns:gap",
        "range": f"{__name__}.returns:bar_range",
        "body": f"{__name__}.returns:body",
        "rsi": f"{__name__}.momentum:rsi",
        "stochastic": f"{__name__}.momentum:stochastic",
        "cci": f"{__name__}.momentum:cci",
        "macd": f"{__name__}.trend:macd",
        "ema_distance": f"{__name__}.trend:ema_distance",
        "adx": f"{__name__}.trend:adx",
        "di": f"{__name__}.trend:directional_difference",
        "atr": f"{__name__}.volatility:atr",
        "bollinger": f"{__name__}.volatility:bollinger",
        "volatility": f"{__name__}.volatility:volatility",
        "volume_change": f"{__name__}.volume:volume_change",
        "obv_slope": f"{__name__}.volume:obv_slope",
        "time_of_day": f"{__name__}.calendar:time_of_day",
        "time_of_week": f"{__name__}.calendar:time_of_week",
        "time_of_year": f"{__name__}.calendar:time_of_year",
        "minutes_since_open": f"{__name__}.session:minutes_since_open",
        "minutes_to_close": f"{__name__}.session:minutes_to_close",
        "first_minutes": f"{__name__}.session:first_minutes",
        "session_return": f"{__name__}.session:session_return",
        "session_vwap_distance": f"{__name__}.session:session_vwap_distance",
        "opening_range": f"{__name__}.session:opening_range",
        "ta": "dltrader.features.ta:ta_indicator",
        "bt": "dltrader.features.backtrader:backtrader_indicator",
    },
)
