"""BarsFeed: bars as a backtrader data feed that is filled at once instead of row by row."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import Any

import backtrader as bt
import numpy as np
import numpy.typing as npt
import pandas as pd

from dltrader.data.bars import DAY, Bars, median_gap, times_of, validate_bars
from dltrader.errors import BarsError

# backtrader's own order of lines.
LINES = ("close", "low", "high", "open", "volume", "openinterest", "datetime")
_UNIX_DAY = 719_163  # date.toordinal() of 1970-01-01
_MICROSECONDS_A_DAY = 86_400_000_000
# Time frame, smallest median gap, length.
_FRAMES = (
    (bt.TimeFrame.Years, 330 * DAY, 365.25 * DAY),
    (bt.TimeFrame.Months, 27 * DAY, 30.44 * DAY),
    (bt.TimeFrame.Weeks, 4.5 * DAY, 7 * DAY),
    (bt.TimeFrame.Days, 0.9 * DAY, DAY),
    (bt.TimeFrame.Minutes, pd.Timedelta(minutes=1), pd.Timedelta(minutes=1)),
    (bt.TimeFrame.Seconds, pd.Timedelta(seconds=1), pd.Timedelta(seconds=1)),
)


@dataclass(frozen=True, eq=False)
class FeedArrays:
    """Bars as backtrader's lines hold them; computed once, then cut for every episode.

    Attributes:
        lines: (7, bars) float64, in the order of `LINES`; times are backtrader's numbers, open
            interest is 0.
        timeframe: A `backtrader.TimeFrame`.
        compression: How many time frames one bar lasts.
    """

    lines: npt.NDArray[np.float64]
    timeframe: int
    compression: int

    @classmethod
    def from_bars(cls, bars: Bars) -> FeedArrays:
        """Convert bars.

        Raises:
            BarsError: The bars break their rules.
        """
        bars = validate_bars(bars)
        values = np.zeros((len(LINES), len(bars)))
        for row, line in enumerate(LINES[:5]):
            values[row] = bars[line].to_numpy()
        values[-1] = date_numbers(times_of(bars))
        values.flags.writeable = False
        return cls(values, *time_frame(times_of(bars)))

    def slice(self, start: int, stop: int) -> FeedArrays:
        """The rows from start up to, not including, stop; nothing is copied."""
        return FeedArrays(self.lines[:, start:stop], self.timeframe, self.compression)

    def __len__(self) -> int:
        """How many bars there are."""
        return int(self.lines.shape[1])


class BarsFeed(bt.feed.DataBase):
    """Bars in Cerebro: `cerebro.adddata(BarsFeed(dataname=bars))`.

    All lines equal those of `bt.feeds.PandasData`, save open interest, which is 0 instead of nan;
    inside Cerebro times are naive UTC. Preloading copies whole lines; without preloading, with filters (resampling,
    replaying) or with `tzinput` the feed goes row by row like any other.

    Params:
        dataname: Bars, as `load_bars` gives them.
        arrays: `FeedArrays` instead of bars, where the same bars are fed many times.
        timeframe: By default told from the bars, and so is compression.
        compression: By default told from the bars, or 1 where a time frame is given.
    """

    params = (("arrays", None), ("timeframe", None), ("compression", None))

    @classmethod
    def of(cls, arrays: FeedArrays) -> BarsFeed:
        """A feed of arrays that are at hand; backtrader's metaclass takes parameters that no signature shows."""
        make: Any = cls
        feed: BarsFeed = make(arrays=arrays)
        return feed

    def __init__(self) -> None:
        """Take the bars.

        Raises:
            BarsError: There are no bars, or they break their rules.
        """
        if self.p.arrays is None:
            if self.p.dataname is None:
                raise BarsError("BarsFeed has no bars; pass dataname=bars or arrays=FeedArrays.from_bars(bars)")
            self.p.arrays = FeedArrays.from_bars(self.p.dataname)
        self._arrays: FeedArrays = self.p.arrays
        if self.p.compression is None:
            self.p.compression = self._arrays.compression if self.p.timeframe is None else 1
        if self.p.timeframe is None:
            self.p.timeframe = self._arrays.timeframe
        self._row = 0

    def start(self) -> None:
        """Begin at the first row; every run of a Cerebro starts its feeds anew."""
        super().start()
        self._row = 0

    def preload(self) -> None:
        """Fill the lines at once, where nothing has to see the rows one by one."""
        if self._filters or self._tzinput is not None or any(line.useislice for line in self.lines):
            super().preload()
            return
        rows = self._arrays.lines
        times = rows[-1]
        first = int(times.searchsorted(self.fromdate))
        stop = int(times.searchsorted(self.todate, side="right"))
        for line, row in zip(self.lines, rows, strict=True):
            filled = array("d", row[first:stop].tobytes())
            # Positions that Cerebro's lookahead added lie behind the last bar.
            filled.extend([float("nan")] * line.extension)
            line.array = filled
        self._row = len(times)
        self.home()

    def _load(self) -> bool:
        if self._row >= len(self._arrays):
            return False
        for line, value in zip(self.lines, self._arrays.lines[:, self._row].tolist(), strict=True):
            line[0] = value
        self._row += 1
        return True


def date_numbers(index: pd.DatetimeIndex) -> npt.NDArray[np.float64]:
    """`backtrader.date2num` of a whole index: days since 0001-01-01 plus one, in UTC, to the microsecond."""
    stamps = index.as_unit("us").asi8
    days, rest = np.divmod(stamps, _MICROSECONDS_A_DAY)
    numbers: npt.NDArray[np.float64] = (days + _UNIX_DAY) + rest / _MICROSECONDS_A_DAY
    return numbers


def time_frame(index: pd.DatetimeIndex) -> tuple[int, int]:
    """Time frame and compression in backtrader's terms, by the median gap; one bar is a day's."""
    if len(index) < 2:
        return bt.TimeFrame.Days, 1
    gap = median_gap(index)
    for frame, smallest, unit in _FRAMES:
        # Below a day a bar lasts a whole number of units, or else of the next smaller one.
        if gap >= smallest and (gap >= 0.9 * DAY or gap % unit == pd.Timedelta(0)):
            return frame, max(1, round(gap / unit))
    return bt.TimeFrame.MicroSeconds, max(1, round(gap / pd.Timedelta(microseconds=1)))
