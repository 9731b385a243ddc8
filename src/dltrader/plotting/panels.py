"""The panels of a backtest: price with its fills, position, equity, drawdown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from dltrader.evaluation.formats import compact, money, percent, short_percent
from dltrader.evaluation.metrics import drawdown
from dltrader.plotting.labels import EndLabel, head, label_ends
from dltrader.plotting.style import BENCHMARK, GREY, INK, LONG, MATCHED, RULE, SHORT, STRATEGY, WHITE
from dltrader.plotting.text import shorten
from dltrader.plotting.timeaxis import BarScale, day_numbers

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt
    import pandas as pd
    from matplotlib.axes import Axes

    Numbers = npt.NDArray[np.floating[Any]]

MOST_CANDLES = 150  # beyond, a candle is narrower than 6 pixels
LOG_RANGE = 5.0  # from a fivefold change on, equal distances should mean equal growth


def draw_price(
    axes: Axes,
    bars: pd.DataFrame,
    fills: pd.DataFrame,
    exposure: pd.Series[float],
    *,
    title: str,
) -> None:
    """Draw one instrument: candles or closes, fills as triangles, the position as a tint behind.

    Args:
        axes: The panel.
        bars: The instrument's bars.
        fills: Its rows of `BacktestResult.orders`.
        exposure: Its exposure at each bar's close.
        title: What the panel is called.
    """
    tint_position(axes, BarScale(exposure.index), exposure.to_numpy(dtype=float))
    if len(bars) <= MOST_CANDLES:
        draw_candles(axes, bars)
        shown = bars[["high", "low"]].to_numpy(dtype=float).ravel()
    else:
        shown = bars["close"].to_numpy(dtype=float)
        axes.plot(day_numbers(bars.index), shown, color=INK, linewidth=1.1, zorder=3)
    keys = draw_fills(axes, fills)
    is_log = set_limits(axes, shown, fills["price"].to_numpy(dtype=float), may_be_log=True)
    head(axes, title, "price, log scale" if is_log else "price", keys)


def draw_candles(axes: Axes, bars: pd.DataFrame) -> None:
    """Draw bars as candles: hollow where the close is at or above the open, filled where below."""
    scale = BarScale(bars.index)
    half = 0.32 * min(1.0, len(bars) / 20.0)  # a lone candle would else fill the panel
    left, right = (scale.day(np.arange(len(bars)) + shift) for shift in (-half, half))
    opened, high, low, close = (bars[key].to_numpy(dtype=float) for key in ("open", "high", "low", "close"))
    bottom, top = np.minimum(opened, close), np.maximum(opened, close)
    wicks = [
        ((day, start), (day, end))
        for day, *ends in zip(scale.days, low, bottom, top, high, strict=True)
        for start, end in (ends[:2], ends[2:])
    ]
    axes.add_collection(LineCollection(wicks, colors=GREY, linewidths=0.9, zorder=2))
    corners = np.stack([left, bottom, left, top, right, top, right, bottom], axis=1)
    axes.add_collection(
        PolyCollection(
            list(corners.reshape(-1, 4, 2)),
            facecolors=np.where(close >= opened, WHITE, GREY).tolist(),
            edgecolors=GREY,
            linewidths=0.9,
            zorder=3,
        )
    )


def draw_fills(axes: Axes, fills: pd.DataFrame) -> list[tuple[str, str]]:
    """Mark each fill at its time and price, ▲ a buy and ▼ a sell; many are drawn smaller.

    Returns:
        The key: how many of each, and their colours.
    """
    area = float(np.clip(3200.0 / max(len(fills), 1), 24.0, 76.0))
    keys = []
    for side, marker, sign, colour in (("buy", "^", "▲", LONG), ("sell", "v", "▼", SHORT)):
        those = fills[fills["side"] == side]
        axes.scatter(
            day_numbers(those["time"]), those["price"].to_numpy(dtype=float), s=area,
            marker=marker, color=colour, edgecolors=WHITE, linewidths=0.08 * area**0.5,
            alpha=0.95 if area > 30 else 0.85, zorder=5, label=side, gid=f"fills-{side}",
        )  # fmt: skip
        keys.append((f"{sign} {len(those):,} {side}{'' if len(those) == 1 else 's'}", colour))
    return keys


def tint_position(axes: Axes, scale: BarScale, exposure: Numbers) -> None:
    """Tint the background wherever the position is long or short, fainter where it often turns."""
    side = np.sign(np.nan_to_num(exposure))
    starts = np.flatnonzero(np.diff(side, prepend=np.nan) != 0)
    ends = np.append(starts[1:], len(side))
    edges = scale.edges
    for sign, colour in ((1.0, LONG), (-1.0, SHORT)):
        spans = [
            (edges[start], edges[end] - edges[start])
            for start, end in zip(starts, ends, strict=True)
            if side[start] == sign
        ]
        axes.broken_barh(
            spans, (0.0, 1.0), transform=axes.get_xaxis_transform(), facecolor=colour,
            alpha=0.11 if len(starts) < 100 else 0.08, linewidth=0, zorder=0,
        )  # fmt: skip


def draw_position(axes: Axes, exposure: pd.DataFrame, colours: Mapping[str, str] | None = None) -> None:
    """Draw the exposure: one instrument by side, several stacked, longs upwards, shorts downwards.

    Args:
        axes: The panel.
        exposure: One column an instrument, position value / equity at each close.
        colours: Instrument -> colour; none = a single instrument.
    """
    edges = BarScale(exposure.index).edges
    above, below = np.zeros(len(edges)), np.zeros(len(edges))
    for name in exposure.columns:
        values = np.nan_to_num(exposure[name].to_numpy(dtype=float))
        values = np.append(values, values[-1])  # a step holds up to the next edge
        longs, shorts = above + values.clip(min=0.0), below + values.clip(max=0.0)
        for base, edge, side in ((above, longs, LONG), (below, shorts, SHORT)):
            axes.fill_between(
                edges, base, edge, step="post", linewidth=0, zorder=2,
                color=side if colours is None else colours[str(name)],
                alpha=0.55 if colours is None else 0.85,
            )  # fmt: skip
        above, below = longs, shorts
    axes.axhline(0.0, color=RULE, linewidth=0.8, zorder=3)
    low, high = float(below.min()), float(above.max())
    high = 1.0 if low == high else high
    room = 0.12 * (high - low)
    axes.set_ylim(low - room * (low < 0), high + room * (high > 0))
    set_ticks(axes, short_percent)
    if colours is None:
        keys = [("■ long", LONG)] if above.any() else []
        keys += [("■ short", SHORT)] if below.any() else []
    else:
        keys = [(f"■ {name}", colours[str(name)]) for name in exposure.columns]
    head(axes, "Position", "share of equity", keys)


def draw_equity(
    axes: Axes,
    equity: pd.Series[float],
    benchmark: pd.Series[float] | None,
    name: str,
    *,
    matched: pd.Series[float] | None = None,
) -> None:
    """Draw equity against baselines; all begin with the same money and are named at their ends.

    Args:
        axes: The panel.
        equity: Account value at each close.
        benchmark: The same of buy-and-hold; none where there is none.
        name: Of the strategy.
        matched: The same of its mean exposure held constantly; none where there is none.
    """
    values = equity.to_numpy(dtype=float)
    labels = [EndLabel(last(values), f"{shorten(name, 15)}\n{money(last(values))}", STRATEGY)]
    shown = [values]
    dot = "o" if len(values) == 1 else ""  # a line needs two points
    for baseline, called, colour, dashes in (
        (benchmark, "buy and hold", BENCHMARK, "-"),
        (matched, "same exposure", MATCHED, (0, (4, 1.5))),
    ):
        if baseline is None:
            continue
        held = baseline.to_numpy(dtype=float)
        held = held * (values[0] / held[0]) if held[0] > 0 and values[0] > 0 else held
        axes.plot(
            day_numbers(baseline.index), held, color=colour, linewidth=1.2, linestyle=dashes, marker=dot, zorder=3,
        )  # fmt: skip
        labels.append(EndLabel(last(held), f"{called}\n{money(last(held))}", colour))
        shown.append(held)
    x = day_numbers(equity.index)
    axes.plot(x, values, color=STRATEGY, linewidth=1.7, marker=dot, zorder=4)
    axes.axhline(values[0], color=RULE, linewidth=0.8, zorder=1)
    is_log = set_limits(axes, *shown, may_be_log=True)
    head(axes, "Equity", "log scale" if is_log else "")
    label_ends(axes, labels)


def draw_drawdown(axes: Axes, equity: pd.Series[float], benchmark: pd.Series[float] | None) -> None:
    """Draw how far equity stands below its highest close so far, the deepest point marked.

    Args:
        axes: The panel.
        equity: Account value at each close.
        benchmark: The same of buy-and-hold; none where there is none.
    """
    x, fall = day_numbers(equity.index), drawdown(equity).to_numpy(dtype=float)
    shown = [fall]
    if benchmark is not None:
        held = drawdown(benchmark).to_numpy(dtype=float)
        days = day_numbers(benchmark.index)
        axes.fill_between(days, held, 0.0, color=BENCHMARK, alpha=0.28, linewidth=0, zorder=2)
        shown.append(held)
    axes.fill_between(x, fall, 0.0, color=STRATEGY, alpha=0.25, linewidth=0, zorder=3)
    axes.plot(x, fall, color=STRATEGY, linewidth=1.1, zorder=4)
    deepest = min((float(one[np.isfinite(one)].min(initial=0.0)) for one in shown), default=0.0)
    axes.set_ylim(1.15 * deepest if deepest < 0 else -0.01, 0.0)
    set_ticks(axes, short_percent)
    head(axes, "Drawdown", "below the highest close so far")
    if fall[np.isfinite(fall)].min(initial=0.0) < 0:
        mark_trough(axes, x, fall)


def mark_trough(axes: Axes, x: Numbers, fall: Numbers) -> None:
    """Put a dot and the number at the deepest point."""
    at = int(np.nanargmin(fall))
    axes.plot(x[at], fall[at], "o", color=STRATEGY, markersize=4.5, zorder=6, clip_on=False)
    is_late = at > 0.85 * len(x)
    axes.annotate(
        percent(float(fall[at])), (x[at], fall[at]), xytext=(-7.0 if is_late else 7.0, 1.0),
        textcoords="offset points", ha="right" if is_late else "left", va="center", size=9.5,
        weight="bold", color=STRATEGY, zorder=6,
        path_effects=[withStroke(linewidth=3.0, foreground=WHITE)],
    )  # fmt: skip


def set_limits(axes: Axes, *series: Numbers, may_be_log: bool = False, room: float = 0.06) -> bool:
    """Fit the y axis to the finite values.

    Args:
        axes: The panel.
        *series: What is drawn in it.
        may_be_log: Whether a fivefold change of positive values is shown on a log scale.
        room: Left free above and below, as a share of what the values take.

    Returns:
        Whether the scale is logarithmic.
    """
    values = np.concatenate(series)
    values = values[np.isfinite(values)]
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    if may_be_log and low > 0 and high / low >= LOG_RANGE:
        factor = (high / low) ** room
        axes.set_yscale("log")
        axes.set_ylim(low / factor, high * factor)
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high / low < 1000 else (1.0,), numticks=12))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: compact(value)))
        return True
    free = room * (high - low) or 0.02 * abs(high) or 1.0
    axes.set_ylim(low - free, high + free)
    set_ticks(axes, compact)
    return False


def set_ticks(axes: Axes, written: Any) -> None:
    """Round numbers on the y axis, as many as have room, written by a function."""
    number = int(np.clip(axes.bbox.height / 32.0, 1, 5))
    axes.yaxis.set_major_locator(MaxNLocator(number, steps=[1, 2, 2.5, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: written(value)))


def last(values: Numbers) -> float:
    """The last finite value; nan where there is none."""
    finite = values[np.isfinite(values)]
    return float(finite[-1]) if len(finite) else float("nan")
