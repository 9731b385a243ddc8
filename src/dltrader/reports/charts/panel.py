"""A panel: a rectangle of a chart with its scales, and what is drawn in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from dltrader.reports.charts import scales
from dltrader.reports.charts.scales import Scale, short

WIDE, HALF, NARROW = 820, 400, 350
"""Widths of a chart in pixels: beside the table of contents, two of them side by side there, and on a telephone."""

LEFT, RIGHT, TOP, BOTTOM = 56, 14, 12, 26
"""Room for the values on the left and the dates below."""


@dataclass(frozen=True)
class Panel:
    """Where things are drawn: the scales say left, right, bottom and top."""

    x: Scale
    y: Scale

    @property
    def left(self) -> float:
        """The place of its left edge."""
        return self.x.start

    @property
    def right(self) -> float:
        """The place of its right edge."""
        return self.x.end

    @property
    def bottom(self) -> float:
        """The place of its lower edge."""
        return self.y.start

    @property
    def top(self) -> float:
        """The place of its upper edge."""
        return self.y.end

    def grid(self, form: Callable[[float], str], *, every_px: float = 44.0) -> str:
        """Lines across at round values, and these beside them."""
        values = scales.ticks(self.y, max(2, int((self.bottom - self.top) / every_px)))
        parts = []
        for value, y in zip(values, self.y(values), strict=True):
            parts.append(f'<line class="grid" x1="{self.left:g}" x2="{self.right:g}" y1="{short(y)}" y2="{short(y)}"/>')
            parts.append(
                f'<text class="tick" x="{self.left - 8:g}" y="{short(y + 4)}" text-anchor="end">{form(value)}</text>'
            )
        return "".join(parts)

    def grid_x(self, form: Callable[[float], str], *, every_px: float = 84.0) -> str:
        """Round values below; the panel's foot is drawn."""
        values = scales.ticks(self.x, max(2, int((self.right - self.left) / every_px)))
        return self.foot([(float(x), form(value)) for value, x in zip(values, self.x(values), strict=True)])

    def dates(self, index: pd.DatetimeIndex) -> str:
        """Dates below; the panel's foot is drawn."""
        found = scales.dates(index, max(2, int((self.right - self.left) / 84)))
        return self.foot([(float(self.x(bar)), written) for bar, written in found])

    def foot(self, marks: Sequence[tuple[float, str]]) -> str:
        """The line at the bottom, with words below it; one that would stick out is moved in."""
        parts = [
            f'<line class="foot" x1="{self.left:g}" x2="{self.right:g}" y1="{self.bottom:g}" y2="{self.bottom:g}"/>'
        ]
        for x, written in marks:
            anchor = "end" if x > self.right - 16 else "middle"
            parts.append(self.words(x, self.bottom + 18, written, anchor=anchor))
        return "".join(parts)

    def level(self, value: float, style: str = "zero") -> str:
        """A line across at a value; nothing where it lies outside."""
        y = float(self.y(value))
        if not self.top <= y <= self.bottom:
            return ""
        return f'<line class="{style}" x1="{self.left:g}" x2="{self.right:g}" y1="{short(y)}" y2="{short(y)}"/>'

    def upright(self, value: float, style: str = "zero") -> str:
        """A line upwards at a value; nothing where it lies outside."""
        x = float(self.x(value))
        if not self.left <= x <= self.right:
            return ""
        return f'<line class="{style}" x1="{short(x)}" x2="{short(x)}" y1="{self.top:g}" y2="{self.bottom:g}"/>'

    def line(self, x: Any, y: Any, style: str) -> str:
        """A line through points."""
        return f'<path class="line {style}" d="{scales.line(self.x(x), self.y(y))}"/>'

    def area(self, x: Any, low: Any, high: Any, style: str) -> str:
        """What lies between two lines."""
        return f'<path class="area {style}" d="{scales.area(self.x(x), self.y(low), self.y(high))}"/>'

    def bars(self, left: Any, right: Any, height: Any, style: Callable[[int], str]) -> str:
        """Upright bars from zero."""
        a, b, top, zero = self.x(left), self.x(right), self.y(height), float(self.y(0.0))
        parts = []
        for i in range(len(top)):
            low, high = sorted((float(top[i]), zero))
            parts.append(
                f'<rect class="{style(i)}" x="{short(a[i] + 0.5)}" y="{short(low)}" '
                f'width="{short(max(b[i] - a[i] - 1, 0.5))}" height="{short(high - low)}"/>'
            )
        return "".join(parts)

    def dots(self, x: Any, y: Any, style: Callable[[int], str], radius: float = 3.2) -> str:
        """A dot at every point."""
        places = zip(self.x(x), self.y(y), strict=True)
        return "".join(
            f'<circle class="{style(i)}" cx="{short(a)}" cy="{short(b)}" r="{radius:g}"/>'
            for i, (a, b) in enumerate(places)
            if np.isfinite(a) and np.isfinite(b)
        )

    def words(self, x: float, y: float, text: str, *, anchor: str = "start", style: str = "tick") -> str:
        """Words at a place in pixels."""
        return f'<text class="{style}" x="{short(x)}" y="{short(y)}" text-anchor="{anchor}">{escape(text)}</text>'


def panel(width: float, top: float, bottom: float, bars: int, y: Scale) -> Panel:
    """A panel whose x is the number of a bar; its y is given, top and bottom say where."""
    x = Scale(0.0, float(max(bars - 1, 1)), LEFT, width - RIGHT)
    return Panel(x, Scale(y.low, y.high, bottom, top, log=y.log))


def sheet(width: float, height: float, body: str, *, style: str = "", attributes: str = "") -> str:
    """The chart itself; what it shows is said by the figure around it."""
    return (
        f'<svg class="chart {style}" viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}" '
        f'aria-hidden="true" focusable="false"{attributes}>{body}</svg>'
    )


def both(draw: Callable[[float], str]) -> tuple[str, str]:
    """A chart for wide screens and for narrow ones."""
    return draw(WIDE), draw(NARROW)
