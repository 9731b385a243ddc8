"""An axis of dates on which every bar is equally wide: nights, weekends and holidays take no room.

What is drawn keeps its date (matplotlib's days since 1970, UTC); only the scale bends.
"""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

from dltrader.plotting.style import GREY

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt
    from matplotlib.axes import Axes

    Numbers = npt.NDArray[np.floating[Any]]

_BEYOND = 1e5  # bars before the first and after the last on which the axis goes on evenly
_LABEL_PX = 62.0
# For ticks at years, months, days, hours, minutes and seconds: how each is written, how the first
# of the larger unit is, and what stands once at the end of the axis.
_TICKS = ["%Y", "%b", "%d %b", "%H:%M", "%H:%M", "%S.%f"]
_FIRSTS = ["", "%Y", "%d %b", "%d %b", "%H:%M", "%H:%M"]
_OFFSETS = ["", "", "%Y", "%Y", "%d %b %Y", "%d %b %Y %H:%M"]


def day_numbers(times: Any) -> Numbers:
    """Times as matplotlib's days since 1970, UTC."""
    index = pd.DatetimeIndex(pd.to_datetime(times, utc=True)).tz_localize(None)
    days: Numbers = (index.to_numpy() - np.datetime64(0, "s")) / np.timedelta64(1, "D")
    return days


class BarScale:
    """Turns days into bar numbers, 0 for the first bar, and back; between two bars it is linear.

    Attributes:
        days: When each bar closed.
    """

    def __init__(self, times: Any) -> None:
        """Take the bars' times, strictly increasing, at least one."""
        self.days = day_numbers(times)
        usual = float(np.median(np.diff(self.days))) if len(self.days) > 1 else 1.0
        ends = (self.days[0] - _BEYOND * usual, self.days[-1] + _BEYOND * usual)
        self._days = np.concatenate([ends[:1], self.days, ends[1:]])
        self._numbers = np.arange(-1.0, len(self.days) + 1.0)
        self._numbers[[0, -1]] = -_BEYOND, len(self.days) - 1.0 + _BEYOND

    def __len__(self) -> int:
        """How many bars there are."""
        return len(self.days)

    def number(self, days: Any) -> Numbers:
        """Bar numbers of days."""
        numbers: Numbers = np.interp(days, self._days, self._numbers)
        return numbers

    def day(self, numbers: Any) -> Numbers:
        """Days of bar numbers; 2.5 lies half-way between the third bar and the fourth."""
        days: Numbers = np.interp(numbers, self._numbers, self._days)
        return days

    @property
    def edges(self) -> Numbers:
        """Where bars begin and end, half a bar around each: one more than there are bars."""
        return self.day(np.arange(len(self) + 1) - 0.5)


class SpacedDateLocator(AutoDateLocator):
    """Matplotlib's dates, without those that a gap in the bars would push together."""

    def __init__(self, scale: BarScale, **options: Any) -> None:
        """Take the scale of the axis; the options are those of `AutoDateLocator`."""
        super().__init__(tz=UTC, **options)  # type: ignore[no-untyped-call]
        self.scale = scale

    def __call__(self) -> Sequence[float]:
        """The places of the ticks, in days."""
        ticks: Numbers = np.array(super().__call__(), dtype=np.float64)  # type: ignore[no-untyped-call]
        low, high = self.scale.number(self.axis.get_view_interval())  # type: ignore[union-attr]
        pixels = self.axis.axes.bbox.width / (high - low) * self.scale.number(ticks)  # type: ignore[union-attr]
        kept: list[int] = []
        for index, place in enumerate(pixels):
            if not kept or place - pixels[kept[-1]] >= _LABEL_PX:
                kept.append(index)
        return [float(tick) for tick in ticks[kept]]


def set_time_axis(panels: Sequence[Axes], scale: BarScale) -> None:
    """Give panels that share their x axis the bars' scale; the dates stand under the last."""
    panels[0].set_xscale("function", functions=(scale.number, scale.day))
    panels[0].set_xlim(*scale.edges[[0, -1]])
    axis = panels[-1].xaxis
    # With fewer than 5 matplotlib finds no interval for some ranges; too close ones are left out.
    labels = max(5, int(panels[-1].bbox.width / 90))
    locator = SpacedDateLocator(scale, minticks=2, maxticks=labels)
    axis.set_major_locator(locator)
    axis.set_major_formatter(
        ConciseDateFormatter(  # type: ignore[no-untyped-call]
            locator, UTC, formats=_TICKS, zero_formats=_FIRSTS, offset_formats=_OFFSETS
        )
    )
    axis.get_offset_text().set(color=GREY, size=9)
    for panel in panels[:-1]:
        panel.tick_params(labelbottom=False)
