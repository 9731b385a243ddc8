"""Trades from fills: what happened between being flat and being flat again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from dltrader.evaluation.tables import table_of

TRADE_COLUMNS = (
    "instrument", "side", "opened_at", "closed_at", "bars", "size", "entry_price", "exit_price", "commission", "profit",
    "return_",
)  # fmt: skip

DUST = 1e-9
"""Share of a trade's largest size that counts as nothing: fractions of a unit leave it behind, 0.1 + 0.2 - 0.3."""


@dataclass
class _OpenTrade:
    """A position on its way, with what went in and what came out."""

    instrument: str
    side: str
    opened_at: pd.Timestamp
    size: float = 0.0  # largest, units
    held: float = 0.0  # now, signed
    bought: float = 0.0  # units
    paid: float = 0.0  # money for them
    sold: float = 0.0
    received: float = 0.0
    commission: float = 0.0


def closed_trades(orders: pd.DataFrame, times: pd.DatetimeIndex) -> pd.DataFrame:
    """One row for every trade, from flat to flat; a fill that crosses zero closes one trade and opens the next.

    A fill that crosses zero pays its commission in proportion to its two parts. A trade still open at the end is none.

    Args:
        orders: One row a fill: time, instrument, side, size, price, commission.
        times: The bars, to count how many a trade lasted.

    Returns:
        The columns of `BacktestResult.trades`, in the order in which trades closed. Prices are volume-weighted means;
        `return_` is the profit over the entry value.
    """
    rows = []
    open_trades: dict[str, _OpenTrade] = {}
    fills: Iterable[Any] = orders.itertuples(index=False)
    for fill in fills:
        signed = fill.size if fill.side == "buy" else -fill.size
        while signed != 0.0:
            trade = open_trades.get(fill.instrument)
            if trade is None:
                side = "long" if signed > 0 else "short"
                trade = open_trades[fill.instrument] = _OpenTrade(fill.instrument, side, fill.time)
            rest = trade.held + signed
            crosses = trade.held * signed < 0 < rest * signed and abs(rest) > DUST * trade.size
            part = -trade.held if crosses else signed
            _add(trade, part, fill.price, fill.commission * abs(part) / fill.size)
            signed -= part
            if abs(trade.held) <= DUST * trade.size:
                rows.append(_closed(trade, fill.time, times))
                del open_trades[fill.instrument]
    return table_of(rows, TRADE_COLUMNS, times)


def _add(trade: _OpenTrade, part: float, price: float, commission: float) -> None:
    if part > 0:
        trade.bought += part
        trade.paid += part * price
    else:
        trade.sold -= part
        trade.received -= part * price
    trade.held += part
    trade.size = max(trade.size, abs(trade.held))
    trade.commission += commission


def _closed(trade: _OpenTrade, time: pd.Timestamp, times: pd.DatetimeIndex) -> dict[str, object]:
    buy, sell = trade.paid / trade.bought, trade.received / trade.sold
    long = trade.side == "long"
    profit = trade.received - trade.paid - trade.commission
    known = {name: value for name, value in asdict(trade).items() if name in TRADE_COLUMNS}
    return known | {
        "closed_at": time,
        "bars": int(times.searchsorted(time) - times.searchsorted(trade.opened_at)),
        "entry_price": buy if long else sell,
        "exit_price": sell if long else buy,
        "profit": profit,
        "return_": profit / (trade.paid if long else trade.received),
    }
