"""One picture of how fast it all is: stepping, learning, how both grow with the market, and the memory they take."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator

from dltrader.errors import ConfigError
from dltrader.evaluation.formats import MINUS, TIMES, compact
from dltrader.plotting.labels import INDENT_PX, EndLabel, draw_header, head, label_ends
from dltrader.plotting.panels import set_limits
from dltrader.plotting.style import (
    BENCHMARK,
    BLUE,
    DPI,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PURPLE,
    RULE,
    SKY,
    VERMILLION,
    WHITE,
    dress,
    new_chart,
    styled,
)
from dltrader.plotting.text import brief, memory, plural, significant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PARTS = ("machine", "bars", "repeats", "stepping", "learning", "growth", "peak")
EDGE_PX, NAMES_PX = 32, 164  # the margin, and what stands left of bars
HEADER_PX, GAP_X_PX, GAP_Y_PX, FOOT_PX, LINE_PX = 108, 46, 68, 46, 20
FOOT_INDENT_PX = 76
ROW_PX, GROWTH_PX, LEAST_PX = 23, 230, 110
WIDE_PX = 1_000  # from this width on, two panels stand side by side
LEARNED = (GREEN, VERMILLION, PURPLE, ORANGE)
"""Colours of what learns, as its cost grows."""

STOCK = "stock"
"""How the names of the ways begin that learn without us."""


@dataclass(frozen=True)
class Bar:
    """One horizontal bar, or a heading over those that follow, which may be empty.

    Attributes:
        name: Written left of it.
        length: In the units of the axis; none: a heading.
        text: Written at its end.
        colour: Of the bar.
        bold: Whether the text stands out.
    """

    name: str
    length: float | None = None
    text: str = ""
    colour: str = INK
    bold: bool = False


def plot_speed(speed: Any, *, width_px: int = 1200, height_px: int | None = None) -> Figure:
    """Draw what `dltrader bench speed` measured.

    Args:
        speed: A `Speed`, or the mapping that was read back from its JSON.
        width_px: Width in pixels, 480 to 10 000; below 1 000 the panels stand in one column.
        height_px: Height in pixels, up to 10 000; none = as much as the panels want.

    Raises:
        ConfigError: What was given is no measured speed, or a side is out of range.
    """
    found = parts_of(speed)
    columns = 2 if width_px >= WIDE_PX else 1
    stepping, learning = stepping_bars(found["stepping"]), learning_bars(found["learning"])
    wants = [ROW_PX * len(stepping), ROW_PX * len(learning), GROWTH_PX]
    heights = [max(wants[:2]), wants[2]] if columns == 2 else wants
    foot = foot_lines(found, width_px)
    foot_px = FOOT_PX + LINE_PX * len(foot)
    around = HEADER_PX + GAP_Y_PX * (len(heights) - 1) + foot_px
    wanted = around + sum(heights) if height_px is None else height_px
    with styled():
        chart = new_chart(width_px, wanted, least_px=around + LEAST_PX * len(heights))
        draw_header(chart, EDGE_PX, width_px - EDGE_PX, "Speed", facts(found))
        labels = growth_labels(found["growth"])
        panels = lay_out(chart, heights, columns, foot_px, ends_px(labels))
        draw_bars(panels[0], stepping, is_log=True)
        head(panels[0], "Stepping", "bars/s over all lanes, log scale", indent_px=NAMES_PX)
        draw_bars(panels[1], learning, is_log=False)
        head(panels[1], "Learning with PPO", "bars/s, multiple of the better stock way", indent_px=NAMES_PX)
        draw_growth(panels[2], found["growth"], labels)
        draw_foot(chart, foot)
    return chart


def stock_ratios(ways: Mapping[str, float]) -> dict[str, float]:
    """Each way's speed as a multiple of the better stock way's.

    Args:
        ways: Way of learning -> bars per second; the stock ones' names begin with "stock".
    """
    best = max(value for name, value in ways.items() if name.startswith(STOCK))
    return {name: value / best for name, value in ways.items()}


def growth_over(costs: Mapping[Any, float]) -> float:
    """How much more a bar costs on the last market than on the first, as a fraction: 0.04 is 4 % more."""
    values = list(costs.values())
    return values[-1] / values[0] - 1.0


def memory_line(peak: Mapping[str, int]) -> str:
    """The sizes of a training and what its process took at the peak."""
    return (
        f"{peak['bars']:,} bars {TIMES} {peak['features']} features, "
        f"{peak['lanes']} lanes {TIMES} {peak['n_steps']} steps: "
        f"peak {memory(peak['bytes'])}"
    )


def machine_line(machine: Mapping[str, str]) -> str:
    """Cores and versions."""
    versions = [f"{name} {version}" for name, version in machine.items() if name != "cores"]
    return ", ".join([plural(int(machine["cores"]), "core"), *versions])


def parts_of(speed: Any) -> dict[str, Any]:
    """The parts of a `Speed` or of its JSON by name; sizes are numbers again."""
    found: dict[str, Any] = {
        name: speed.get(name) if isinstance(speed, Mapping) else getattr(speed, name, None) for name in PARTS
    }
    missing = [name for name, part in found.items() if part is None]
    if missing:
        raise ConfigError(
            f"cannot draw the speed of a {type(speed).__name__} without {', '.join(missing)}; "
            "give what measure_speed returned, or its JSON"
        )
    growth = {name: {int(bars): cost for bars, cost in costs.items()} for name, costs in found["growth"].items()}
    return found | {"growth": growth}


def stepping_bars(stepping: Mapping[str, float]) -> list[Bar]:
    """One bar an entry; a free row parts Cerebro, lanes, and lanes with windows."""
    bars: list[Bar] = []
    for name, value in stepping.items():
        if bars and colour_of(name) != bars[-1].colour:
            bars.append(Bar(""))
        bars.append(Bar(name, value, brief(value), colour_of(name)))
    return bars


def learning_bars(learning: Mapping[str, Mapping[str, float]]) -> list[Bar]:
    """A heading an extractor, and under it one bar a way, as long as its ratio to the better stock way."""
    bars = []
    for extractor, ways in learning.items():
        bars.append(Bar(extractor))
        for name, ratio in stock_ratios(ways).items():
            text = f"{brief(ways[name])}  {TIMES}{ratio:.1f}"
            bars.append(
                Bar(name.replace(" x ", f" {TIMES} "), ratio, text, colour_of(name), bold=not name.startswith(STOCK))
            )
    return bars


def colour_of(name: str) -> str:
    """Grey is Cerebro, sky are lanes that carry windows, blue are lanes without."""
    if "Cerebro" in name or "TradingEnv" in name:
        return BENCHMARK
    return SKY if "windows" in name else BLUE


def facts(found: Mapping[str, Any]) -> str:
    """What was measured on, in one line."""
    medians = "each measured once"
    if found["repeats"] > 1:
        medians = f"medians of {found['repeats']} interleaved repeats"
    machine = plural(int(found["machine"]["cores"]), "core")
    return "  ·  ".join([plural(found["bars"], "bar"), "an order on every bar", medians, machine])


def draw_bars(axes: Axes, bars: Sequence[Bar], *, is_log: bool) -> None:
    """Draw horizontal bars from the top down, each with its text at its end."""
    places = -np.arange(len(bars), dtype=float)
    drawn = [(place, bar, bar.length) for place, bar in zip(places, bars, strict=True) if bar.length is not None]
    dress(axes)
    axes.grid(visible=False, axis="y")
    axes.set_ylim(-len(bars) + 0.5, 0.5)
    axes.set_yticks(places, [bar.name for bar in bars])
    for label, bar in zip(axes.get_yticklabels(), bars, strict=True):
        if bar.length is None:
            label.set(color=INK, weight="bold", fontsize=9.5)
    low = set_length_axis(axes, [length for _, _, length in drawn], is_log=is_log)
    for place, bar, length in drawn:
        axes.barh(place, length - low, left=low, height=0.72, color=bar.colour, linewidth=0, zorder=2)
        axes.annotate(
            bar.text, (length, place), xytext=(5.0, 0.0), textcoords="offset points", va="center_baseline",
            size=9.5, color=INK, weight="bold" if bar.bold else "normal", zorder=4, parse_math=False,
            path_effects=[withStroke(linewidth=3.0, foreground=WHITE)],
        )  # fmt: skip
    if not is_log:
        axes.axvline(1.0, color=RULE, linewidth=0.9, zorder=1)


def set_length_axis(axes: Axes, lengths: Sequence[float], *, is_log: bool) -> float:
    """An axis on which the longest bar leaves room for its text; returns where bars begin."""
    share = 1.0 - 92.0 / axes.bbox.width
    longest = max(lengths)
    if not is_log:
        axes.set_xlim(0.0, longest / share)
        axes.xaxis.set_major_locator(MaxNLocator(9, steps=[1, 2, 5, 10]))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{TIMES}{value:g}" if value else "0"))
        return 0.0
    low = 10.0 ** np.floor(np.log10(min(lengths) / 1.5))  # even the shortest bar is one to be seen
    axes.set_xscale("log")
    axes.set_xlim(low, low * (longest / low) ** (1.0 / share))
    axes.xaxis.set_major_locator(LogLocator(numticks=12))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: brief(value).replace(".0", "")))
    return float(low)


def growth_labels(growth: Mapping[str, Mapping[int, float]]) -> list[EndLabel]:
    """What stands at the end of each line of growth: its name, its last cost, and how much it grew."""
    labels = []
    learned = cycle(LEARNED)
    for name, costs in growth.items():
        last = list(costs.values())[-1]
        change = f", {growth_over(costs):+z.0%}".replace("-", MINUS) if len(costs) > 1 else ""
        colour = next(learned) if name.startswith("PPO") else colour_of(name)
        labels.append(EndLabel(last, f"{name}\n{significant(last)} µs{change}", colour))
    return labels


def ends_px(labels: Sequence[EndLabel]) -> float:
    """How wide labels at the ends of lines are; a bold letter takes 8 pixels."""
    return 12.0 + 8.1 * max(len(line) for label in labels for line in label.text.split("\n"))


def draw_growth(axes: Axes, growth: Mapping[str, Mapping[int, float]], labels: Sequence[EndLabel]) -> None:
    """Draw what a bar costs on ever longer markets, each line named where it ends."""
    dress(axes)
    sizes = sorted({bars for costs in growth.values() for bars in costs})
    for label, costs in zip(labels, growth.values(), strict=True):
        x, y = np.array(list(costs)), np.array(list(costs.values()))
        axes.plot(x, y, color=label.colour, linewidth=1.7, marker="o", markersize=4.5, zorder=3, clip_on=False)
    axes.set_xscale("log")
    room = (sizes[-1] / sizes[0]) ** 0.02
    axes.set_xlim(sizes[0] / room, sizes[-1]) if len(sizes) > 1 else axes.set_xlim(sizes[0] / 2, sizes[0] * 2)
    axes.xaxis.set_major_locator(FixedLocator(sizes))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: compact(value)))
    costs_drawn = [np.array(list(costs.values())) for costs in growth.values()]
    is_log = set_limits(axes, *costs_drawn, may_be_log=True, room=0.12)  # a name of two lines stays above the numbers
    head(axes, "Growth", "µs per bar against bars of the market, log scales" if is_log else "µs per bar")
    label_ends(axes, labels)


def foot_lines(found: Mapping[str, Any], width_px: int) -> list[tuple[str, str]]:
    """The memory and the machine as lines under the panels: the name of each and its text, broken where it must be."""
    letters = int((width_px - 2 * EDGE_PX - FOOT_INDENT_PX) / 8.0)  # on the average, a letter is 7 pixels wide
    texts = {"Memory": memory_line(found["peak"]), "Machine": machine_line(found["machine"])}
    return [
        ("" if i else name, line)
        for name, text in texts.items()
        for i, line in enumerate(textwrap.wrap(text, letters, break_on_hyphens=False))
    ]


def draw_foot(chart: Figure, lines: Sequence[tuple[str, str]]) -> None:
    """Write lines under the panels, each with its name before it."""
    width, height = chart.get_size_inches() * DPI
    for i, (name, text) in enumerate(reversed(lines)):
        y = (16.0 + LINE_PX * i) / height
        chart.text(EDGE_PX / width, y, name, size=9.5, weight="bold")
        chart.text((EDGE_PX + FOOT_INDENT_PX) / width, y, text, size=9.5, color=GREY, parse_math=False)


def lay_out(chart: Figure, heights: Sequence[float], columns: int, foot_px: float, ends_px: float) -> list[Axes]:
    """The two panels of bars, side by side or one over the other, and under them that of lines."""
    width, height = chart.get_size_inches() * DPI
    free = height - HEADER_PX - foot_px - GAP_Y_PX * (len(heights) - 1)
    scale = free / sum(heights)
    half = (width - 2 * EDGE_PX - GAP_X_PX * (columns - 1)) / columns
    places: list[tuple[float, float, int]] = [  # left and right edge in pixels, row
        (EDGE_PX + NAMES_PX, EDGE_PX + half, 0),
        (width - EDGE_PX - half + NAMES_PX, width - EDGE_PX, 2 - columns),
        (EDGE_PX + INDENT_PX, width - EDGE_PX - ends_px, len(heights) - 1),
    ]
    panels = []
    for left, right, row in places:
        bottom = height - HEADER_PX - scale * sum(heights[: row + 1]) - GAP_Y_PX * row
        box = (left / width, bottom / height, (right - left) / width, scale * heights[row] / height)
        panels.append(chart.add_axes(box))
    return panels
