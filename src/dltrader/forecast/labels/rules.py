"""Rules that say of a bar which trade was the right one: buy, sell or hold."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import Field

from dltrader.config import NamedConfig
from dltrader.envs.contract import Costs
from dltrader.forecast.labels.trades import break_even, column, exit_quote, trailing_volatility
from dltrader.forecast.vote import BUY, HOLD, SELL, Array
from dltrader.registry import Registry


def side(bars: pd.DataFrame, horizon: int, costs: Costs, margin: float = 0.0) -> Array:
    """The side that paid for its costs over the horizon, as `vote.SIDES` counts them; hold where neither did.

    Args:
        bars: Of one instrument.
        horizon: Bars from the decision to the exit.
        costs: Of both sides.
        margin: Log return that a trade must bring beyond its costs.
    """
    quotes, (long, short) = exit_quote(bars, horizon), break_even(bars, costs)
    # The two exclude each other: a quote cannot lie both above what was paid and below what was got.
    sides = np.where(quotes > long * math.exp(margin), BUY, np.where(quotes < short * math.exp(-margin), SELL, HOLD))
    return np.where(np.isnan(quotes), np.nan, sides)


def triple_barrier(
    bars: pd.DataFrame,
    horizon: int,
    costs: Costs,
    *,
    profit: float,
    loss: float,
    volatility: Array,
    margin: float = 0.0,
) -> Array:
    """The side that would have taken its profit before its loss and before the horizon; hold where neither did.

    Barriers stand around the open of t+1, as multiples of the volatility over the horizon; the one of profit at least
    where costs and margin are paid. Within a bar nothing is known of the order of prices but that the open comes first,
    so that a bar that touches both barriers of a trade is counted as its loss.

    Args:
        bars: Of one instrument.
        horizon: Bars until which a barrier must have been touched.
        costs: Of both sides.
        profit: Multiple at which profit is taken.
        loss: Multiple at which the loss is cut.
        volatility: (bars,), standard deviation of log returns a bar, known at the close of t; nan where it is not.
        margin: Log return that a trade must bring beyond its costs.

    Source: López de Prado 2018, "Advances in Financial Machine Learning", chapter 3, with both sides looked at and
    nothing said of what ends between the barriers.
    """
    opens, highs, lows = (column(bars, name) for name in ("open", "high", "low"))
    entry, (long, short) = np.append(opens[1:], np.nan), break_even(bars, costs)
    reach = volatility * math.sqrt(horizon)
    bought = _won_at(
        (opens, highs, lows),
        np.maximum(entry * np.exp(profit * reach), long * math.exp(margin)),
        entry * np.exp(-loss * reach),
        horizon,
    )
    sold = _won_at(  # a short trade is a long one in a mirror
        (-opens, -lows, -highs),
        -np.minimum(entry * np.exp(-profit * reach), short * math.exp(-margin)),
        -entry * np.exp(loss * reach),
        horizon,
    )
    sides = np.where(bought < sold, BUY, np.where(sold < bought, SELL, HOLD))
    return np.where(np.isnan(reach) | np.isnan(exit_quote(bars, horizon)), np.nan, sides)


def _won_at(prices: tuple[Array, Array, Array], profit: Array, loss: Array, horizon: int) -> Array:
    """After how many bars a long trade has touched its barrier of profit before that of loss; infinite where never."""
    opens, highs, lows = prices
    n_known = max(len(opens) - horizon, 0)
    won, lost = np.full(len(opens), np.inf), np.zeros(len(opens), bool)
    at, gone, target, stop = won[:n_known], lost[:n_known], profit[:n_known], loss[:n_known]
    for after in range(1, horizon + 1):
        bar = slice(after, n_known + after)
        # The first open is the entry itself; a later one beyond the target comes before all else in its bar.
        gapped = (opens[bar] >= target) & (after > 1)
        stopped = ~gapped & (lows[bar] <= stop)
        open_yet = ~gone & np.isinf(at)
        at[open_yet & ~stopped & (highs[bar] >= target)] = after
        gone |= open_yet & stopped
    return won


class SideRule(NamedConfig, ABC):
    """Which trade was the right one."""

    @abstractmethod
    def sides(self, bars: pd.DataFrame, horizon: int, costs: Costs) -> Array:
        """(bars,) the class of every bar as `vote.SIDES` counts them; nan where the future or the past is not known."""


class Threshold(SideRule):
    """Buy or sell where a trade over the horizon has paid for its costs at its end."""

    name: Literal["threshold"] = "threshold"
    margin: float = Field(0.0, ge=0, le=1, description="Log return that a trade must bring beyond its costs")

    def sides(self, bars: pd.DataFrame, horizon: int, costs: Costs) -> Array:
        """As `side`."""
        return side(bars, horizon, costs, self.margin)


class TripleBarrier(SideRule):
    """Buy or sell where a trade has touched its profit before its loss, and before the horizon."""

    name: Literal["triple_barrier"] = "triple_barrier"
    profit: float = Field(
        1.0, gt=0, le=100, description="Where profit is taken, a multiple of the volatility over the horizon"
    )
    loss: float = Field(
        1.0, gt=0, le=100, description="Where the loss is cut, a multiple of the volatility over the horizon"
    )
    volatility_bars: int = Field(
        50, ge=2, le=10_000, description="Past returns whose root mean square is taken for the volatility of a bar"
    )
    margin: float = Field(0.0, ge=0, le=1, description="Log return that a profit must bring beyond the trade's costs")

    def sides(self, bars: pd.DataFrame, horizon: int, costs: Costs) -> Array:
        """As `triple_barrier`, with the volatility of the bars before."""
        return triple_barrier(
            bars,
            horizon,
            costs,
            profit=self.profit,
            loss=self.loss,
            volatility=trailing_volatility(bars, self.volatility_bars),
            margin=self.margin,
        )


RULES: Registry[type[SideRule]] = Registry(
    "rule of labels",
    {"threshold": f"{__name__}:Threshold", "triple_barrier": f"{__name__}:TripleBarrier"},
)
