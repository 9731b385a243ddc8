"""Behaviour: what a policy did with its freedom, whatever it earned.

A policy that learned nothing often looks well: in a rising market one that bought once earns what the market earns. So
every report says how it behaved, and names its collapse.

Glossary:
    exposure    position value / equity; net where it is summed with its sign, gross without it
    bar         one after the first decision; on the bar of that decision nothing can be held yet, so it does not count
    level       the exposure to the nearest quarter of an instrument's share, 1 / instruments of equity: prices move an
                exposure on every bar, and what moved by itself is not what the policy did
    flip        a bar that ends at another level than the one before
    collapse    behaviour for which no market had to be read: never trading, holding, flipping

Pure functions of records, as in `metrics`: fractions, and nan where there is too little data.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum

import numpy as np
import pandas as pd

from dltrader.evaluation.metrics import ROUNDING, returns_of

LEVELS_PER_SHARE = 4
"""Levels from flat to an instrument's full share of equity: the common 0, ±0.5, ±1 stay apart."""

FLIPS = 0.9
"""From this share of bars on, a policy flips on nearly every bar. A level drawn by lot from k flips on 1 - 1/k of the
bars: on half with two, on two thirds with three, on 0.89 with all nine from -1 to 1. More often takes a rule."""

LEAST_BARS = 10
"""Fewer bars cannot tell a habit from a few decisions."""

HOLDS = 0.98
"""A policy in the market on at least this share of bars, and as much correlated with buy-and-hold, holds: at most 4 %
of the variance of its returns, 1 - 0.98², is its own doing."""


class Collapse(StrEnum):
    """How a policy collapsed; each completes the sentence "the policy ..."."""

    IDLE = "never traded"
    BOUGHT = "bought once and held"
    SOLD = "sold short once and held"
    TRADED = "traded once and held"
    FLIPS = "flips on nearly every bar"
    HOLDS = "holds the market nearly always"
    SHORTS = "is short of the market nearly always"


@dataclass(frozen=True)
class Behaviour:
    """How a policy traded.

    Attributes:
        net_exposure: Mean net exposure over the bars.
        in_market: Share of bars at whose close anything was held.
        fills_per_bar: Fills / bars, of all instruments together.
        flips: Share of bars that end at another level than the one before; with several instruments their mean.
        exposure_entropy: Entropy of the levels held, in nats: 0 for one level, ln 2 for two held equally long; with
            several instruments the mean of each one's.
        correlation: Of the returns bar by bar with those of buy-and-hold; nan where either never varies.
        collapse: How the policy collapsed; None where it did not.
        remark: That in a plain sentence, with its numbers.
    """

    net_exposure: float
    in_market: float
    fills_per_bar: float
    flips: float
    exposure_entropy: float
    correlation: float
    collapse: Collapse | None
    remark: str | None

    @property
    def numbers(self) -> Mapping[str, float]:
        """Name -> number, fractions not percent."""
        return {name: value for name, value in asdict(self).items() if isinstance(value, float)}


def behaviour_of(
    equity: pd.Series[float], exposure: pd.DataFrame, orders: pd.DataFrame, held: pd.Series[float]
) -> Behaviour:
    """How a policy traded, and whether it collapsed.

    Args:
        equity: Money at the close of each bar, the first that of the first decision.
        exposure: Position value / equity at the close of each bar, one column an instrument; nan once ruined.
        orders: One row a fill, as in `BacktestResult.orders`.
        held: Equity of buy-and-hold on the same bars, or anything in proportion to it.
    """
    bars = len(equity) - 1
    numbers = {
        "net_exposure": float(mean_exposure(exposure).sum(skipna=False)),
        "in_market": share_in_market(exposure),
        "fills_per_bar": len(orders) / bars if bars > 0 else math.nan,
        "flips": share_of_flips(exposure),
        "exposure_entropy": exposure_entropy(exposure),
        "correlation": correlation(equity, held),
    }
    collapse = _once(orders) or _habit(numbers, bars)
    return Behaviour(**numbers, collapse=collapse, remark=_remark(collapse, numbers, orders, exposure.shape[1]))


def mean_exposure(exposure: pd.DataFrame) -> pd.Series[float]:
    """Mean exposure of each instrument, with its sign, over the bars with an account."""
    return _open_bars(exposure).mean()


