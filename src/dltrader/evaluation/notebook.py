"""How results show themselves in a notebook: a line of equity, and a table of what counts. Strings, and nothing else.

Every word is escaped: a policy, a run or an instrument may be called anything. Colours are those of the notebook.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from dltrader.evaluation.formats import format_metric, label_of

if TYPE_CHECKING:
    import pandas as pd

    from dltrader.evaluation.result import BacktestResult

SHOWN = ("total_return", "annual_return", "sharpe", "max_drawdown", "exposure", "trades", "turnover", "commission")
"""Metrics of a result that is met in a notebook; `.metrics` has the others."""

BLUE, GREY, BROWN = "#0072b2", "#8c8c8c", "#a57c3c"

WIDTH, HEIGHT, MOST_POINTS = 480, 90, 480


def result_html(result: BacktestResult) -> str:
    """A backtest: its equity beside the baselines, and their metrics in a table."""
    index = result.equity.index
    columns = {result.policy: result, "buy and hold": result.benchmark, "same exposure": result.matched}
    shown = {name: one for name, one in columns.items() if one is not None}
    colours = dict(zip(columns, (BLUE, GREY, BROWN), strict=True))
    span = f"{index[0]:%Y-%m-%d} to {index[-1]:%Y-%m-%d}, {len(index) - 1:,} bars" if len(index) else "no bars"
    rows = [
        [label_of(name), *(format_metric(name, float(one.metrics.get(name, math.nan))) for one in shown.values())]
        for name in SHOWN
        if name in result.metrics
    ]
    remark = result.behaviour.remark if len(index) else None
    parts = [
        heading(result.policy, f"{', '.join(result.bars)}, {span}"),
        sparkline({colours[name]: one.equity for name, one in reversed(shown.items())}),
        table(["", *shown], rows, colours=[None, *(colours[name] for name in shown)]),
        f"<p>{escape(remark)}</p>" if remark else "",
    ]
    return f"<div>{''.join(parts)}</div>"


def heading(title: str, facts: str) -> str:
    """A bold name, and what is to be known of it."""
    return f'<p style="margin:0 0 6px"><b>{escape(title)}</b> <span style="opacity:.7">{escape(facts)}</span></p>'


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, colours: Sequence[str | None] = ()) -> str:
    """A table whose first column is words and whose others are numbers.

    Args:
        heads: Of the columns.
        rows: Cells, as many as there are heads.
        colours: Of the heads' underlines, as keys to a line above; none where there is none.
    """
    marks = [*colours, *[None] * (len(heads) - len(colours))]
    top = "".join(_cell("th", i, head, mark) for i, (head, mark) in enumerate(zip(heads, marks, strict=True)))
    body = "".join(f"<tr>{''.join(_cell('td', i, cell) for i, cell in enumerate(row))}</tr>" for row in rows)
    style = "border-collapse:collapse;font-variant-numeric:tabular-nums"
    return f'<table style="{style}"><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>'


def sparkline(curves: Mapping[str, pd.Series[float]]) -> str:
    """Curves as a small chart without an axis, by colour, the last on top; nothing where none has two points."""
    points = {colour: _thinned(curve) for colour, curve in curves.items() if len(curve) > 1}
    known = np.concatenate([*points.values(), np.zeros(0)])
    known = known[np.isfinite(known)]
    if not len(known):
        return ""
    low, high = float(known.min()), float(known.max())
    span = high - low or 1.0
    lines = []
    for colour, values in points.items():
        x = np.linspace(1, WIDTH - 1, len(values))
        y = HEIGHT - 3 - (values - low) / span * (HEIGHT - 6)
        places = " ".join(f"{a:.0f},{b:.1f}" for a, b in zip(x, y, strict=True) if math.isfinite(b))
        lines.append(f'<polyline fill="none" stroke="{escape(colour)}" stroke-width="1.5" points="{places}"/>')
    size = f'width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"'
    return f'<svg {size} role="img" aria-label="equity" style="max-width:100%">{"".join(lines)}</svg>'


def _thinned(curve: pd.Series[float]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    values = curve.to_numpy(dtype=float)
    kept = np.unique(np.linspace(0, len(values) - 1, min(len(values), MOST_POINTS)).round().astype(int))
    thinned: np.ndarray[tuple[int], np.dtype[np.float64]] = values[kept]
    return thinned


def _cell(kind: str, column: int, words: str, mark: str | None = None) -> str:
    place = "right;padding:2px 0 2px 18px" if column else "left;padding:2px 0"
    line = f";border-bottom:2px solid {mark}" if mark else ""
    scope = ' scope="col"' if kind == "th" else ""
    return f'<{kind}{scope} style="text-align:{place}{line}">{escape(words)}</{kind}>'
