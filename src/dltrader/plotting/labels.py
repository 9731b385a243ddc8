"""Words on a figure: its header, the headings of its panels, the names at the ends of its lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.offsetbox import AnchoredOffsetbox, HPacker, TextArea
from matplotlib.transforms import ScaledTranslation

from dltrader.plotting.style import DPI, GREY, INK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


INDENT_PX = 40  # how far headings stand left of their panel, over its numbers
RISE_PX = 11  # how far they stand above it, clear of its topmost number


@dataclass(frozen=True)
class Row:
    """One line of the table in a header.

    Attributes:
        name: What the line is about.
        cells: One text a column.
        colour: Of the name.
        bold: Whether the line stands out.
    """

    name: str
    cells: Sequence[str]
    colour: str
    bold: bool = False


@dataclass(frozen=True)
class EndLabel:
    """The name of a line, to be written where the line ends.

    Attributes:
        value: Height of the line's end, in data units.
        text: Its name and value; may have several lines.
        colour: Of the line.
    """

    value: float
    text: str
    colour: str


def draw_header(figure: Figure, left_px: float, right_px: float, title: str, subtitle: str) -> None:
    """Write the title and the grey line under it, from the panels' left edge on.

    Args:
        figure: Where to.
        left_px: Where the text begins, in pixels.
        right_px: Where it must end; a longer text is set smaller.
        title: The bold line.
        subtitle: The grey line.
    """
    width, height = figure.get_size_inches() * DPI
    lines = ((title, 18.0, "bold", INK, 34.0), (subtitle, 10.5, "normal", GREY, 58.0))
    for text, size, weight, colour, y_px in lines:
        artist = figure.text(
            left_px / width, 1.0 - y_px / height, text, size=size, weight=weight, color=colour,
            parse_math=False,
        )  # fmt: skip
        taken = artist.get_window_extent().width
        if taken > right_px - left_px:
            artist.set_fontsize(max(6.0, size * (right_px - left_px) / taken))


def draw_table(figure: Figure, left_px: float, right_px: float, headings: Sequence[str], rows: Sequence[Row]) -> int:
    """Write a small table under the subtitle, as many columns as have room.

    Args:
        figure: Where to.
        left_px: Where the names begin, in pixels.
        right_px: Where the last column ends, in pixels.
        headings: One a column, the most important first.
        rows: The lines.

    Returns:
        How many columns were written.
    """
    width, height = figure.get_size_inches() * DPI
    names_px = 132.0
    columns = min(len(headings), int((right_px - left_px - names_px) // 92.0))
    step = min((right_px - left_px - names_px) / max(columns, 1), 120.0)

    def write(x_px: float, y_px: float, text: str, *, colour: str, size: float, bold: bool, right: bool) -> None:
        figure.text(
            x_px / width, 1.0 - y_px / height, text, color=colour, size=size, parse_math=False,
            weight="bold" if bold else "normal", ha="right" if right else "left",
        )  # fmt: skip

    for column in range(columns):
        x = left_px + names_px + (column + 1) * step
        write(x, 92.0, headings[column], colour=GREY, size=8.5, bold=False, right=True)
        for line, row in enumerate(rows):
            ink = INK if row.bold else GREY
            y = 114.0 + 21.0 * line
            write(x, y, row.cells[column], colour=ink, size=11.0, bold=row.bold, right=True)
    for line, row in enumerate(rows):
        y = 114.0 + 21.0 * line
        write(left_px, y, row.name, colour=row.colour, size=10.5, bold=row.bold, right=False)
    return columns


def head(
    axes: Axes, title: str, note: str = "", keys: Sequence[tuple[str, str]] = (), *, indent_px: float = INDENT_PX
) -> None:
    """Write a panel's heading above it: bold title and grey note left, coloured keys right.

    Args:
        axes: The panel.
        title: What it shows.
        note: Its unit or scale.
        keys: (text, colour) of what needs naming in it.
        indent_px: How far the title stands left of the panel, over its numbers or names.
    """
    left = [(title, INK, "bold", 10.5), (note, GREY, "normal", 9.5)]
    right = [(text, colour, "normal", 9.5) for text, colour in keys]
    dots = axes.figure.dpi_scale_trans
    indent = ScaledTranslation(-indent_px / DPI, RISE_PX / DPI, dots)
    rise = ScaledTranslation(0.0, RISE_PX / DPI, dots)
    for corner, edge, parts in (("lower left", 0.0, left), ("lower right", 1.0, right)):
        areas = [
            TextArea(
                text,
                textprops={"color": colour, "weight": weight, "size": size, "parse_math": False},
            )
            for text, colour, weight, size in parts
            if text
        ]
        if areas:
            axes.add_artist(
                AnchoredOffsetbox(
                    corner,
                    child=HPacker(children=list(areas), align="baseline", pad=0, sep=9),
                    bbox_to_anchor=(edge, 1.0),
                    bbox_transform=axes.transAxes + (indent if edge == 0.0 else rise),
                    frameon=False,
                    pad=0,
                    borderpad=0.0,
                )
            )


def label_ends(axes: Axes, labels: Sequence[EndLabel], *, size: float = 9.5) -> None:
    """Name lines at the right edge of a panel, moved apart where they would overlap.

    Call it when the panel has its final limits and scale.

    Args:
        axes: The panel.
        labels: One a line; those without a finite value are left out.
        size: Of the text, in points.
    """
    labels = [label for label in labels if np.isfinite(label.value)]
    if not labels:
        return
    box = axes.bbox
    heights = [axes.transData.transform((0.0, label.value))[1] for label in labels]
    lines = max(label.text.count("\n") + 1 for label in labels)
    gap = lines * size * 1.32 * DPI / 72
    for label, height in zip(labels, spread(heights, gap, box.y0, box.y1), strict=True):
        axes.annotate(
            label.text, (1.0, (height - box.y0) / box.height), xycoords="axes fraction",
            xytext=(8.0, 0.0), textcoords="offset points", va="center", ha="left", size=size,
            color=label.colour, weight="bold", linespacing=1.2, annotation_clip=False,
            parse_math=False,
        )  # fmt: skip


def spread(positions: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move positions apart to at least `gap`, keeping their order, near where they were.

    Args:
        positions: Where the labels want to be.
        gap: The least distance of two, >= 0.
        low: The lowest place; labels that do not fit leave [low, high] alike at both ends.
        high: The highest place.

    Returns:
        The new positions, in the order of the old.
    """
    order = np.argsort(positions, kind="stable")
    # In coordinates where each label has given way to those below it, a gap becomes "not below".
    steps = gap * np.arange(len(order))
    wanted = np.asarray(positions, dtype=float)[order] - steps
    groups: list[list[float]] = []
    for place in wanted:
        groups.append([place])
        while len(groups) > 1 and np.mean(groups[-2]) > np.mean(groups[-1]):
            last = groups.pop()
            groups[-1] += last
    settled = np.concatenate([[np.mean(group)] * len(group) for group in groups] or [[]])
    room = high - steps[-1] if len(steps) else high
    if room < low:
        low = room = (low + room) / 2.0
    moved = np.empty(len(order))
    moved[order] = np.clip(settled, low, room) + steps
    return [float(place) for place in moved]