def share_in_market(exposure: pd.DataFrame) -> float:
    """Share of bars at whose close anything was held."""
    bars = _open_bars(exposure)
    return float(bars.ne(0.0).any(axis=1).mean()) if len(bars) else math.nan


def levels_of(exposure: pd.DataFrame) -> pd.DataFrame:
    """The level of each bar, as an integer number of quarters of an instrument's share."""
    shares = _open_bars(exposure) * exposure.shape[1]
    return shares.mul(LEVELS_PER_SHARE).round().astype(int)


def share_of_flips(exposure: pd.DataFrame) -> float:
    """Share of bars that end at another level than the one before, in the mean of the instruments."""
    levels = levels_of(exposure).to_numpy()
    return float((np.diff(levels, axis=0) != 0).mean()) if len(levels) > 1 else math.nan


def exposure_entropy(exposure: pd.DataFrame) -> float:
    """Shannon entropy of the levels held, -Σ p ln p in nats, in the mean of the instruments.

    Source: Shannon 1948, "A Mathematical Theory of Communication", Bell System Technical Journal 27.
    """
    levels = levels_of(exposure)
    if not len(levels):
        return math.nan
    shares = [levels[name].value_counts(normalize=True).to_numpy() for name in levels]
    return math.fsum(float((share * np.log(1.0 / share)).sum()) for share in shares) / len(shares)


def correlation(equity: pd.Series[float], held: pd.Series[float]) -> float:
    """Pearson's correlation of the returns of two equities on the bars that both have; nan where one never varies."""
    returns = pd.concat([returns_of(equity), returns_of(held)], axis=1, join="inner").to_numpy()
    if len(returns) < 2 or (np.ptp(returns, axis=0) <= ROUNDING).any():
        return math.nan
    return float(np.corrcoef(returns, rowvar=False)[0, 1])


def value_of_holding(bars: Mapping[str, pd.DataFrame]) -> pd.Series[float]:
    """What equal parts of all instruments, bought free of cost at the first close, are worth at each close; 1 at first.

    It stands in for the equity of buy-and-hold where that has not been run.
    """
    growth = [frame["close"] / frame["close"].iloc[0] for frame in bars.values()]
    mean: pd.Series[float] = pd.concat(growth, axis=1).mean(axis=1)
    return mean


def _open_bars(exposure: pd.DataFrame) -> pd.DataFrame:
    """The bars that count: after the first decision, and before the ruin."""
    return exposure.iloc[1:].dropna()


def _once(orders: pd.DataFrame) -> Collapse | None:
    """The collapse of a policy with no more than one fill in any instrument."""
    if not len(orders):
        return Collapse.IDLE
    if int(orders["instrument"].value_counts().max()) > 1:
        return None
    sides = set(orders["side"])
    return Collapse.TRADED if len(sides) > 1 else Collapse.BOUGHT if sides == {"buy"} else Collapse.SOLD


def _habit(numbers: Mapping[str, float], bars: int) -> Collapse | None:
    """The collapse of a policy that does the same all the time."""
    if bars < LEAST_BARS:
        return None
    if numbers["flips"] >= FLIPS:
        return Collapse.FLIPS
    if numbers["in_market"] >= HOLDS and abs(numbers["correlation"]) >= HOLDS:
        return Collapse.HOLDS if numbers["correlation"] > 0 else Collapse.SHORTS
    return None


def _remark(
    collapse: Collapse | None, numbers: Mapping[str, float], orders: pd.DataFrame, n_instruments: int
) -> str | None:
    if collapse is None:
        return None
    more = ""
    if collapse in {Collapse.BOUGHT, Collapse.SOLD, Collapse.TRADED} and n_instruments > 1:
        more = f" in {len(orders)} of {n_instruments} instruments"
    elif collapse is Collapse.FLIPS:
        more = f": on {100 * numbers['flips']:.0f} % of them its exposure went to another level"
    elif collapse in {Collapse.HOLDS, Collapse.SHORTS}:
        more = f": correlation {numbers['correlation']:.2f}, exposure {100 * numbers['net_exposure']:.0f} %"
    return f"the policy {collapse}{more}"
