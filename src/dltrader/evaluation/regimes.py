"""Years and regimes: when a policy earned what it earned.

Glossary:
    market      equal parts of all instruments, bought free of cost at the first close
    regime      of trend: up, sideways, down; of volatility: low, middle, high
    trend       log growth of the market over the last TREND_BARS bars, over its standard deviation times their root
    volatility  standard deviation of the market's log returns over the last VOLATILITY_BARS bars

Both are measured up to the close *before* the bar whose return they are told of, so that a policy could have known
them. Only the bounds of the three volatilities, terciles over the tested stretch, are drawn in hindsight.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from dltrader.evaluation.behaviour import value_of_holding
from dltrader.evaluation.curves import log_growths
from dltrader.evaluation.metrics import drawdown
from dltrader.evaluation.over_seeds import Estimate, over_seeds

TREND_BARS = 60
VOLATILITY_BARS = 20

STEEP = 0.5
"""Standard deviations of a trend from which on the market goes up, or down: a random walk is beyond either on 31 % of
bars, so that the three are about equally frequent."""

TRENDS = ("up", "sideways", "down")
VOLATILITIES = ("low", "middle", "high")

BASIS = (
    f"trend: log growth of the {TREND_BARS} bars before, up or down from {STEEP:g} of its standard deviations on; "
    f"volatility: of the {VOLATILITY_BARS} bars before, in terciles over the tested stretch; both known before the bar"
)


@dataclass(frozen=True, eq=False)
class Traded:
    """What was traded on the tested stretch, in columns of one index.

    Attributes:
        equity: (bars, seeds) money at each close.
        held: (bars,) money of buy-and-hold.
        exposure: (bars, seeds) net exposure at each close.
        median: The median seed's column.
        periods_per_year: Bars in a year.
    """

    equity: pd.DataFrame
    held: pd.Series[float]
    exposure: pd.DataFrame
    median: str
    periods_per_year: float


def year_rows(traded: Traded) -> list[dict[str, Any]]:
    """One row a calendar year in UTC; the return of a bar belongs to the year of its close."""
    growths, held = _growths(traded)
    assert isinstance(growths.index, pd.DatetimeIndex)
    rows = []
    for year, part in growths.groupby(growths.index.year):
        own = np.expm1(part.sum())
        hold = float(np.expm1(held.loc[part.index].sum()))
        # The drawdown of a year counts from the close before its first bar.
        first = int(traded.equity.index.get_indexer(part.index[:1])[0])
        money = traded.equity[traded.median].iloc[first - 1 : first + len(part)]
        rows.append(
            {
                "year": int(str(year)),
                "bars": len(part),
                **over_seeds(own).named("return"),
                "buy_and_hold": hold,
                "max_drawdown": float(drawdown(money).min()),
                "exposure": _exposure(traded, part.index),
                "ahead": float((own > hold).mean()),
            }
        )
    return rows


def regime_rows(traded: Traded, history: Mapping[str, pd.DataFrame]) -> list[dict[str, Any]]:
    """One row a regime; bars too early in the history to have one are in none.

    Args:
        traded: What was traded.
        history: Instrument -> bars up to the end of the tested stretch, from as early as there are any.
    """
    growths, held = _growths(traded)
    market = value_of_holding(history)
    kinds = {
        "trend": (TRENDS, trends(market).reindex(growths.index)),
        "volatility": (VOLATILITIES, terciles(volatilities(market).reindex(growths.index))),
    }
    rows = []
    for kind, (names, labels) in kinds.items():
        for name in names:
            part = growths[(labels == name).to_numpy()]
            a_year = part.mean() * traded.periods_per_year
            hold = float(held.loc[part.index].mean() * traded.periods_per_year)
            estimate = over_seeds(a_year) if len(part) else Estimate.none()
            rows.append(
                {
                    "kind": kind,
                    "regime": name,
                    "bars": len(part),
                    "share": len(part) / len(growths),
                    **estimate.named("growth"),
                    "buy_and_hold": hold,
                    "exposure": _exposure(traded, part.index),
                    "ahead": float((a_year > hold).mean()) if len(part) else float("nan"),
                }
            )
    return rows


def trends(market: pd.Series[float]) -> pd.Series[Any]:
    """The trend that was known before each bar; nan where the history is too short or has not moved."""
    returns = _log(market).diff()
    grown = returns.rolling(TREND_BARS).sum()
    spread = returns.rolling(TREND_BARS).std() * TREND_BARS**0.5
    steepness = (grown / spread.where(spread > 0.0)).shift(1)
    labels = pd.Series(
        np.where(steepness > STEEP, "up", np.where(steepness < -STEEP, "down", "sideways")), market.index
    )
    return labels.where(steepness.notna())


def volatilities(market: pd.Series[float]) -> pd.Series[float]:
    """The volatility per bar that was known before each bar; nan where the history is too short."""
    known: pd.Series[float] = _log(market).diff().rolling(VOLATILITY_BARS).std().shift(1)
    return known


def terciles(values: pd.Series[float]) -> pd.Series[Any]:
    """low, middle or high, by the terciles of all values; nan where there is none."""
    low, high = values.quantile([1 / 3, 2 / 3])
    labels = pd.Series(np.where(values <= low, "low", np.where(values <= high, "middle", "high")), values.index)
    return labels.where(values.notna())


def _growths(traded: Traded) -> tuple[pd.DataFrame, pd.Series[float]]:
    held = log_growths(traded.held.to_frame("held"))["held"]
    return log_growths(traded.equity), held


def _exposure(traded: Traded, index: pd.Index[Any]) -> float:
    """Mean net exposure at the closes of these bars, of all seeds."""
    return float(traded.exposure.loc[index].to_numpy().mean()) if len(index) else float("nan")


def _log(market: pd.Series[float]) -> pd.Series[float]:
    return pd.Series(np.log(market.to_numpy()), market.index)
