"""One picture of what agents learned on tasks whose optimum is known: their positions at each signal, and the best."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.offsetbox import AnchoredOffsetbox, DrawingArea, HPacker, TextArea
from matplotlib.ticker import FuncFormatter, MaxNLocator
from matplotlib.transforms import ScaledTranslation

from dltrader.errors import ConfigError
from dltrader.evaluation.formats import compact, percent
from dltrader.plotting.labels import INDENT_PX, draw_header
from dltrader.plotting.style import BLUE, DPI, GREY, INK, LONG, RULE, SHORT, dress, new_chart, styled
from dltrader.plotting.text import plural

if TYPE_CHECKING:
    import numpy.typing as npt
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    Numbers = npt.NDArray[np.floating[Any]]

PARTS = ("task", "agent", "fractions", "fraction", "interval", "curves")
EDGE_PX, HEADER_PX, GAP_X_PX, GAP_Y_PX, BOTTOM_PX = 32, 156, 40, 112, 58
PANEL_PX, LEAST_PX = 236, 90
COLUMN_PX = 380
"""A panel narrower than this has no room for its heading."""

HELD = (("short", SHORT, -1.0), ("none", BLUE, 0.0), ("long", LONG, 1.0))
"""What was held before, the colour of what is then done, and the way its lines are moved off each other."""

APART_PX = 5.0
"""How far lines are moved where positions are steps: they would hide each other else."""

ROAD_PX, CORE_PX, LINE_PX = 8.0, 1.3, 1.9
"""Widths: of the optimum, of the dark line in its middle, and of what was learned."""

POINT = 72.0 / DPI


def plot_oracle(standings: Any, *, width_px: int = 1200, height_px: int | None = None) -> Figure:
    """Draw the positions that trained policies take at each signal against those of the optimal policy.

    Args:
        standings: What `measure_oracle` returned, or the mapping that was read back from its JSON.
        width_px: Width in pixels, 480 to 10 000; a panel takes 380 of them.
        height_px: Height in pixels, up to 10 000; none = as much as the panels want.

    Raises:
        ConfigError: What was given is no such thing, or a side is out of range.
    """
    found = mappings_of(standings)
    columns = columns_for(len(found), width_px)
    rows = math.ceil(len(found) / columns)
    around = HEADER_PX + GAP_Y_PX * (rows - 1) + BOTTOM_PX
    wanted = around + PANEL_PX * rows if height_px is None else height_px
    with styled():
        chart = new_chart(width_px, wanted, least_px=around + LEAST_PX * rows)
        draw_header(chart, EDGE_PX, width_px - EDGE_PX, "Learned against optimal policies", facts(found))
        draw_keys(chart)
        for panel, standing in zip(lay_out(chart, len(found), columns, rows), found, strict=True):
            draw_curves(panel, standing["curves"])
            draw_heading(panel, standing)
    return chart


def mappings_of(standings: Any) -> list[Mapping[str, Any]]:
    """Standings as plain values, whether they were just measured or read back.

    Raises:
        ConfigError: They are none, or there is none.
    """
    given = standings.get("standings") if isinstance(standings, Mapping) else standings
    each = list(given) if isinstance(given, Sequence) and not isinstance(given, str) else []
    found = [one.to_mapping() if hasattr(one, "to_mapping") else one for one in each]
    if found and all(isinstance(one, Mapping) and set(PARTS) <= one.keys() for one in found):
        return found
    raise ConfigError(
        f"cannot draw {type(standings).__name__} without standings that have {', '.join(PARTS)}; "
        "give what measure_oracle returned, or the JSON of dltrader bench oracle"
    )


def facts(found: Sequence[Mapping[str, Any]]) -> str:
    """How to read the picture, in one line."""
    counts = {len(one["fractions"]) for one in found}
    fewest, trainings = min(counts), max(counts)
    apart = f"{fewest} to " if fewest < trainings else ""
    parts = ["position taken at each signal", apart + plural(trainings, "training")]
    parts += ["interquartile mean and its 95% interval"] if trainings > 1 else []
    return "  ·  ".join(parts)


def columns_for(panels: int, width_px: int) -> int:
    """How many panels stand side by side: as square as there is room for, so that no row is nearly empty."""
    room = max(1, width_px // COLUMN_PX)
    return min(room, math.ceil(math.sqrt(panels)))


def lay_out(chart: Figure, panels: int, columns: int, rows: int) -> list[Axes]:
    """Panels in rows, from the left."""
    width, height = chart.get_size_inches() * DPI
    column_px = (width - 2 * EDGE_PX - GAP_X_PX * (columns - 1)) / columns
    row_px = (height - HEADER_PX - BOTTOM_PX - GAP_Y_PX * (rows - 1)) / rows
    places = []
    for index in range(panels):
        row, column = divmod(index, columns)
        left = EDGE_PX + column * (column_px + GAP_X_PX) + INDENT_PX
        bottom = height - HEADER_PX - (row + 1) * row_px - row * GAP_Y_PX
        box = (left / width, bottom / height, (column_px - INDENT_PX) / width, row_px / height)
        places.append(chart.add_axes(box))
    return places


def draw_keys(chart: Figure) -> None:
    """Say under the header what colours and widths mean."""
    held = [("held before", GREY), *((f"▸ {name}", colour) for name, colour, _ in HELD)]
    areas: list[Artist] = [TextArea(text, textprops={"color": colour, "size": 9.5}) for text, colour in held]
    for words, width, colour, ink in (("optimal", ROAD_PX, RULE, INK), ("learned", LINE_PX, GREY, GREY)):
        sample, ends = DrawingArea(22.0, 7.0), ([4.0, 22.0], [3.5, 3.5])
        sample.add_artist(Line2D(*ends, color=colour, linewidth=width * POINT, solid_capstyle="butt"))
        sample.add_artist(Line2D(*ends, color=ink, linewidth=CORE_PX * POINT, solid_capstyle="butt"))
        areas += [sample, TextArea(words, textprops={"color": ink, "size": 9.5})]
    place = chart.transFigure + ScaledTranslation(EDGE_PX / DPI, -84.0 / DPI, chart.dpi_scale_trans)
    chart.add_artist(
        AnchoredOffsetbox(
            "center left", child=HPacker(children=areas, align="center", pad=0, sep=7), bbox_to_anchor=(0.0, 1.0),
            bbox_transform=place, frameon=False, pad=0, borderpad=0.0,
        )
    )  # fmt: skip


def draw_heading(axes: Axes, standing: Mapping[str, Any]) -> None:
    """Write above a panel the task and the fraction reached, and under them the agent and the fraction's interval."""
    ends = (percent(end) for end in standing["interval"])
    spread = " … ".join(ends) if len(standing["fractions"]) > 1 else ""
    bold: dict[str, Any] = {"size": 10.5, "color": INK, "weight": "bold"}
    quiet: dict[str, Any] = {"size": 9.5, "color": GREY}
    for text, edge, rise_px, looks in (
        (standing["task"], 0.0, 29.0, bold),
        (f"{percent(standing['fraction'])} of the optimum", 1.0, 29.0, bold),
        (standing["agent"], 0.0, 11.0, quiet),
        (spread, 1.0, 11.0, quiet),
    ):
        axes.annotate(
            text, (edge, 1.0), xycoords="axes fraction", xytext=((edge - 1.0) * INDENT_PX * POINT, rise_px * POINT),
            textcoords="offset points", ha="right" if edge else "left", va="baseline", parse_math=False,
            annotation_clip=False, **looks,
        )  # fmt: skip


