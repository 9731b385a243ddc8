"""One picture of one backtest: price with its fills, position, equity against holding, drawdown."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from dltrader.errors import ConfigError, UnknownNameError
from dltrader.plotting.labels import INDENT_PX, Row, draw_header, draw_table
from dltrader.plotting.panels import (
    draw_drawdown,
    draw_equity,
    draw_position,
    draw_price,
)
from dltrader.plotting.style import (
    BENCHMARK,
    DPI,
    INSTRUMENTS,
    MATCHED,
    STRATEGY,
    dress,
    new_chart,
    styled,
)
from dltrader.plotting.text import METRICS, names, period, plural, shorten
from dltrader.plotting.timeaxis import BarScale, set_time_axis
from dltrader.registry import did_you_mean

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from dltrader.evaluation.result import BacktestResult

MOST_PRICES = len(INSTRUMENTS)
LEFT_PX, RIGHT_PX, BOTTOM_PX, GAP_PX = 72, 138, 46, 42
HEADER_PX, TABLE_PX, ROW_PX = 112, 74, 21
LEAST_PX = 30  # the least average height of a panel
PRICE_PX, PRICES_PX, POSITION_PX, EQUITY_PX, DRAWDOWN_PX = 300, 170, 96, 216, 116


def plot_backtest(
    result: BacktestResult,
    *,
    title: str | None = None,
    instrument: str | None = None,
    width_px: int = 1200,
    height_px: int | None = None,
) -> Figure:
    """Draw price with buys and sells, position, equity against the baselines and drawdown.

    Args:
        result: What a backtest found.
        title: The bold line; none = the policy and what it traded.
        instrument: Which instrument's price to draw; none = all, or, of more than four, the four
            traded most.
        width_px: Width in pixels, 480 to 10 000.
        height_px: Height in pixels, up to 10 000; none = as much as the panels want.

    Returns:
        A figure that belongs to nobody: it shows itself in a notebook, and `save_figure` saves it.

    Raises:
        ConfigError: The result holds no bars, or a side is out of range.
        UnknownNameError: The instrument was not traded.
    """
    if not len(result.equity):
        raise ConfigError("the result has no bars, so there is nothing to draw; test on >= 1 bar")
    shown = shown_instruments(result, instrument)
    heights = [PRICES_PX if len(shown) > 1 else PRICE_PX] * len(shown)
    heights += [POSITION_PX, EQUITY_PX, DRAWDOWN_PX]
    header = HEADER_PX
    if result.metrics:
        header += TABLE_PX + (ROW_PX if result.matched is not None else 0)
    around = header + GAP_PX * (len(heights) - 1) + BOTTOM_PX
    wanted = around + sum(heights) if height_px is None else height_px
    with styled():
        chart = new_chart(width_px, wanted, least_px=around + LEAST_PX * len(heights))
        draw_words(chart, result, title, shown)
        panels = lay_out(chart, heights, header)
        colours = dict(zip(shown, INSTRUMENTS, strict=False)) if len(result.bars) > 1 else None
        for panel, name in zip(panels, shown, strict=False):
            fills = result.orders[result.orders["instrument"] == name]
            draw_price(panel, result.bars[name], fills, result.exposure[name], title=name)
        position, equity, fall = panels[len(shown) :]
        set_time_axis(panels, BarScale(result.equity.index))
        held = result.benchmark.equity if result.benchmark is not None else None
        if colours is None:
            draw_position(position, result.exposure)
        else:
            exposure, colours = with_others(result.exposure, colours)
            draw_position(position, exposure, colours)
        matched = result.matched.equity if result.matched is not None else None
        draw_equity(equity, result.equity, held, result.policy, matched=matched)
        draw_drawdown(fall, result.equity, held)
    return chart


def shown_instruments(result: BacktestResult, instrument: str | None) -> list[str]:
    """Which instruments get a price panel, in the order of the bars.

    Raises:
        UnknownNameError: The named instrument was not traded.
    """
    every = list(result.bars)
    if instrument is not None:
        if instrument not in result.bars:
            hint = did_you_mean(instrument, every)
            raise UnknownNameError(f"unknown instrument {instrument!r}{hint}")
        return [instrument]
    fills = result.orders["instrument"].value_counts()
    busiest = sorted(every, key=lambda name: -int(fills.get(name, 0)))[:MOST_PRICES]
    return [name for name in every if name in busiest]


def draw_words(chart: Figure, result: BacktestResult, title: str | None, shown: list[str]) -> None:
    """Write the title, the line under it and the table of metrics."""
    subject = f"{result.policy} on {names(list(result.bars))}"
    facts = [] if title is None else [subject]
    facts += [period(result.equity.index), plural(len(result.equity), "bar")]  # type: ignore[arg-type]
    if len(shown) < len(result.bars):
        facts.append(f"prices of {names(shown)}")
    collapse = result.behaviour.collapse
    if collapse is not None:
        facts.append(f"the policy {collapse}")
    if len(result.rejections):
        facts.append(f"{plural(len(result.rejections), 'order')} rejected")
    left, right = LEFT_PX - INDENT_PX, chart.get_size_inches()[0] * DPI - 28
    draw_header(chart, left, right, subject if title is None else title, "  ·  ".join(facts))
    printed = {key: METRICS[key] for key in METRICS if key in result.metrics}
    headings = [heading for heading, _ in printed.values()]
    rows = [metric_row(result, shorten(result.policy, 18), STRATEGY, bold=True)]
    if result.benchmark is not None:
        rows.append(metric_row(result.benchmark, "buy and hold", BENCHMARK, keys=list(printed)))
    if result.matched is not None:
        rows.append(metric_row(result.matched, "same exposure", MATCHED, keys=list(printed)))
    if printed:
        draw_table(chart, left, right, headings, rows)


def metric_row(
    result: BacktestResult,
    name: str,
    colour: str,
    *,
    bold: bool = False,
    keys: list[str] | None = None,
) -> Row:
    """One line of the table: a result's metrics as text, a dash for what it does not have."""
    keys = [key for key in METRICS if key in result.metrics] if keys is None else keys
    cells = [METRICS[key][1](float(result.metrics.get(key, math.nan))) for key in keys]
    return Row(name, cells, colour, bold=bold)


def lay_out(chart: Figure, heights: list[int], header_px: int) -> list[Axes]:
    """Panels under each other with one time axis, their heights in proportion, in what is left."""
    width, height = chart.get_size_inches() * DPI
    gaps = GAP_PX * (len(heights) - 1)
    scale = (height - header_px - BOTTOM_PX - gaps) / sum(heights)
    panels: list[Axes] = []
    top = height - header_px
    for wanted in heights:
        bottom = top - scale * wanted
        box = (
            LEFT_PX / width,
            bottom / height,
            (width - LEFT_PX - RIGHT_PX) / width,
            (top - bottom) / height,
        )
        panels.append(chart.add_axes(box, sharex=panels[0] if panels else None))
        dress(panels[-1])
        top = bottom - GAP_PX
    return panels


def with_others(exposure: pd.DataFrame, colours: dict[str, str]) -> tuple[pd.DataFrame, dict[str, str]]:
    """The exposures that have a colour, and the sum of all that have none as "others"."""
    rest = [name for name in exposure.columns if name not in colours]
    if not rest:
        return exposure, colours
    shown = exposure[list(colours)].assign(others=exposure[rest].sum(axis=1))
    return shown, {**colours, "others": BENCHMARK}
