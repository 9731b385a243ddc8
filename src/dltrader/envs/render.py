"""What `TradingEnv.render` shows: a line of text, or a picture of the recent bars."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from dltrader.envs.market import Market

SHOWN_BARS = 120
BUY, SELL, PRICE = "#0072B2", "#D55E00", "#333333"  # Okabe and Ito's colour-blind safe palette


def line(info: Mapping[str, Any]) -> str:
    """Time, close, position, equity and the bar's fills in one line."""
    closes, positions = np.atleast_1d(info["close"]), np.atleast_1d(info["position"])
    fills = "".join(f"  {fill.side} {fill.size:g} {fill.instrument} @ {fill.price:.4g}" for fill in info["fills"])
    refused = "".join(f"  refused {order.size:+g} {order.instrument}" for order in info["rejections"])
    return (
        f"{info['time']:%Y-%m-%d %H:%M}  close {' '.join(f'{close:.4g}' for close in closes)}"
        f"  position {' '.join(f'{position:g}' for position in positions)}"
        f"  equity {info['equity']:,.2f}{fills}{refused}"
    )


def frame(market: Market, bar: int, info: Mapping[str, Any]) -> npt.NDArray[np.uint8]:
    """The recent closes, this bar's fills and the account as a picture, (400, 640, 3) RGB."""
    figure = Figure(figsize=(6.4, 4.0), dpi=100)
    canvas = FigureCanvasAgg(figure)
    n_instruments = len(market.instruments)
    panels = figure.subplots(n_instruments, 1, sharex=True, squeeze=False)[:, 0]
    bars = slice(max(0, bar + 1 - SHOWN_BARS), bar + 1)
    times = market.times[bars]
    for panel, (instrument, position) in zip(
        panels, zip(market.instruments, np.atleast_1d(info["position"]), strict=True), strict=True
    ):
        panel.plot(times, market.bars[instrument]["close"].iloc[bars], color=PRICE, linewidth=1)
        panel.set_title(f"{instrument}  {position:+g} units", loc="left", fontsize=9)
        panel.spines[["top", "right"]].set_visible(False)
        panel.tick_params(labelsize=7)
        for fill in info["fills"]:
            if fill.instrument == instrument:
                bought = fill.side == "buy"
                panel.plot(
                    [fill.time], [fill.price], "^" if bought else "v", color=BUY if bought else SELL, markersize=8
                )
    figure.suptitle(f"{info['time']:%Y-%m-%d %H:%M}   equity {info['equity']:,.0f}", fontsize=10)
    canvas.draw()  # type: ignore[no-untyped-call]
    pixels: npt.NDArray[np.uint8] = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
    return pixels[:, :, :3].copy()
