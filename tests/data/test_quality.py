import math
from functools import cache

import numpy as np
import pandas as pd
import pytest

from dltrader.data import Findings, check_bars, load_bars
from dltrader.data.calendars import schedule_of
from dltrader.data.findings import runs
from dltrader.errors import BarsError, ConfigError, UnknownNameError


def day(text: str) -> pd.Timestamp:
    return pd.Timestamp(text, tz="UTC")


def walk(index: pd.DatetimeIndex, seed: int = 0, volatility: float = 0.01) -> pd.DataFrame:
    """Bars of a random walk without a fault."""
    n = len(index)
    generator = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(volatility * generator.standard_normal(n)))
    opened = np.concatenate([[100.0], close[:-1]])
    wick = np.exp(0.3 * volatility * np.abs(generator.standard_normal((2, n))))
    high, low = np.maximum(opened, close) * wick[0], np.minimum(opened, close) / wick[1]
    volume = 1e6 * np.exp(0.3 * generator.standard_normal(n))
    columns = {"open": opened, "high": high, "low": low, "close": close, "volume": volume}
    return pd.DataFrame(columns, index=index.rename("time"))


schedule = cache(schedule_of)


@pytest.fixture
def daily() -> pd.DataFrame:
    return walk(schedule("XNYS", day("2022-01-03"), day("2023-12-29")).dates)


@pytest.fixture
def quarters() -> pd.DataFrame:
    """Bars of 15 minutes over six weeks of sessions, with the end of summer time in them."""
    found = schedule("XNYS", day("2023-10-16"), day("2023-11-22"))
    sessions = zip(found.opens, found.closes, strict=True)
    stamps = [pd.date_range(opened, closed, freq="15min")[1:] for opened, closed in sessions]
    return walk(stamps[0].append(stamps[1:]), volatility=0.002)


def unadjusted(bars: pd.DataFrame, row: int, ratio: float) -> pd.DataFrame:
    """Bars as they were before anybody took a split out that came with a row."""
    prices, volumes = bars.iloc[:, :4].to_numpy(copy=True), bars["volume"].to_numpy(copy=True)
    prices[:row] *= ratio
    volumes[:row] /= ratio
    return pd.DataFrame({**dict(zip(bars.columns[:4], prices.T, strict=True)), "volume": volumes}, index=bars.index)


def kinds(findings: Findings) -> list[tuple[str, str, str, int]]:
    return [(one.level, one.kind, str(one.first.date()), one.bars) for one in findings.found]


@pytest.mark.parametrize("calendar", [None, "XNYS"])
def test_faultless_bars_have_no_findings(daily, quarters, calendar):
    for bars in (daily, quarters):
        findings = check_bars(bars, calendar)
        assert findings.found == ()
        assert findings.clean
        assert findings.bars == len(bars)
        assert findings.calendar == calendar
        assert findings.to_frame().empty


def test_bars_longer_than_a_day_are_judged_by_their_interval():
    weeks = walk(pd.date_range("2020-01-05", periods=100, freq="W", tz="UTC"), volatility=0.02)
    assert check_bars(weeks).found == ()
    (finding,) = check_bars(weeks.drop(weeks.index[[10, 11]])).found
    assert (finding.level, finding.kind, finding.bars) == ("problem", "missing bars", 2)
    assert finding.text == "2 between 2020-03-08 and 2020-03-29"
    with pytest.raises(ConfigError, match="a calendar tells nothing of bars longer than a day"):
        check_bars(weeks, "XNYS")


def test_the_calendar_tells_missing_sessions_from_holidays(daily):
    findings = check_bars(daily.drop(daily.index[[50, 51, 100]]), "XNYS")
    assert kinds(findings) == [
        ("problem", "missing bars", "2022-03-15", 2),
        ("problem", "missing bars", "2022-05-25", 1),
    ]
    assert findings.found[0].text == "2 days from 2022-03-16 to 2022-03-17, open at XNYS"
    assert findings.found[0].last == day("2022-03-18")


def test_without_a_calendar_a_lone_day_passes_and_a_week_does_not(daily):
    assert check_bars(daily.drop(daily.index[[50, 51]])).found == ()
    assert kinds(check_bars(daily.drop(daily.index[50:53]))) == [("look", "missing bars", "2022-03-15", 3)]
    assert kinds(check_bars(daily.drop(daily.index[50:56]))) == [("problem", "missing bars", "2022-03-15", 6)]


