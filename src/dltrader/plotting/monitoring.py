"""One picture of predictions in use: how often they come true, whether they can be believed, and what has drifted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.ticker import FuncFormatter, MaxNLocator

from dltrader.errors import ConfigError
from dltrader.evaluation.formats import NOTHING, count, percent, ratio
from dltrader.plotting.labels import INDENT_PX, draw_header, head
from dltrader.plotting.style import (
    BENCHMARK,
    BLUE,
    DPI,
    GREEN,
    GREY,
    INK,
    INSTRUMENTS,
    ORANGE,
    PURPLE,
    RULE,
    VERMILLION,
    WHITE,
    dress,
    new_chart,
    styled,
)
from dltrader.plotting.text import period, plural, shorten
from dltrader.plotting.timeaxis import BarScale, set_time_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from dltrader.evaluation.monitoring.monitoring import Monitoring

EDGE_PX, LEFT_PX, NAMES_PX, HEADER_PX, FOOT_PX, GAP_X_PX, GAP_Y_PX = 32, 72, 190, 116, 52, 70, 72
PANEL_PX, ROW_PX, LEAST_PX, LEAST_WIDTH_PX = 250, 22, 170, 1_000
MOST_FEATURES, LEAST_ROWS, MOST_NAME = 15, 8, 26
"""So many features are drawn, those that have drifted most; room for so many at least; letters of a name."""

MANY = 3
"""So many keys leave no room for a note."""

CURVES = (BLUE, ORANGE, GREEN, PURPLE, *INSTRUMENTS[3:])
FEW = 30
"""Bins of fewer predictions are drawn hollow: chance moves them."""


def plot_monitoring(monitoring: Monitoring | Any, *, width_px: int = 1200, height_px: int | None = None) -> Figure:
    """Draw what became of predictions.

    Args:
        monitoring: What `dltrader.workflows.monitor.monitor` gives.
        width_px: Width in pixels, 1 000 to 10 000.
        height_px: Height in pixels, up to 10 000; none = as much as the panels want.

    Raises:
        ConfigError: What was given is no monitoring, or a side is out of range.
    """
    if not hasattr(monitoring, "rolling") or not hasattr(monitoring, "findings"):
        raise ConfigError(f"cannot draw a {type(monitoring).__name__}; give what monitor() returned")
    if width_px < LEAST_WIDTH_PX:
        raise ConfigError(f"width_px must be in [{LEAST_WIDTH_PX}, 10000], was {width_px}; it is in pixels")
    drift = monitoring.drift
    features = 0 if drift is None else min(len(drift), MOST_FEATURES)
    below = max(PANEL_PX, ROW_PX * features)
    around = HEADER_PX + FOOT_PX + GAP_Y_PX
    wanted = around + PANEL_PX + below if height_px is None else height_px
    with styled():
        chart = new_chart(width_px, wanted, least_px=around + 2 * LEAST_PX)
        draw_header(chart, EDGE_PX, width_px - EDGE_PX, f"Predictions on {monitoring.symbol}", facts(monitoring))
        panels = lay_out(chart, PANEL_PX / (PANEL_PX + below))
        for panel in panels:
            dress(panel)
        draw_hits(panels[0], monitoring)
        draw_brier(panels[1], monitoring)
        draw_calibration(panels[2], monitoring)
        draw_drift(panels[3], drift)
    return chart


def draw_hits(axes: Axes, monitoring: Monitoring) -> None:
    """Draw how often recommendations came true of late, beside what was said and what one answer would have reached."""
    table = monitoring.rolling
    note = f"of the last {monitoring.window:,}"
    keys = [("came true", BLUE), ("said", INK), ("always one side", BENCHMARK)]
    _draw_rolling(
        axes, table, {"always": (BENCHMARK, 1.2, "-"), "said": (INK, 1.2, "--"), "hit_rate": (BLUE, 2.0, "-")}
    )
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0%}"))
    head(axes, "Hit rate", note, keys if len(table) else [])


def draw_brier(axes: Axes, monitoring: Monitoring) -> None:
    """Draw the Brier score of the recommendations of late."""
    _draw_rolling(axes, monitoring.rolling, {"brier": (VERMILLION, 2.0, "-")})
    if len(monitoring.rolling):
        axes.axhline(0.25, color=RULE, linewidth=1.2, zorder=1)
        low, high = axes.get_ylim()
        axes.set_ylim(min(low, 0.24), max(high, 0.26))
    keys = [("0.25: half and half", GREY)] if len(monitoring.rolling) else []
    head(axes, "Brier score", f"of the last {monitoring.window:,}, lower is better", keys)


def draw_calibration(axes: Axes, monitoring: Monitoring) -> None:
    """Draw what came against what was said, a line a question of the ensemble's."""
    axes.plot([0, 1], [0, 1], color=RULE, linewidth=1.2, zorder=1)
    keys = []
    scores = monitoring.scores
    errors = dict(zip(zip(scores["model"], scores["question"], strict=True), scores["calibration_error"], strict=True))
    for (key, curve), colour in zip(_drawn(monitoring), CURVES, strict=False):
        filled = curve.counts > 0
        axes.plot(curve.said[filled], curve.came[filled], color=colour, linewidth=1.4, zorder=3)
        many = np.array([colour if number >= FEW else WHITE for number in curve.counts[filled]])
        axes.scatter(
            curve.said[filled], curve.came[filled], s=34, c=many, edgecolors=colour, linewidths=1.4, zorder=4,
        )  # fmt: skip
        keys.append((f"{key[1].replace('_', ' ')} {ratio(errors[key])}", colour))
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(5))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0%}"))
    axes.set_xlabel(f"said, above it how often it came; hollow: fewer than {FEW}", color=GREY, size=9)
    head(axes, "Calibration", "mean error" if len(keys) < MANY else "", keys)


