"""One picture of what a forecaster looks at: how much each feature counts, for each horizon."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.colors import to_hex, to_rgb
from matplotlib.ticker import FuncFormatter, MaxNLocator

from dltrader.errors import ConfigError
from dltrader.plotting.labels import draw_header, head
from dltrader.plotting.style import BLUE, DPI, GREY, INK, SKY, WHITE, dress, new_chart, styled
from dltrader.plotting.text import plural, shorten

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = ("horizon_bars", "feature", "lag_bars", "gain")
EDGE_PX, NAMES_PX, HEADER_PX, BOTTOM_PX, GAP_X_PX, GAP_Y_PX = 32, 190, 108, 46, 40, 66
ROW_PX, LEAST_ROW_PX, FEW_PX, PANEL_PX = 22, 9, 60, 420
NAME_LETTERS = 26
"""As many have room left of a panel."""

FAINT = 0.75
"""How far towards white the colour of the oldest row goes."""


def plot_importances(
    importances: Any,
    *,
    title: str = "What the trees look at",
    most: int = 20,
    width_px: int = 1200,
    height_px: int | None = None,
) -> Figure:
    """Draw how much each feature lowered the loss, for each horizon, the rows of the window one after the other.

    Args:
        importances: A frame with the columns horizon_bars, feature, lag_bars (0: the newest row) and gain (shares that
            sum to 1 over a horizon), or a forecaster whose `importances()` gives one.
        title: Written above.
        most: So many features at most, those that count most over all horizons; >= 1.
        width_px: Width in pixels, 480 to 10 000; a panel takes 420 of them.
        height_px: Height in pixels, up to 10 000; none = as much as the panels want.

    Raises:
        ConfigError: What was given is no such thing, or a size is out of range.
    """
    table = _table_of(importances)
    if most < 1:
        raise ConfigError(f"most must be >= 1, was {most}; it is how many features are drawn")
    horizons = sorted(table["horizon_bars"].unique())
    order = table.groupby("feature", sort=False)["gain"].sum().sort_values(ascending=False, kind="stable")
    features = [str(name) for name in order.index[:most]]
    columns = max(1, min(len(horizons), (width_px - 2 * EDGE_PX) // PANEL_PX))
    rows = -(-len(horizons) // columns)
    around = HEADER_PX + BOTTOM_PX + GAP_Y_PX * (rows - 1)
    wanted = around + rows * max(FEW_PX, ROW_PX * len(features)) if height_px is None else height_px
    with styled():
        chart = new_chart(width_px, wanted, least_px=around + rows * max(FEW_PX, LEAST_ROW_PX * len(features)))
        draw_header(chart, EDGE_PX, width_px - EDGE_PX, title, facts(table, features))
        for panel, horizon in zip(lay_out(chart, len(horizons), columns, rows), horizons, strict=True):
            draw_features(panel, table[table["horizon_bars"] == horizon], features)
            head(panel, f"{plural(int(horizon), 'bar')} ahead", "share of the gain", keys(table), indent_px=NAMES_PX)
    return chart


def draw_features(axes: Axes, table: pd.DataFrame, features: Sequence[str]) -> None:
    """Draw a bar a feature from the top down, made of the rows of the window, the newest first."""
    places = -np.arange(len(features), dtype=float)
    by_lag = table.pivot_table(index="feature", columns="lag_bars", values="gain", aggfunc="sum", fill_value=0.0)
    shares = by_lag.reindex(list(features), fill_value=0.0).to_numpy(dtype=float)  # (features, lags)
    dress(axes)
    axes.grid(visible=False, axis="y")
    axes.set_ylim(-len(features) + 0.5, 0.5)
    axes.set_yticks(places, [shorten(name, NAME_LETTERS) for name in features])
    ends = np.cumsum(shares, axis=1)
    for lag, colour in enumerate(colours(shares.shape[1])):
        axes.barh(
            places, shares[:, lag], left=ends[:, lag] - shares[:, lag], height=0.72, color=colour, linewidth=0, zorder=2
        )
    for place, end in zip(places, ends[:, -1], strict=True):
        axes.annotate(
            f"{end:.1%}", (end, place), xytext=(5.0, 0.0), textcoords="offset points", va="center_baseline", size=9.0,
            color=INK if end >= 0.001 else GREY, zorder=4,
        )  # fmt: skip
    room = 1.0 - 60.0 / axes.bbox.width
    axes.set_xlim(0.0, max(float(ends[:, -1].max()), 0.01) / room)
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0%}"))


def facts(table: pd.DataFrame, features: Sequence[str]) -> str:
    """How much there is, and how much of it is drawn, in one line."""
    known, lags = table["feature"].nunique(), table["lag_bars"].nunique()
    of_all = (
        f"the {len(features)} of {known} features that count most" if len(features) < known else f"{known} features"
    )
    drawn = float(table.loc[table["feature"].isin(features), "gain"].sum()) / max(float(table["gain"].sum()), 1e-12)
    parts = [of_all, plural(int(lags), "row") + " of the window"]
    return "  ·  ".join(parts + ([f"{drawn:.0%} of all gain"] if len(features) < known else []))


def keys(table: pd.DataFrame) -> list[tuple[str, str]]:
    """What the colours say, where there is more than one."""
    rows_before = int(table["lag_bars"].nunique()) - 1
    if not rows_before:
        return []
    return [("■ newest row", BLUE), (f"■ {plural(rows_before, 'row')} before, ever paler", SKY)]


def colours(lags: int) -> list[str]:
    """A colour a row of the window: the newest in blue, those before it ever paler."""
    newest, older, blank = (np.array(to_rgb(colour)) for colour in (BLUE, SKY, WHITE))
    paths = np.stack([newest, older, older + FAINT * (blank - older)])  # (3, 3)
    steps = np.linspace(0.0, 2.0, lags) if lags > 2 else np.arange(lags, dtype=float)
    shades = [tuple(float(np.interp(step, range(3), path)) for path in paths.T) for step in steps]
    return [to_hex((red, green, blue)) for red, green, blue in shades]


def lay_out(chart: Figure, panels: int, columns: int, rows: int) -> list[Axes]:
    """Panels side by side, as many as have room, each with space for the names left of it."""
    width, height = chart.get_size_inches() * DPI
    across = (width - 2 * EDGE_PX - GAP_X_PX * (columns - 1)) / columns
    down = (height - HEADER_PX - BOTTOM_PX - GAP_Y_PX * (rows - 1)) / rows
    places = []
    for index in range(panels):
        row, column = divmod(index, columns)
        left = EDGE_PX + NAMES_PX + column * (across + GAP_X_PX)
        bottom = height - HEADER_PX - (row + 1) * down - row * GAP_Y_PX
        places.append(chart.add_axes((left / width, bottom / height, (across - NAMES_PX) / width, down / height)))
    return places


def _table_of(importances: Any) -> pd.DataFrame:
    given = importances.importances() if hasattr(importances, "importances") else importances
    if not isinstance(given, pd.DataFrame) or not set(COLUMNS) <= set(given.columns) or given.empty:
        raise ConfigError(
            f"cannot draw the importances of a {type(importances).__name__}; give a forecaster that tells them, such "
            f"as lightgbm, or a frame with the columns {', '.join(COLUMNS)}"
        )
    return given