def draw_curves(axes: Axes, curves: Mapping[str, Any]) -> None:
    """Draw what is done at each signal from each position held: the optimum as a broad line, each seed's a thin one."""
    dress(axes)
    x = as_numbers(curves["signal"])
    optimal, learned = as_numbers(curves["optimal"]), as_numbers(curves["learned"])  # (3, points), (seeds, 3, points)
    apart = APART_PX / DPI if are_steps(optimal) else 0.0
    faint = float(np.clip(1.8 / math.sqrt(len(learned)), 0.4, 1.0))
    axes.axhline(0.0, color=RULE, linewidth=0.8, zorder=1)
    levels = np.unique(optimal)
    # What was done from there hardly counts where the optimum never goes back to holding none.
    is_start = are_steps(optimal) and 0.0 not in optimal[[0, 2]]
    for number, (_, colour, way) in enumerate(HELD):
        # Upper left is where what was held long switches, lower right what was held short.
        moved = axes.transData + ScaledTranslation(-way * apart, way * apart, axes.figure.dpi_scale_trans)
        looks: dict[str, Any] = {"transform": moved, "solid_joinstyle": "miter", "solid_capstyle": "butt"}
        drawn = [(optimal[number], colour, 0.3, ROAD_PX), (optimal[number], INK, 1.0, CORE_PX)]
        weight = 0.55 if is_start and not way else 1.0
        drawn += [(seed[number], colour, weight * faint, weight * LINE_PX) for seed in learned]
        for order, (positions, shade, alpha, width) in enumerate(drawn):
            is_jump = apart and np.isin(positions, levels).all()
            axes.plot(
                x, positions, color=shade, alpha=alpha, linewidth=width * POINT, zorder=2.0 + order / len(drawn),
                drawstyle="steps-mid" if is_jump else "default", **looks,
            )  # fmt: skip
        axes.plot(
            0.0, curves["held"][number], marker=">", color=colour, markersize=4.5, clip_on=False, zorder=5,
            transform=axes.get_yaxis_transform(),
        )  # fmt: skip
    set_position_axis(axes, optimal, learned, as_numbers(curves["held"]))
    axes.set_xlim(x[2], x[-3])  # within the ends of lines that were moved
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: compact(value)))
    note = "  ·  held none only at the start" if is_start else ""
    axes.set_xlabel(f"{curves['axis']}{note}", size=9.5, color=GREY, labelpad=3.0)


def set_position_axis(axes: Axes, optimal: Numbers, learned: Numbers, held: Numbers) -> None:
    """Room for all positions; where the optimum takes few of them, only those are numbered."""
    drawn = np.concatenate([optimal.ravel(), learned[np.isfinite(learned)], held])
    low, high = float(drawn.min()), float(drawn.max())
    room = 0.12 * (high - low) or 1.0
    axes.set_ylim(low - room, high + room)
    if are_steps(optimal):
        axes.set_yticks(np.unique(optimal))
    else:
        axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: compact(value)))


def are_steps(optimal: Numbers) -> bool:
    """Whether the optimal policy jumps between few positions."""
    return len(np.unique(optimal)) <= len(HELD)


def as_numbers(values: Any) -> Numbers:
    """Nested lists as an array; what JSON holds as null is nan."""
    return np.asarray(values, dtype=float)
