"""One picture of one training: growth on training and validation bars, entropy, value loss."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.ticker import FuncFormatter, MaxNLocator

from dltrader.errors import ConfigError
from dltrader.evaluation.formats import MINUS, NOTHING, compact, count
from dltrader.plotting.labels import INDENT_PX, draw_header, head
from dltrader.plotting.panels import set_limits
from dltrader.plotting.style import (
    BLUE,
    DPI,
    GREEN,
    GREY,
    PURPLE,
    RULE,
    SKY,
    VERMILLION,
    WHITE,
    dress,
    new_chart,
    styled,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    Numbers = npt.NDArray[np.floating[Any]]

LEFT_PX, RIGHT_PX, BOTTOM_PX, HEADER_PX, GAP_X_PX, GAP_Y_PX = 72, 32, 46, 108, 76, 62
PANEL_PX, LEAST_PX = 230, 60
FEW = 30
"""Points that are marked as such: a line through so few says too much."""


def plot_training(
    run_or_curve: Any,
    *,
    title: str = "Training",
    width_px: int = 1200,
    height_px: int | None = None,
) -> Figure:
    """Draw how a training went.

    Args:
        run_or_curve: A frame with one row an update, or something with such a frame as `.curve`, as
            a run has. Columns, each of which may be missing or nan: steps, episode_growth (mean log
            growth of the training episodes), validation_growth (nan where not evaluated),
            validation_collapsed (1 where the policy never traded, merely held or flipped on nearly
            every bar), policy_entropy, value_loss, bars_per_second, learning_rate.
        title: The bold line.
        width_px: Width in pixels, 480 to 10 000.
        height_px: Height in pixels, up to 10 000; none = as much as the panels want.

    Raises:
        ConfigError: What was given is no curve, or a side is out of range.
    """
    curve = run_or_curve if isinstance(run_or_curve, pd.DataFrame) else _curve_of(run_or_curve)
    steps = numbers(curve, "steps")
    x = steps if np.isfinite(steps).all() else np.arange(len(curve), dtype=float)
    collapsed = numbers(curve, "validation_collapsed") == 1.0
    drawers: list[tuple[str, Callable[[Axes, Numbers, Numbers], None]]] = [
        ("episode_growth", draw_episode_growth),
        ("validation_growth", partial(draw_validation_growth, collapsed=collapsed)),
        ("policy_entropy", draw_policy_entropy),
        ("value_loss", draw_value_loss),
    ]
    known = [(key, draw) for key, draw in drawers if np.isfinite(numbers(curve, key)).any()]
    rows = max(1, (len(known) + 1) // 2)
    around = HEADER_PX + (rows - 1) * GAP_Y_PX + BOTTOM_PX
    wanted = around + rows * PANEL_PX if height_px is None else height_px
    with styled():
        chart = new_chart(width_px, wanted, least_px=around + LEAST_PX * rows)
        draw_header(chart, LEFT_PX - INDENT_PX, width_px - 28, title, facts(curve))
        panels = lay_out(chart, len(known), rows)
        for panel, (key, draw) in zip(panels, known, strict=True):
            dress(panel)
            draw(panel, x, numbers(curve, key))
            set_step_axis(panel, x)
        if not known:
            chart.text(0.5, 0.45, "nothing recorded yet", color=GREY, size=12, ha="center")
    return chart


def draw_episode_growth(axes: Axes, x: Numbers, growth: Numbers) -> None:
    """Draw each update's growth faintly, if an episode ended in it, and its trailing mean over it."""
    ended = np.isfinite(growth)
    x, growth = x[ended], growth[ended]
    width = max(1, len(growth) // 20)
    smooth = pd.Series(growth).rolling(width, min_periods=1).mean().to_numpy(dtype=float)
    axes.axhline(0.0, color=RULE, linewidth=0.8, zorder=1)
    axes.plot(x, growth, color=SKY, linewidth=0.9, alpha=0.55, zorder=2)
    axes.plot(x, smooth, color=BLUE, linewidth=2.0, zorder=3, marker="o", markersize=4 if len(growth) < FEW else 0)
    set_limits(axes, growth)
    note = f"log growth per episode, mean of {width} updates" if width > 1 else "log growth"
    head(axes, "Training episodes", note)


def draw_validation_growth(axes: Axes, x: Numbers, growth: Numbers, *, collapsed: npt.NDArray[np.bool_]) -> None:
    """Draw the evaluations, hollow where the policy had collapsed, and name the best."""
    done = np.isfinite(growth)
    axes.axhline(0.0, color=RULE, linewidth=0.8, zorder=1)
    axes.plot(x[done], growth[done], color=GREEN, linewidth=1.5, marker="o", markersize=4, zorder=3)
    axes.plot(
        x[collapsed], growth[collapsed], marker="o", markersize=5, color=GREEN, markerfacecolor=WHITE,
        linestyle="none", zorder=4, gid="collapsed",
    )  # fmt: skip
    best = int(np.nanargmax(growth))
    is_hollow = bool(collapsed[best])
    axes.plot(
        x[best], growth[best], marker="*", markersize=15, color=WHITE if is_hollow else VERMILLION,
        markeredgecolor=VERMILLION if is_hollow else WHITE, linestyle="none", zorder=5, clip_on=False,
    )  # fmt: skip
    set_limits(axes, growth)
    value = f"{growth[best]:+.3f}".replace("-", MINUS)
    keys = [(f"○ {collapsed.sum()} of {done.sum()} collapsed", GREEN)] if collapsed.any() else []
    keys.append((f"{'☆' if is_hollow else '★'} best {value} after {count(float(x[best]))} steps", VERMILLION))
    head(axes, "Validation", "log growth", keys)


def draw_policy_entropy(axes: Axes, x: Numbers, entropy: Numbers) -> None:
    """Draw how undecided the policy is."""
    axes.plot(x, entropy, color=PURPLE, linewidth=1.5, zorder=3)
    set_limits(axes, entropy)
    head(axes, "Policy entropy", "nats")


def draw_value_loss(axes: Axes, x: Numbers, loss: Numbers) -> None:
    """Draw the error of the value function."""
    axes.plot(x, loss, color=GREY, linewidth=1.5, zorder=3)
    is_log = set_limits(axes, loss, may_be_log=True)
    head(axes, "Value loss", "log scale" if is_log else "")


def facts(curve: pd.DataFrame) -> str:
    """Steps, speed and learning rate in one line."""
    steps, speed, rate = (
        numbers(curve, key)[np.isfinite(numbers(curve, key))] for key in ("steps", "bars_per_second", "learning_rate")
    )
    parts = [f"{count(float(steps[-1]))} steps"] if len(steps) else []
    parts += [f"{count(float(np.median(speed)))} bars/s"] if len(speed) else []
    if len(rate):
        first, final = f"{rate[0]:.3g}", f"{rate[-1]:.3g}"
        parts.append(f"learning rate {first if first == final else f'{first} → {final}'}")
    return "  ·  ".join(parts) or NOTHING


def lay_out(chart: Figure, panels: int, rows: int) -> list[Axes]:
    """Panels in two columns; a single one takes the whole width."""
    width, height = chart.get_size_inches() * DPI
    columns = min(2, max(1, panels))
    panel_width = (width - LEFT_PX - RIGHT_PX - GAP_X_PX * (columns - 1)) / columns
    free = height - HEADER_PX - BOTTOM_PX - GAP_Y_PX * (rows - 1)
    panel_height = free / rows
    places = []
    for index in range(panels):
        row, column = divmod(index, columns)
        left = LEFT_PX + column * (panel_width + GAP_X_PX)
        bottom = height - HEADER_PX - (row + 1) * panel_height - row * GAP_Y_PX
        box = (left / width, bottom / height, panel_width / width, panel_height / height)
        places.append(chart.add_axes(box))
    return places


def set_step_axis(axes: Axes, x: Numbers) -> None:
    """An axis of steps in thousands and millions."""
    low, high = float(x.min()), float(x.max())
    room = 0.02 * (high - low) or 1.0
    axes.set_xlim(low - room, high + room)
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: compact(value)))


def numbers(curve: pd.DataFrame, key: str) -> Numbers:
    """A column as floats; nan throughout where it is missing."""
    if key not in curve.columns:
        return np.full(len(curve), np.nan)
    return curve[key].to_numpy(dtype=float)


def _curve_of(run: Any) -> pd.DataFrame:
    curve = getattr(run, "curve", None)
    if not isinstance(curve, pd.DataFrame):
        raise ConfigError(
            f"cannot draw the training of a {type(run).__name__}; give a run, or its curve as a pandas DataFrame"
        )
    return curve
