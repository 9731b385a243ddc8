"""Sizing: how much of the account an opinion is worth, before any limit.

Each is a function of an outlook and gives an exposure, a fraction of equity that may exceed what the account allows:
the trading rules cut it.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Annotated, Literal, NamedTuple, TypeAlias

from pydantic import Field, SerializeAsAny

from dltrader.config import NamedConfig, named
from dltrader.registry import Registry


class Outlook(NamedTuple):
    """What a position would be taken on.

    Attributes:
        direction: 1 of a long position, -1 of a short one.
        buy: Probability that a long trade over the horizon pays for its costs.
        sell: Probability that a short trade does.
        movement: Expected log return over the horizon; None where no model tells.
        horizon_bars: The horizon.
        volatility: Standard deviation of the log returns of single bars, of the recent past.
    """

    direction: float
    buy: float
    sell: float
    movement: float | None
    horizon_bars: int
    volatility: float


class Sizing(NamedConfig, ABC):
    """The base of all sizings."""

    @abstractmethod
    def exposure(self, outlook: Outlook) -> float:
        """The size of the exposure in the outlook's direction, a fraction of equity: 0 or more, possibly infinite."""


class FixedFraction(Sizing):
    """The same fraction of equity every time."""

    name: Literal["fixed_fraction"] = "fixed_fraction"
    fraction: float = Field(1.0, gt=0, le=100, description="Exposure as a fraction of equity, within env.leverage")

    def exposure(self, outlook: Outlook) -> float:
        """The fraction."""
        del outlook
        return self.fraction


class VolatilityTarget(Sizing):
    """As much as makes the account as volatile as wished: target / volatility of the recent past.

    Source: Moreira and Muir 2017, Volatility-managed portfolios, Journal of Finance 72 (there by the variance).
    """

    name: Literal["volatility_target"] = "volatility_target"
    target: float = Field(
        0.01,
        gt=0,
        lt=1,
        description="Standard deviation of the account's return over one bar, a fraction, so 1 % a bar is 0.01",
    )

    def exposure(self, outlook: Outlook) -> float:
        """The quotient; infinite where prices stand still."""
        return _quotient(self.target, outlook.volatility)


class FractionalKelly(Sizing):
    """A fraction of the exposure at which the logarithm of equity grows fastest, m / s² a bar.

    m is the expected arithmetic return of a bar, movement / horizon + s² / 2, and s the volatility. Where no model
    tells of a movement, that of a bet of one standard deviation over the horizon at the opinion's odds stands for it,
    (buy - sell) x s x sqrt(horizon).
    Sources: Kelly 1956, A new interpretation of information rate; Thorp 2006, The Kelly criterion in blackjack, sports
    betting and the stock market, section 7.
    """

    name: Literal["fractional_kelly"] = "fractional_kelly"
    fraction: float = Field(
        0.25, gt=0, le=1, description="Part of the fastest growing exposure that is taken; estimates err, so below 1"
    )

    def exposure(self, outlook: Outlook) -> float:
        """The part of m / s² that lies in the outlook's direction; 0 where it lies in the other one."""
        movement, horizon, volatility = outlook.movement, outlook.horizon_bars, outlook.volatility
        if movement is None:
            movement = (outlook.buy - outlook.sell) * volatility * math.sqrt(horizon)
        variance = volatility * volatility
        edge = outlook.direction * (movement / horizon + variance / 2.0)
        return self.fraction * _quotient(edge, variance) if edge > 0.0 else 0.0


def _quotient(numerator: float, denominator: float) -> float:
    """The quotient of a positive number and one of 0 or more."""
    return numerator / denominator if denominator > 0.0 else math.inf


SIZINGS: Registry[type[Sizing]] = Registry(
    "sizing",
    {
        "fixed_fraction": f"{__name__}:FixedFraction",
        "volatility_target": f"{__name__}:VolatilityTarget",
        "fractional_kelly": f"{__name__}:FractionalKelly",
    },
)

SizingField: TypeAlias = Annotated[SerializeAsAny[Sizing], named(SIZINGS)]
"""A field that takes a sizing, its name, or a mapping with its name and parameters."""
