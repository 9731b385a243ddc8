import datetime as dt
import time

import backtrader as bt
import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dltrader.data import load_bars
from dltrader.data.feed import LINES, BarsFeed, FeedArrays, date_numbers
from dltrader.errors import BarsError

from .conftest import make_bars


class Watcher(bt.Strategy):
    """Keeps what it saw bar by bar."""

    def __init__(self):
        self.average = bt.ind.SMA(self.data.close, period=3)
        self.seen = []

    def next(self):
        data = self.data
        self.seen.append((data.datetime.datetime(0), data.open[0], data.close[0], self.average[0]))


def run(*feeds, strategy=Watcher, **options):
    cerebro = bt.Cerebro(stdstats=False, **options)
    for feed in feeds:
        cerebro.adddata(feed)
    cerebro.addstrategy(strategy)
    return cerebro.run()[0]


def pandas_feed(bars: pd.DataFrame) -> bt.feeds.PandasData:
    return bt.feeds.PandasData(dataname=bars.assign(openinterest=0.0))


def lines_of(data) -> list[list[float]]:
    return [list(getattr(data.lines, line).array) for line in LINES]


MODES = [
    {},
    {"runonce": False},
    {"preload": False},
    {"preload": False, "runonce": False},
    {"exactbars": 1},
    {"exactbars": -1},
    {"lookahead": 4},
]


@pytest.mark.parametrize("options", MODES, ids=str)
@pytest.mark.parametrize(
    "bars", [make_bars(40), make_bars(40, start="2020-01-06 09:31", freq="min")], ids=["days", "minutes"]
)
def test_all_lines_equal_those_of_pandas_data(bars, options):
    ours, theirs = run(BarsFeed(dataname=bars), **options), run(pandas_feed(bars), **options)
    assert ours.seen == theirs.seen
    assert len(ours.seen) == 38
    np.testing.assert_equal(lines_of(ours.data), lines_of(theirs.data))
    assert (len(ours.data), ours.data.buflen()) == (len(theirs.data), theirs.data.buflen())
    assert ours.data.close.get(size=2).__class__ is theirs.data.close.get(size=2).__class__


def test_lines_hold_what_the_bars_hold():
    bars = make_bars(5)
    data = run(BarsFeed(dataname=bars)).data
    assert data.lines.getlinealiases() == LINES
    for line in ("open", "high", "low", "close", "volume"):
        assert list(getattr(data, line).array) == bars[line].tolist()
    assert list(data.openinterest.array) == [0.0] * 5
    assert len(data) == data.buflen() == 5


@pytest.mark.parametrize("preload", [True, False])
def test_a_feed_can_run_twice(preload):
    feed = BarsFeed(dataname=make_bars(10))
    cerebro = bt.Cerebro(stdstats=False, preload=preload)
    cerebro.adddata(feed)
    cerebro.addstrategy(Watcher)
    first, second = cerebro.run()[0].seen, cerebro.run()[0].seen
    assert first == second
    assert len(first) == 8


@pytest.mark.parametrize("preload", [True, False])
def test_from_and_to_dates_cut(preload):
    options = {"fromdate": dt.datetime(2020, 1, 8), "todate": dt.datetime(2020, 1, 15)}
    ours = run(BarsFeed(dataname=make_bars(20), **options), preload=preload)
    assert [f"{seen[0]:%d}" for seen in ours.seen] == ["10", "13", "14", "15"]


@pytest.mark.parametrize("preload", [True, False])
def test_input_in_another_zone_is_converted_as_elsewhere(preload):
    bars = make_bars(5, start="2020-01-06 12:00", freq="h")
    zone = dt.timezone(dt.timedelta(hours=2))

    class Zone(dt.tzinfo):
        def utcoffset(self, time):
            return zone.utcoffset(time)

        def dst(self, time):
            return dt.timedelta(0)

    ours = run(BarsFeed(dataname=bars, tzinput=Zone()), preload=preload)
    assert ours.seen[0][0] == dt.datetime(2020, 1, 6, 12, 0)


def test_a_feed_can_be_resampled():
    bars = make_bars(10, start="2020-01-06", freq="D")
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.resampledata(BarsFeed(dataname=bars), timeframe=bt.TimeFrame.Weeks)
    cerebro.addstrategy(bt.Strategy)
    data = cerebro.run()[0].data
    assert list(data.close.array) == [106.0, 109.0]
    assert list(data.open.array) == [99.5, 106.5]


def test_several_feeds_of_different_length_run_together():
    long, short = make_bars(30), make_bars(30).iloc[10:20]
    ours = run(BarsFeed(dataname=long), BarsFeed(dataname=short), strategy=bt.Strategy)
    assert [len(data) for data in ours.datas] == [30, 10]
    theirs = run(pandas_feed(long), pandas_feed(short), strategy=bt.Strategy)
    assert [data.buflen() for data in ours.datas] == [data.buflen() for data in theirs.datas]