def test_bars_on_holidays_are_out_of_hours(daily):
    extra = daily.iloc[[3]].set_axis(pd.DatetimeIndex(["2022-04-15"], tz="UTC"))  # Good Friday
    bars = pd.concat([daily, extra]).sort_index()
    bars.loc[day("2022-04-15")] = bars.loc[day("2022-04-14")]
    findings = check_bars(bars, "XNYS")
    assert kinds(findings) == [("problem", "out of hours", "2022-04-15", 1)]
    assert findings.found[0].text == "2022-04-15, when XNYS is closed"


def test_sessions_with_many_bars_missing_are_a_problem_and_with_few_worth_a_look(quarters):
    dates = quarters.index.strftime("%m-%d")
    lunch = np.flatnonzero(dates == "10-18")[8:14]
    tick = np.flatnonzero(dates == "11-08")[[5]]
    whole = np.flatnonzero(dates == "11-14")
    findings = check_bars(quarters.drop(quarters.index[np.concatenate([lunch, tick, whole])]), "XNYS")
    assert [(one.level, one.bars, one.text) for one in findings.found] == [
        ("problem", 6, "6 of 26 bars of the session of 2023-10-18 at XNYS"),
        ("look", 1, "1 of 26 bars of the session of 2023-11-08 at XNYS"),
        ("problem", 26, "26 of 26 bars of the session of 2023-11-14 at XNYS"),
    ]


def test_gaps_within_sessions_are_found_without_a_calendar(quarters):
    rows = np.flatnonzero(quarters.index.strftime("%m-%d") == "10-18")
    assert check_bars(quarters.drop(quarters.index[rows[[5, 6]]])).found == ()
    lost = quarters.drop(quarters.index[rows[[5, 6, 7]]])
    assert kinds(check_bars(lost)) == [("look", "missing bars", "2023-10-18", 3)]
    assert kinds(check_bars(quarters.drop(quarters.index[rows[4:16]]))) == [
        ("problem", "missing bars", "2023-10-18", 12)
    ]


def test_a_market_that_never_closes_has_its_gaps_found():
    hours = walk(pd.date_range("2024-01-01", periods=2000, freq="h", tz="UTC"), volatility=0.004)
    assert check_bars(hours).found == ()
    assert check_bars(hours, "24/7").found == ()
    holed = hours.drop(hours.index[500:520])
    assert kinds(check_bars(holed)) == [("problem", "missing bars", "2024-01-21", 20)]
    assert sum(one.bars for one in check_bars(holed, "24/7").found) == 20


def test_bars_after_hours_are_out_of_hours(quarters):
    late = quarters.index[quarters.index.strftime("%m-%d") == "10-18"][-1] + pd.Timedelta(hours=1)
    bars = pd.concat([quarters, quarters.loc[[late - pd.Timedelta(hours=1)]].set_axis([late])]).sort_index()
    findings = check_bars(bars, "XNYS")
    assert kinds(findings) == [("problem", "out of hours", "2023-10-18", 1)]
    assert findings.found[0].text == "2023-10-18 21:00:00, when XNYS is closed"


@pytest.mark.parametrize("ratio", [(3, 2), (2, 1), (3, 1), (4, 1), (7, 1), (20, 1), (1, 2), (1, 10)])
@pytest.mark.parametrize("volumes", [True, False])
def test_an_unadjusted_split_is_named_with_its_ratio(daily, ratio, volumes):
    new, old = ratio
    bars = unadjusted(daily, 200, new / old)
    bars = bars if volumes else bars.assign(volume=0.0)
    (finding,) = check_bars(bars).found
    assert (finding.level, finding.kind, finding.first) == ("problem", "possible split", daily.index[200])
    assert f"looks like a split {new}:{old}" in finding.text


def test_the_split_that_the_sample_was_adjusted_for_is_found_when_it_is_put_back():
    bars = load_bars("sample:AAPL")
    row = int(bars.index.searchsorted(day("2005-02-28")))
    assert check_bars(bars, "XNYS").clean
    (finding,) = check_bars(unadjusted(bars, row, 2.0), "XNYS").problems
    assert finding.first == day("2005-02-28")
    assert "looks like a split 2:1" in finding.text


