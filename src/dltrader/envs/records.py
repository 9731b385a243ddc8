"""Records of a step: what was executed, what was refused, and what it did to the account."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    import pandas as pd

    from dltrader.envs.numeric import Number


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
        exposure: Position value / equity at the later close, one element an instrument.
        memory: What the reward keeps between the bars of an episode; empty at its start.
    """

    equity_before: Number
    equity: Number
    exposure: Any
    memory: dict[str, Number] = field(default_factory=dict)
