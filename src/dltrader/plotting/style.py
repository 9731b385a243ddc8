"""The look of every figure: palette, settings, the sheet it is drawn on, the file it goes to.

Figures are made without pyplot. Nothing is therefore registered globally, nothing leaks, and no
backend or display is needed. Colours are those of Okabe and Ito 2008, which people with any common
colour vision tell apart.
"""

from __future__ import annotations

import io
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib.style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from dltrader.errors import ConfigError
from dltrader.files import write_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axes import Axes

INK, GREY, RULE, GRID, WHITE = "#1b1b1b", "#6a6a6a", "#b8b8b8", "#ececec", "#ffffff"
BLUE, GREEN, VERMILLION = "#0072b2", "#009e73", "#d55e00"
SKY, ORANGE, PURPLE = "#56b4e9", "#e69f00", "#cc79a7"

STRATEGY, BENCHMARK, MATCHED = BLUE, "#8c8c8c", "#8f7a66"
LONG, SHORT = GREEN, VERMILLION
INSTRUMENTS = (SKY, ORANGE, PURPLE, "#4a5568")

DPI = 100

STYLE: dict[str, Any] = {
    "axes.edgecolor": RULE,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.unicode_minus": True,
    "figure.dpi": DPI,
    "font.size": 10.0,
    "lines.solid_joinstyle": "round",
    "svg.hashsalt": "dltrader",
    "text.color": INK,
}

# What a file would otherwise say about the moment and the program that wrote it.
_SILENT: dict[str, dict[str, None]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


class Chart(Figure):
    """A figure that shows itself in a notebook, whether or not pyplot was ever imported."""

    def _repr_png_(self) -> bytes:
        return to_png(self)


@contextmanager
def styled() -> Iterator[None]:
    """Draw in our style inside this context, whatever style the user has set; restore theirs."""
    with matplotlib.style.context(["default", STYLE]):
        yield


def new_chart(width_px: int, height_px: int, *, least_px: int = 320) -> Chart:
    """An empty white sheet with a canvas of its own.

    Args:
        width_px: Width in pixels, 480 to 10 000.
        height_px: Height in pixels, up to 10 000.
        least_px: The least height that holds what will be drawn.

    Raises:
        ConfigError: A side is out of range.
    """
    for name, side, least in (("width_px", width_px, 480), ("height_px", height_px, least_px)):
        if not least <= side <= 10_000:
            raise ConfigError(f"{name} must be in [{least}, 10000], was {side}; it is in pixels")
    chart = Chart(figsize=(width_px / DPI, height_px / DPI), dpi=DPI, facecolor=WHITE)
    FigureCanvasAgg(chart)
    return chart


def dress(axes: Axes) -> None:
    """Give a panel its light grid and quiet ticks.

    Ticks are made when first drawn, with the settings of that moment, so each is told here.
    """
    axes.set_facecolor(WHITE)
    axes.set_axisbelow(True)
    axes.grid(visible=True, which="major", color=GRID, linewidth=0.8, linestyle="-", alpha=1.0)
    axes.tick_params(which="both", length=0, pad=5, labelsize=9, labelcolor=GREY, labelfontfamily="sans-serif")
    axes.spines["left"].set_visible(False)
    axes.spines["bottom"].set_color(RULE)


def save_figure(figure: Figure, path: str | Path, *, dpi: float | None = None) -> Path:
    """Write a figure to a file, whole or not at all; equal figures give equal files.

    Args:
        figure: What to write.
        path: Where to; .png, .svg or .pdf chooses the format. Missing folders are made.
        dpi: Dots per inch of a png, > 0; none = the figure's own, one dot a pixel.

    Returns:
        The path.

    Raises:
        ConfigError: The suffix is none of the three, or dpi is not positive.
        OSError: The file cannot be written.
    """
    target = Path(path)
    kind = kind_of(target)
    if dpi is not None and not dpi > 0:
        raise ConfigError(f"dpi must be > 0, was {dpi}; leave it out for the figure's own")
    content = _render(figure, kind, dpi)
    target.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(target, content)
    return target


def kind_of(path: Path) -> str:
    """The kind of picture that a file will hold: png, svg or pdf.

    Raises:
        ConfigError: The suffix is none of the three.
    """
    kind = path.suffix.lower().removeprefix(".")
    if kind not in _SILENT:
        found = path.suffix or "no suffix"
        raise ConfigError(f"{path.name} has {found}; name the figure .png, .svg or .pdf")
    return kind


def to_png(figure: Figure) -> bytes:
    """The figure as the bytes of a png, one dot a pixel."""
    return _render(figure, "png", None)


def _render(figure: Figure, kind: str, dpi: float | None) -> bytes:
    buffer = io.BytesIO()
    with styled():
        figure.savefig(
            buffer,
            format=kind,
            dpi=figure.dpi if dpi is None else dpi,
            metadata=_SILENT[kind],
            facecolor=figure.get_facecolor(),
        )
    return buffer.getvalue()