def draw_drift(axes: Axes, drift: pd.DataFrame | None) -> None:
    """Draw the stability index of each feature, and a tick where it usually ends."""
    told = None if drift is None else drift.dropna(subset=["psi"]).head(MOST_FEATURES)
    if told is None or told.empty:
        why = "not known without the ensemble's run" if drift is None else "too few predictions"
        _blank(axes, why)
        head(axes, "Drift of features", "stability index", indent_px=NAMES_PX - LEFT_PX + INDENT_PX)
        return
    places = -np.arange(len(told), dtype=float)
    index = told["psi"].to_numpy(float)
    colours = np.where(told["drifted"].to_numpy(bool), VERMILLION, BLUE)
    axes.grid(visible=False, axis="y")
    axes.barh(places, index, height=0.62, color=colours, linewidth=0, zorder=2)
    usual = told["usual"].to_numpy(float)
    axes.plot(usual, places, linestyle="none", marker="|", markersize=13, markeredgewidth=2.0, color=INK, zorder=4)
    axes.axvline(0.25, color=RULE, linewidth=1.2, zorder=1)
    room = 1.0 - 56.0 / axes.bbox.width
    axes.set_xlim(0.0, max(float(np.nanmax([index.max(), np.nanmax(usual, initial=0.0)])), 0.3) / room)
    for place, value, colour in zip(places, index, colours, strict=True):
        axes.text(
            1.0, place, ratio(value), transform=axes.get_yaxis_transform(), ha="right", va="center_baseline",
            size=9.0, color=colour if colour == VERMILLION else INK, zorder=5,
        )  # fmt: skip
    axes.set_yticks(places, [shorten(name, MOST_NAME) for name in told["feature"]])
    axes.set_ylim(-max(len(told), LEAST_ROWS) + 0.5, 0.5)
    shown = f", {len(told)} of {len(drift)}" if drift is not None and len(told) < len(drift) else ""
    keys = [("■ drifted", VERMILLION)] if told["drifted"].any() else []
    keys.append(("❙ usual in training", INK))
    head(axes, "Drift of features", f"stability index{shown}", keys, indent_px=NAMES_PX - LEFT_PX + INDENT_PX)


def facts(monitoring: Monitoring) -> str:
    """How much there is and what it came to, in one line."""
    counts = monitoring.counts
    row = monitoring.scores.iloc[0]
    median, most = monitoring.latency_ms
    parts = [
        period(pd.DatetimeIndex(monitoring.predictions["bar"])),
        f"{plural(counts['known'], 'prediction')} known",
        *([f"{count(counts['pending'])} pending"] if counts["pending"] else []),
        f"{percent(float(row['hit_rate']))} came true, {percent(float(row['said']))} said",
        f"Brier {ratio(float(row['brier']))}",
        f"latency {median:.1f} ms, at most {most:.1f} of 95%" if np.isfinite(median) else f"latency {NOTHING}",
    ]
    return "  ·  ".join(parts)


def lay_out(chart: Figure, upper: float) -> list[Axes]:
    """Four panels, two by two; the names of features stand left of the last.

    Args:
        chart: Where to.
        upper: The share of the panels' height that the upper ones take.
    """
    width, height = chart.get_size_inches() * DPI
    across = (width - LEFT_PX - EDGE_PX - GAP_X_PX) / 2.0
    free = height - HEADER_PX - FOOT_PX - GAP_Y_PX
    rows = ((height - HEADER_PX - upper * free, upper * free), (float(FOOT_PX), (1.0 - upper) * free))
    places = []
    for index in range(4):
        bottom, tall = rows[index // 2]
        left, wide = LEFT_PX + (index % 2) * (across + GAP_X_PX), across
        if index == 3:
            left, wide = left + NAMES_PX - LEFT_PX, wide - NAMES_PX + LEFT_PX
        places.append(chart.add_axes((left / width, bottom / height, wide / width, tall / height)))
    return places


def _draw_rolling(axes: Axes, table: pd.DataFrame, lines: dict[str, tuple[str, float, str]]) -> None:
    """Draw columns of a rolling table over the times of their bars."""
    if len(table) < 2:
        _blank(axes, "too few predictions are known")
        return
    scale = BarScale(table.index)
    for name, (colour, width, style) in lines.items():
        axes.plot(scale.days, table[name], color=colour, linewidth=width, linestyle=style, zorder=3)
    set_time_axis([axes], scale)
    axes.yaxis.set_major_locator(MaxNLocator(5))


def _drawn(monitoring: Monitoring) -> list[tuple[tuple[str, str], Any]]:
    """The curves of the ensemble: its recommendation, and the wins that it tells of."""
    return [(key, curve) for key, curve in monitoring.curves.items() if key[1] != "side"]


def _blank(axes: Axes, why: str) -> None:
    """Say why there is nothing on a panel."""
    axes.grid(visible=False)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.text(0.5, 0.5, why, transform=axes.transAxes, ha="center", va="center", color=GREY, size=11)
