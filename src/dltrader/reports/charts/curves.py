"""Charts over time and over costs: equity, drawdown, a rolling ratio, what is left at which cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from dltrader.evaluation.formats import compact, short_percent
from dltrader.reports.charts.panel import BOTTOM, LEFT, RIGHT, TOP, Panel, panel, sheet
from dltrader.reports.charts.scales import Numbers, Scale, spanning


@dataclass(frozen=True, eq=False)
class Line:
    """A line of a chart: numbers of bars, the levels there, and its style, such as "self", "hold" or "run-1"."""

    places: Numbers
    levels: Numbers
    style: str


@dataclass(frozen=True, eq=False)
class Band:
    """What lies between two lines, at some of the bars."""

    places: Numbers
    low: Numbers
    high: Numbers


def equity_chart(width: float, index: pd.DatetimeIndex, lines: Sequence[Line], bands: Sequence[Band] = ()) -> str:
    """Equity at the close of each bar, and bands of seeds behind it, the widest first; logarithmic if it grows much."""
    height = 300.0 if width > 500 else 250.0
    shown = [one.levels for one in lines] + [edge for band in bands for edge in (band.low, band.high)]
    y = spanning(shown, 0, 1, log=True)
    made = panel(width, TOP, height - BOTTOM, len(index), y)
    body = made.grid(compact) + made.dates(index)
    body += "".join(made.area(band.places, band.low, band.high, f"band-{i}") for i, band in enumerate(bands))
    if len(lines):
        body += made.level(float(lines[0].levels[0]))
    body += "".join(made.line(one.places, one.levels, one.style) for one in reversed(lines))
    return sheet(width, height, body)


def drawdown_chart(width: float, index: pd.DatetimeIndex, lines: Sequence[Line]) -> str:
    """How far each equity stands below its highest close so far."""
    height = 190.0 if width > 500 else 170.0
    deepest = min((float(np.nanmin(one.levels, initial=0.0)) for one in lines), default=0.0)
    made = panel(width, TOP, height - BOTTOM, len(index), Scale(1.06 * min(deepest, -0.01), 0.0, 0, 1))
    body = made.grid(short_percent, every_px=36) + made.dates(index)
    for one in reversed(lines):
        body += made.area(one.places, one.levels, np.zeros(len(one.places)), f"under-{one.style}")
        body += made.line(one.places, one.levels, one.style)
    return sheet(width, height, body)


def rolling_chart(width: float, index: pd.DatetimeIndex, lines: Sequence[Line]) -> str:
    """A ratio that rolls, around zero."""
    height = 200.0 if width > 500 else 180.0
    y = spanning([np.zeros(1), *(one.levels for one in lines)], 0, 1)
    made = panel(width, TOP, height - BOTTOM, len(index), y)
    body = made.grid(compact, every_px=36) + made.dates(index) + made.level(0.0)
    body += "".join(made.line(one.places, one.levels, one.style) for one in reversed(lines))
    return sheet(width, height, body)


def cost_chart(
    width: float, rows: Sequence[Mapping[str, Any]], own_bp: float | None, break_even_bp: float | None
) -> str:
    """Log growth at every cost of one side, with its interval, beside buy-and-hold at the same cost."""
    height = 250.0 if width > 500 else 230.0
    x = np.array([row["cost_bp"] for row in rows], dtype=float)
    growth, low, high, held = (
        np.array([row.get(name) for row in rows], dtype=float)
        for name in ("growth", "growth_low", "growth_high", "buy_and_hold")
    )
    y = spanning([np.zeros(1), growth, low, high, held], 0, 1)
    across = Scale(float(x.min(initial=0.0)), float(max(x.max(initial=1.0), 1e-9)), LEFT, width - RIGHT - 8)
    made = Panel(across, Scale(y.low, y.high, height - BOTTOM - 14, TOP))
    body = made.grid(short_percent) + made.foot(_apart(across, x)) + made.level(0.0)
    body += made.words(width - RIGHT, height - 2, "cost of one side, basis points", anchor="end", style="unit")
    if own_bp is not None and own_bp <= across.high:
        body += made.upright(own_bp, "own")
    body += made.area(x, low, high, "band-1") + made.line(x, held, "hold") + made.line(x, growth, "self")
    body += made.dots(x, held, lambda _: "dot-hold", 2.6) + made.dots(x, growth, lambda _: "dot-self")
    if break_even_bp is not None and break_even_bp <= across.high:
        body += made.dots([break_even_bp], [0.0], lambda _: "dot-even", 5.0)
    return sheet(width, height, body)


def _apart(across: Scale, values: Numbers) -> list[tuple[float, str]]:
    """Places of values and what to write there, without those that would touch the one before."""
    kept: list[tuple[float, str]] = []
    for value, place in zip(values, across(values), strict=True):
        if not kept or place - kept[-1][0] >= 26:
            kept.append((float(place), compact(float(value))))
    return kept