def test_a_slice_is_the_slice_of_the_bars():
    bars = make_bars(50)
    arrays = FeedArrays.from_bars(bars).slice(10, 30)
    assert len(arrays) == 20
    assert run(BarsFeed(arrays=arrays)).seen == run(BarsFeed(dataname=bars.iloc[10:30])).seen


def test_slices_share_memory_that_nobody_can_write_to():
    arrays = FeedArrays.from_bars(make_bars(50))
    part = arrays.slice(10, 30)
    assert np.shares_memory(part.lines, arrays.lines)
    assert not part.lines.flags.writeable
    data = run(BarsFeed(arrays=part)).data
    data.close.array[0] = -1.0
    assert arrays.lines[0, 10] == 110.0


def test_an_episode_of_3000_bars_is_fed_in_a_third_of_a_millisecond():
    arrays = FeedArrays.from_bars(load_bars("sample:AAPL"))
    cerebro = bt.Cerebro()
    took = []
    for start in range(200):
        begin = time.perf_counter()
        feed = BarsFeed(arrays=arrays.slice(start, start + 3000))
        feed.setenvironment(cerebro)
        feed._start()
        feed.preload()
        took.append(time.perf_counter() - begin)
    assert feed.buflen() == 3000
    assert min(took) < 3e-4


@pytest.mark.parametrize(
    ("freq", "expected"),
    [
        ("s", (bt.TimeFrame.Seconds, 1)),
        ("90s", (bt.TimeFrame.Seconds, 90)),
        ("min", (bt.TimeFrame.Minutes, 1)),
        ("15min", (bt.TimeFrame.Minutes, 15)),
        ("h", (bt.TimeFrame.Minutes, 60)),
        ("B", (bt.TimeFrame.Days, 1)),
        ("D", (bt.TimeFrame.Days, 1)),
        ("W", (bt.TimeFrame.Weeks, 1)),
        ("2W", (bt.TimeFrame.Weeks, 2)),
        ("ME", (bt.TimeFrame.Months, 1)),
        ("QE", (bt.TimeFrame.Months, 3)),
        ("YE", (bt.TimeFrame.Years, 1)),
        ("100ms", (bt.TimeFrame.MicroSeconds, 100_000)),
    ],
)
def test_the_time_frame_is_told_from_the_bars(freq, expected):
    feed = BarsFeed(dataname=make_bars(20, freq=freq))
    assert (feed.p.timeframe, feed.p.compression) == expected
    assert (feed._timeframe, feed._compression) == expected


def test_a_given_time_frame_is_kept():
    feed = BarsFeed(dataname=make_bars(20, freq="15min"), timeframe=bt.TimeFrame.Days)
    assert (feed._timeframe, feed._compression) == (bt.TimeFrame.Days, 1)
    assert BarsFeed(dataname=make_bars(1))._timeframe == bt.TimeFrame.Days


@given(st.lists(st.datetimes(dt.datetime(1971, 1, 1), dt.datetime(2200, 1, 1)), min_size=1))
def test_date_numbers_are_backtraders(times):
    numbers = date_numbers(pd.DatetimeIndex(times, tz="UTC"))
    np.testing.assert_allclose(numbers, [bt.date2num(time) for time in times], rtol=0, atol=1e-9)


@given(st.lists(st.integers(0, 2**32), min_size=1), st.sampled_from(["s", "ms", "us", "ns"]))
def test_date_numbers_of_whole_seconds_are_exact(seconds, unit):
    index = pd.DatetimeIndex(pd.to_datetime(seconds, unit="s", utc=True)).as_unit(unit)
    expected = [bt.date2num(time.to_pydatetime()) for time in index]
    assert date_numbers(index).tolist() == expected


def test_every_minute_of_a_day_comes_back():
    index = pd.date_range("2024-02-29", periods=1440, freq="min", tz="UTC")
    back = [bt.num2date(number) for number in date_numbers(index)]
    assert back == list(index.tz_localize(None).to_pydatetime())


def test_cerebro_plots_a_feed(monkeypatch):
    import backtrader.plot  # noqa: F401, PLC0415 - it chooses the TkAgg backend

    mpl.use("Agg", force=True)
    import matplotlib.pyplot as plt  # noqa: PLC0415 - as late as the backend

    cerebro = bt.Cerebro()
    cerebro.adddata(BarsFeed(dataname=make_bars(40)), name="AAPL")
    cerebro.addstrategy(Watcher)
    cerebro.run()
    monkeypatch.setattr(plt, "show", lambda *args, **kwargs: None)
    (figure,) = cerebro.plot(iplot=False)[0]
    assert len(figure.axes) >= 2
    plt.close("all")


def test_a_feed_without_bars_or_with_bad_bars_is_refused():
    with pytest.raises(BarsError, match="BarsFeed has no bars; pass dataname=bars"):
        BarsFeed()
    with pytest.raises(BarsError, match="close is missing"):
        BarsFeed(dataname=make_bars().assign(close=np.nan))
