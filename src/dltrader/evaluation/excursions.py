"""Excursions: how far a trade stood in loss and in profit before it was closed.

A trade that ends well after deep losses was lucky or brave; one that ends badly after large profits gave them back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd


def excursions(trades: pd.DataFrame, bars: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The deepest loss and the highest profit of each closed trade, from the bars' lows and highs.

    Orders fill at the open of a bar: a trade has seen the whole bar of its first fill, and of the bar of its last no
    more than the price it left at. The entry price is the mean of all fills that opened the trade, and costs are left
    out.

    Args:
        trades: `BacktestResult.trades`.
        bars: Instrument -> its bars; they cover the trades.

    Returns:
        One row a trade, with the index of `trades`: `adverse` <= 0, the maximum adverse excursion (MAE), `favourable`
        >= 0, the maximum favourable excursion (MFE), both as fractions of the entry price, and `return_`, that of the
        trade.

    Source: Sweeney 1996, "Maximum Adverse Excursion", Wiley.
    """
    rows = []
    closed: Iterable[Any] = trades.itertuples(index=False)
    for trade in closed:
        low, high = _range(trade, bars[trade.instrument])
        down, up = low / trade.entry_price - 1.0, high / trade.entry_price - 1.0
        if trade.side == "short":
            down, up = -up, -down
        rows.append((min(down, 0.0), max(up, 0.0), trade.return_))
    return pd.DataFrame(rows, index=trades.index, columns=["adverse", "favourable", "return_"], dtype="float64")


def _range(trade: Any, bars: pd.DataFrame) -> tuple[float, float]:
    """The lowest and the highest price while a trade was open."""
    seen = bars.loc[(bars.index >= trade.opened_at) & (bars.index < trade.closed_at), ["low", "high"]]
    low, high = min(trade.entry_price, trade.exit_price), max(trade.entry_price, trade.exit_price)
    return (min(low, float(seen["low"].min())), max(high, float(seen["high"].max()))) if len(seen) else (low, high)


def typical_excursions(moves: pd.DataFrame) -> pd.DataFrame:
    """How many trades were won and lost, and the medians of their excursions and returns.

    Args:
        moves: What `excursions` gave.

    Returns:
        Rows "won" (return > 0), "lost" and "all"; columns trades, adverse, favourable, return_; nan of no trade.
    """
    won = moves["return_"] > 0
    groups = {"won": moves[won], "lost": moves[~won], "all": moves}
    rows = {name: {"trades": float(len(part)), **part.median()} for name, part in groups.items()}
    return pd.DataFrame.from_dict(rows, orient="index", columns=["trades", *moves.columns], dtype="float64")
