"""Records of a step: what was executed, what was refused, and what it did to the account.

What is said here of an account is said of one, in floats, or of many, in arrays with one element a lane.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

from dltrader.envs.numeric import Number, choose, higher, lower, sign

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

SMALLEST_EQUITY = 1e-100
"""Stands for an equity of nothing or less where one is divided by it: what comes out is cut at a bound anyway."""


class Fill(NamedTuple):
    """An order, or a part of one, that was executed."""

    time: pd.Timestamp
    instrument: str
    side: Literal["buy", "sell"]
    size: float  # units, > 0
    price: float
    commission: float  # money


class Rejection(NamedTuple):
    """An order, or the rest of one, that the broker refused."""

    time: pd.Timestamp
    instrument: str
    size: float  # units asked for, signed
    reason: str


@dataclass(slots=True)
class Step:
    """What happened to the account over one bar; floats, or arrays with one element a lane.

    Attributes:
        equity_before: Money at the close of the bar of the decision.
        equity: Money at the close of the bar of the fill.
        values: Money that the positions are worth at the later close, one element an instrument.
        memory: What the reward keeps between the bars of an episode; empty at its start.
    """

    equity_before: Number
    equity: Number
    values: Sequence[Number]
    memory: dict[str, Number] = field(default_factory=dict)

    @property
    def exposure(self) -> list[Number]:
        """Position value / equity at the later close, one element an instrument; 0 without equity."""
        equity = choose(self.equity == 0.0, 1.0, self.equity)
        return [choose(self.equity == 0.0, 0.0, value / equity) for value in self.values]


def exposures_of(positions: Sequence[Number], closes: Sequence[Number], equity: Number) -> list[Number]:
    """Position values as fractions of equity, one an instrument; huge where there is none."""
    worth = higher(equity, SMALLEST_EQUITY)
    return [position * close / worth for position, close in zip(positions, closes, strict=True)]


def account_of(
    positions: Sequence[Number],
    entries: Sequence[Number],
    closes: Sequence[Number],
    equity: Number,
    *,
    bound: float,
) -> list[Number]:
    """The account as an agent sees it: every exposure, then every open trade's unrealised return.

    Args:
        positions: Units held.
        entries: Mean prices that they were bought or sold at; where none are held, anything positive.
        closes: Prices at which they are valued.
        equity: Money; where there is none, exposures lie at the bound.
        bound: Numbers beyond it are cut.
    """
    pairs = list(zip(positions, entries, closes, strict=True))
    exposures = exposures_of(positions, closes, equity)
    returns = [sign(position) * (close / entry - 1.0) for position, entry, close in pairs]
    return [lower(higher(number, -bound), bound) for number in exposures + returns]
