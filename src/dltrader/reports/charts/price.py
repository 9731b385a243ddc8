"""Trades on price, with the exposure below: complete as it stands, zoomable where a script may run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from dltrader.evaluation.formats import compact, short_percent
from dltrader.reports.charts import scales
from dltrader.reports.charts.panel import BOTTOM, LEFT, RIGHT, TOP, panel, sheet
from dltrader.reports.charts.scales import Scale, short, spanning

MOST_BARS = 12_000
"""Of more bars, several are drawn and zoomed as one, so that the page stays small."""

POSITION_PX, GAP_PX = 70.0, 22.0


def price_chart(width: float, bars: pd.DataFrame, fills: pd.DataFrame, exposure: pd.Series[float]) -> str:
    """Closes with a triangle at every fill, a tint where the position is long or short, the exposure below.

    Args:
        width: In pixels.
        bars: Of one instrument, indexed by time.
        fills: Its fills: time, side, price.
        exposure: At the close of each bar.
    """
    height = 420.0 if width > 500 else 360.0
    floor = height - BOTTOM
    base = floor - POSITION_PX - GAP_PX
    x = np.arange(len(bars), dtype=float)
    close = bars["close"].to_numpy(dtype=float)
    prices = panel(width, TOP, base, len(bars), spanning([close, fills["price"].to_numpy(dtype=float)], 0, 1, log=True))
    held = np.nan_to_num(exposure.to_numpy(dtype=float))
    low, high = min(0.0, float(held.min(initial=0.0))), max(0.0, float(held.max(initial=0.0)))
    high = high if high > low else 1.0
    below = panel(width, base + GAP_PX, floor, len(bars), Scale(1.06 * low, 1.06 * high, 0, 1))
    drawn = "".join(
        (
            _tints(held, prices.x, base),
            prices.grid(compact),
            prices.line(x, close, "price"),
            _fills(fills, bars.index, prices.x, prices.y),
            below.grid(short_percent, every_px=36),
            _steps(held, below.x, below.y),
            below.level(0.0),
            below.dates(bars.index),  # type: ignore[arg-type]
        )
    )
    places = {"left": LEFT, "right": width - RIGHT, "top": TOP, "base": base, "under": base + GAP_PX, "floor": floor}
    attributes = "".join(f' data-{name}="{value:g}"' for name, value in places.items())
    attributes += f' data-log="{int(prices.y.log)}"'
    return sheet(width, height, f'<g class="view">{drawn}</g>', style="zoomable", attributes=attributes)


def zoom_data(bars: pd.DataFrame, fills: pd.DataFrame, exposure: pd.Series[float]) -> Mapping[str, Any]:
    """What the script draws from: times in seconds, prices to six digits, exposures, fills as bar, price and sign."""
    every = -(-len(bars) // MOST_BARS)
    group = np.arange(len(bars)) // every
    merged = bars.groupby(group).agg({"open": "first", "high": "max", "low": "min", "close": "last"})
    last = bars.index[np.minimum(np.arange(1, group[-1] + 2) * every, len(bars)) - 1]
    seconds = (last.as_unit("s").asi8).tolist()
    place = bars.index.get_indexer(pd.DatetimeIndex(fills["time"])) // every
    return {
        "t": seconds,
        **{name[0]: [float(f"{value:.6g}") for value in merged[name]] for name in merged.columns},
        "e": [round(float(value), 3) for value in np.nan_to_num(exposure.groupby(group).last())],
        "f": [
            [int(i), float(f"{price:.6g}"), 1 if side == "buy" else -1]
            for i, price, side in zip(place, fills["price"], fills["side"], strict=True)
            if i >= 0
        ],
    }


def as_json(data: Mapping[str, Any]) -> str:
    """Data as JSON that may stand inside a script element, whatever it holds."""
    return json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _tints(held: scales.Numbers, x: Scale, base: float) -> str:
    parts = []
    for start, end, side in scales.runs(np.sign(held)):
        if side:
            a, b = (float(x(edge)) for edge in (max(start - 0.5, x.low), min(end - 0.5, x.high)))
            name = "tint-long" if side > 0 else "tint-short"
            parts.append(
                f'<rect class="{name}" x="{short(a)}" y="{TOP}" width="{short(b - a)}" height="{base - TOP:g}"/>'
            )
    return "".join(parts)


def _steps(held: scales.Numbers, x: Scale, y: Scale) -> str:
    """The exposure as steps, longs and shorts in their colours."""
    parts = []
    for side, name in ((1.0, "long"), (-1.0, "short")):
        values = np.where(np.sign(held) == side, held, 0.0)
        if not values.any():
            continue
        path = [f"M{short(float(x(x.low)))} {short(float(y(0.0)))}"]
        for start, end, value in scales.runs(values):
            level = short(float(y(value)))
            a, b = (float(x(edge)) for edge in (max(start - 0.5, x.low), min(end - 0.5, x.high)))
            path.append(f"L{short(a)} {level}L{short(b)} {level}")
        path.append(f"L{short(float(x(x.high)))} {short(float(y(0.0)))}Z")
        parts.append(f'<path class="step-{name}" d="{"".join(path)}"/>')
    return "".join(parts)


def _fills(fills: pd.DataFrame, index: pd.Index[Any], x: Scale, y: Scale) -> str:
    """Triangles, upwards a buy and downwards a sell, smaller where there are many."""
    size = float(np.clip(60.0 / max(len(fills), 1) ** 0.5, 3.2, 6.0))
    places = index.get_indexer(pd.DatetimeIndex(fills["time"]))
    parts = []
    for i, price, side in zip(places, fills["price"], fills["side"], strict=True):
        if i >= 0:
            parts.append(_triangle(float(x(float(i))), float(y(price)), size, buy=side == "buy"))
    return "".join(parts)


def _triangle(x: float, y: float, size: float, *, buy: bool) -> str:
    tip = -size if buy else size
    corners = f"M{short(x)} {short(y + tip)}l{short(size)} {short(-1.8 * tip)}h{short(-2 * size)}Z"
    return f'<path class="{"buy" if buy else "sell"}" d="{corners}"/>'