def test_a_real_crash_is_only_worth_a_look():
    findings = check_bars(load_bars("sample:AAPL"), "XNYS")
    assert kinds(findings) == [("look", "jump", "2000-09-29", 1), ("look", "long wick", "2010-05-06", 1)]
    assert "-51.9% from close to close" in findings.found[0].text
    assert "the money traded went to 10 times the usual" in findings.found[0].text


@pytest.mark.parametrize("symbol", ["AAPL", "GOOG", "IBM", "MSFT"])
@pytest.mark.parametrize("calendar", [None, "XNYS"])
def test_the_samples_are_clean(symbol, calendar):
    assert check_bars(load_bars(f"sample:{symbol}"), calendar).clean


def test_a_bad_tick_is_taken_back_by_the_next_bar(daily):
    daily.iloc[200, 1:4] *= [1.0, 0.5, 0.5]
    daily.iloc[200, 1] = daily.iloc[200, [0, 3]].max()
    daily.iloc[201, 2] = min(daily.iloc[201, 2], daily.iloc[201, 0])
    findings = check_bars(daily)
    assert kinds(findings) == [("problem", "bad tick", str(daily.index[200].date()), 1)]


def test_long_wicks_are_graded(daily):
    daily.iloc[100, 1] *= 1.25
    daily.iloc[200, 2] /= 3.0
    findings = check_bars(daily)
    assert [(one.level, one.kind) for one in findings.found] == [("look", "long wick"), ("problem", "long wick")]
    assert findings.found[1].text.startswith("the low is 66.")


@pytest.mark.parametrize(("length", "level"), [(2, None), (3, "look"), (5, "problem")])
def test_stale_prices_are_graded_by_how_long_they_last(daily, length, level):
    daily.iloc[100 : 100 + length, :4] = daily["close"].iloc[99]
    found = [one for one in check_bars(daily).found if one.kind == "stale price"]
    assert [(one.level, one.first, one.bars) for one in found] == ([(level, daily.index[100], length)] if level else [])


@pytest.mark.parametrize(("length", "level"), [(1, "look"), (5, "problem")])
def test_bars_without_volume_are_graded_by_how_long_they_last(daily, length, level):
    daily.iloc[100 : 100 + length, 4] = 0.0
    (finding,) = check_bars(daily).found
    assert (finding.level, finding.kind, finding.bars) == (level, "no volume", length)
    assert check_bars(daily.assign(volume=0.0)).found == ()


@pytest.mark.parametrize(("length", "level"), [(14, None), (15, "look"), (60, "problem")])
def test_within_a_day_prices_may_rest_and_trade_pause_for_longer(quarters, length, level):
    quarters.iloc[100 : 100 + length, :4] = quarters["close"].iloc[99]
    quarters.iloc[300 : 300 + length, 4] = 0.0
    found = [(one.level, one.kind) for one in check_bars(quarters).found]
    assert found == ([(level, "stale price"), (level, "no volume")] if level else [])


def test_findings_stand_in_order_of_time_and_make_a_table(daily):
    daily.iloc[300, 4] = 0.0
    daily.iloc[100, 1] *= 2.0
    findings = check_bars(daily.drop(daily.index[200]), "XNYS")
    table = findings.to_frame()
    assert table["kind"].tolist() == ["long wick", "missing bars", "no volume"]
    assert table["first"].is_monotonic_increasing
    assert table["level"].tolist() == ["problem", "problem", "look"]
    assert [one.kind for one in findings.problems] == ["long wick", "missing bars"]
    assert not findings.clean


def test_few_bars_are_checked_too(daily):
    for n in (1, 2, 3):
        assert check_bars(daily.iloc[:n], "XNYS").found == ()
        assert check_bars(daily.iloc[:n]).found == ()


def test_what_cannot_be_checked_is_refused(daily):
    with pytest.raises(UnknownNameError, match="unknown calendar 'NYSX'"):
        check_bars(daily, "NYSX")
    with pytest.raises(BarsError, match="has no column close"):
        check_bars(daily.drop(columns="close"))


def test_runs_are_first_and_last_of_each():
    assert list(runs(np.array([True, True, False, True, False]))) == [(0, 1), (3, 3)]
    assert list(runs(np.array([False, True]))) == [(1, 1)]
    assert list(runs(np.zeros(0, dtype=bool))) == []
    assert math.isclose(sum(stop - row + 1 for row, stop in runs(np.arange(100) % 3 > 0)), 66)
