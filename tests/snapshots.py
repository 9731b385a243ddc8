"""Snapshots for the tests: bars and features as another program would send them."""

from __future__ import annotations

from typing import Any

import pandas as pd


def bar(time: str, price: float = 1.0, **changes: float) -> dict[str, Any]:
    """A bar on which the price stood still."""
    prices = dict.fromkeys(("open", "high", "low", "close"), price)
    return {"time": time, **prices, "volume": 10.0, **changes}


def records(bars: pd.DataFrame) -> list[dict[str, Any]]:
    """Bars as a snapshot lists them."""
    rows = zip(bars.index, bars.to_dict("records"), strict=True)
    return [{"time": time.isoformat(), **values} for time, values in rows]
