"""Charts of how things are spread: returns, excursions of trades, traders beside one another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from dltrader.evaluation.formats import compact, short_percent
from dltrader.evaluation.series import Distribution
from dltrader.reports.charts.panel import BOTTOM, LEFT, RIGHT, TOP, Panel, sheet
from dltrader.reports.charts.scales import Scale, short, spanning


def returns_chart(width: float, found: Distribution) -> str:
    """The histogram of returns, losses and gains apart, and the normal distribution of the same mean and deviation."""
    height = 220.0 if width > 500 else 200.0
    edges, counts = found.edges, found.counts.astype(float)
    bin_width = float(edges[1] - edges[0])
    at = np.linspace(float(edges[0]), float(edges[-1]), 161)
    scale = counts.sum() * bin_width / (found.deviation * math.sqrt(2 * math.pi))
    normal = scale * np.exp(-0.5 * ((at - found.mean) / found.deviation) ** 2)
    top = 1.08 * max(float(counts.max()), float(normal.max()))
    x = Scale(float(edges[0]), float(edges[-1]), LEFT, width - RIGHT)
    made = Panel(x, Scale(0.0, top, height - BOTTOM, TOP))
    body = made.grid(compact) + made.grid_x(short_percent, every_px=64)
    body += made.bars(edges[:-1], edges[1:], counts, lambda i: "bar-loss" if edges[i] < 0 else "bar-gain")
    return sheet(width, height, body + made.line(at, normal, "normal"))


def excursion_chart(width: float, moves: pd.DataFrame, which: str) -> str:
    """Every trade's return against how far it stood in loss ("adverse") or in profit ("favourable")."""
    height = 300.0 if width > 350 else 270.0
    across = moves[which].abs().to_numpy()
    gained = moves["return_"].to_numpy()
    x = spanning([np.zeros(1), across], LEFT, width - RIGHT)
    y = spanning([np.zeros(1), gained], 0, 1)
    made = Panel(Scale(0.0, x.high, LEFT, width - RIGHT), Scale(y.low, y.high, height - BOTTOM - 14, TOP))
    body = made.grid(short_percent) + made.grid_x(short_percent, every_px=64) + made.level(0.0)
    sign = -1.0 if which == "adverse" else 1.0
    ends = np.array([0.0, x.high])
    inside = np.clip(sign * ends, y.low, y.high)
    body += made.line(np.abs(inside), inside, "limit")
    said = "deepest loss while open" if which == "adverse" else "highest profit while open"
    body += made.words(width - RIGHT, height - 2, said, anchor="end", style="unit")
    radius = float(np.clip(40.0 / math.sqrt(max(len(moves), 1)), 2.0, 4.5))
    return sheet(
        width, height, body + made.dots(across, gained, lambda i: "dot-gain" if gained[i] > 0 else "dot-loss", radius)
    )


@dataclass(frozen=True)
class Estimate:
    """A row of a forest chart: a name, a value, its interval where there is one, and a style."""

    name: str
    value: float
    low: float
    high: float
    style: str
    dots: Sequence[float] = ()


def forest_chart(width: float, rows: Sequence[Estimate], unit: str) -> str:
    """Values with their intervals under one another, single seeds as small dots."""
    names = 138.0
    row_px = 30.0
    height = TOP + row_px * len(rows) + BOTTOM + 14
    shown = [np.array([row.value, row.low, row.high, *row.dots, 0.0], dtype=float) for row in rows]
    x = spanning(shown, names, width - RIGHT)
    made = Panel(x, Scale(0.0, 1.0, height - BOTTOM - 14, TOP))
    body = made.grid_x(short_percent if unit.startswith("growth") else compact, every_px=64) + made.upright(0.0)
    body += made.words(width - RIGHT, height - 2, unit, anchor="end", style="unit")
    for i, row in enumerate(rows):
        y = TOP + row_px * (i + 0.5)
        body += made.words(names - 12, y + 4, row.name, anchor="end", style="label")
        ends = x([row.low, row.high])
        if np.isfinite(ends).all():
            body += (
                f'<line class="whisker {row.style}" x1="{short(ends[0])}" x2="{short(ends[1])}" y1="{y:g}" y2="{y:g}"/>'
            )
        for place in x(list(row.dots)) if row.dots else ():
            if math.isfinite(place):
                body += f'<circle class="seed" cx="{short(place)}" cy="{y + 9:g}" r="2.2"/>'
        at = float(x(row.value))
        if math.isfinite(at):
            body += f'<circle class="dot-{row.style}" cx="{short(at)}" cy="{y:g}" r="4.5"/>'
    return sheet(width, height, body)
