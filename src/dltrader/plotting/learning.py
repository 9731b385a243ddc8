"""One picture of how a forecaster learned: its loss on the bars it learned from and on those it was validated on."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import MaxNLocator

from dltrader.errors import ConfigError
from dltrader.plotting.labels import INDENT_PX, draw_header, head
from dltrader.plotting.panels import set_limits
from dltrader.plotting.style import BLUE, GREEN, PURPLE, SKY, VERMILLION, WHITE, dress, new_chart, styled
from dltrader.plotting.text import plural
from dltrader.plotting.training import (
    BOTTOM_PX,
    GAP_Y_PX,
    HEADER_PX,
    LEAST_PX,
    LEFT_PX,
    PANEL_PX,
    lay_out,
    numbers,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from dltrader.plotting.training import Numbers

PARTS = ("side", "movement", "risk")


def plot_learning(
    curve: pd.DataFrame, *, title: str = "Learning", width_px: int = 1200, height_px: int | None = None
) -> Figure:
    """Draw how the losses of a forecaster fell.

    Args:
        curve: A row a pass, or a few rounds of trees, as a member's `training.csv` has them: epoch; train and
            validation, the loss on the bars of each; where it has several models, model, which learned one after the
            other; and where there are such, side, movement and risk, the parts of the validation loss before they are
            weighed.
        title: The bold line.
        width_px: Width in pixels, 480 to 10 000.
        height_px: Height in pixels, up to 10 000; none = as much as the panels want.

    Raises:
        ConfigError: What was given is no such curve, or a side is out of range.
    """
    missing = {"epoch", "train", "validation"} - set(curve.columns)
    if missing or not len(curve):
        raise ConfigError(
            f"a learning curve has epoch, train and validation and a row a pass, found {list(curve.columns)} with "
            f"{plural(len(curve), 'row')}"
        )
    parts = [name for name in PARTS if np.isfinite(numbers(curve, name)).any()]
    rows = (2 + len(parts)) // 2
    around = HEADER_PX + (rows - 1) * GAP_Y_PX + BOTTOM_PX
    with styled():
        chart = new_chart(
            width_px, around + rows * PANEL_PX if height_px is None else height_px, least_px=around + rows * LEAST_PX
        )
        draw_header(chart, LEFT_PX - INDENT_PX, width_px - 28, title, facts(curve))
        panels = lay_out(chart, 1 + len(parts), rows)
        x = numbers(curve, "epoch")
        draw_losses(panels[0], curve)
        for panel, name in zip(panels[1:], parts, strict=True):
            draw_part(panel, x, numbers(curve, name), name)
    return chart


def facts(curve: pd.DataFrame) -> str:
    """How low the validation loss of each training came, in one line."""
    loss = numbers(curve, "validation")
    lowest = [f"{np.nanmin(loss[piece]):.4g}{of(name)}" for name, piece in pieces_of(curve).items()]
    return f"lowest validation loss {'  ·  '.join(lowest)}"


def draw_losses(axes: Axes, curve: pd.DataFrame) -> None:
    """Draw both losses, and a star where each model was at its best."""
    dress(axes)
    x, train, validation = (numbers(curve, name) for name in ("epoch", "train", "validation"))
    pieces = pieces_of(curve)
    for piece in pieces.values():
        axes.plot(x[piece], train[piece], color=SKY, linewidth=1.5, zorder=2)
        axes.plot(x[piece], validation[piece], color=BLUE, linewidth=2.0, zorder=3)
        best = piece.start + int(np.nanargmin(validation[piece]))
        axes.plot(
            x[best], validation[best], marker="*", markersize=15, color=VERMILLION, markeredgecolor=WHITE,
            linestyle="none", zorder=5, clip_on=False, gid="best",
        )  # fmt: skip
    set_limits(axes, np.concatenate([train, validation]))
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    note = "" if len(pieces) == 1 else f"{plural(len(pieces), 'model')}, one after the other"
    head(axes, "Loss", note, [("training", SKY), ("validation", BLUE), ("★ best", VERMILLION)])


def draw_part(axes: Axes, x: Numbers, loss: Numbers, name: str) -> None:
    """Draw a part of the validation loss."""
    dress(axes)
    axes.plot(x, loss, color={"side": BLUE, "movement": GREEN, "risk": PURPLE}[name], linewidth=1.5, zorder=3)
    set_limits(axes, loss)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    head(axes, name.capitalize(), "validation")


def pieces_of(curve: pd.DataFrame) -> dict[str, slice]:
    """The rows of each model, by name; the only one's is empty."""
    if "model" not in curve.columns:
        return {"": slice(0, len(curve))}
    names = curve["model"].astype(str).to_numpy()
    begins = [0, *(np.flatnonzero(names[1:] != names[:-1]) + 1).tolist(), len(names)]
    return {str(names[first]): slice(first, stop) for first, stop in pairwise(begins)}


def of(model: str) -> str:
    """Which model it is, after a number."""
    return f" ({plural(int(model), 'bar')})" if model.isdecimal() else ""
