import datetime as dt
import hashlib

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dltrader.data import bars as bars_module
from dltrader.data import (
    fingerprint,
    periods_per_year,
    slice_bars,
    split_bars,
    validate_bars,
)
from dltrader.errors import BarsError, ConfigError

from .conftest import make_bars


def test_valid_bars_come_back_equal_and_are_not_touched(bars):
    before = bars.copy()
    valid = validate_bars(bars)
    pd.testing.assert_frame_equal(valid, before, check_freq=False)
    valid.iloc[0, 0] = 1.0
    pd.testing.assert_frame_equal(bars, before)


def test_columns_are_renamed_reordered_converted_and_selected(bars):
    odd = bars.rename(columns=str.title)[["Volume", "Close", "Low", "High", "Open"]]
    odd["Volume"] = odd["Volume"].astype("int64")
    odd["Dividends"] = 0.0
    valid = validate_bars(odd)
    assert list(valid.columns) == ["open", "high", "low", "close", "volume"]
    assert set(valid.dtypes) == {np.dtype("float64")}
    pd.testing.assert_frame_equal(valid, bars, check_freq=False)


def test_a_naive_index_is_utc_and_another_zone_is_converted(bars):
    naive = bars.tz_localize(None).rename_axis("Date")
    pd.testing.assert_frame_equal(validate_bars(naive), bars, check_freq=False)
    assert naive.index.name == "Date"
    tokyo = validate_bars(bars.tz_convert("Asia/Tokyo"))
    assert str(tokyo.index.tz) == "UTC"
    assert tokyo.index[0] == bars.index[0]


def test_attributes_survive(bars):
    bars.attrs["uri"] = "sample:AAPL"
    assert validate_bars(bars).attrs == {"uri": "sample:AAPL"}
    assert bars.iloc[2:].attrs == {"uri": "sample:AAPL"}


def test_rounding_widens_high_and_low(bars):
    row = bars.index[3]
    bars.loc[row, "close"] = bars.loc[row, "high"] * (1 + 1e-10)
    bars.loc[row, "open"] = bars.loc[row, "low"] * (1 - 1e-10)
    valid = validate_bars(bars)
    assert valid.loc[row, "high"] == bars.loc[row, "close"]
    assert valid.loc[row, "low"] == bars.loc[row, "open"]
    pd.testing.assert_frame_equal(validate_bars(valid), valid)


def test_a_volume_of_zero_is_allowed(bars):
    bars["volume"] = 0
    assert validate_bars(bars)["volume"].sum() == 0.0


@pytest.mark.parametrize(
    ("column", "row", "value", "message"),
    [
        ("close", 2, np.nan, r"gold row 2 \(2020-01-08\): close is missing"),
        ("volume", 0, np.inf, r"gold row 0 \(2020-01-06\): volume inf is not finite"),
        ("high", 4, 50.0, r"gold row 4 \(2020-01-10\): high 50 is below low 103"),
        ("open", 1, 150.0, r"gold row 1 .*: open 150 is outside \[low, high\] = \[100, 102\]"),
        ("close", 1, 99.99, r"gold row 1 .*: close 99.99 is outside \[low, high\]"),
        ("low", 3, 0.0, r"gold row 3 .*: low 0 is not above 0"),
        ("open", 3, -1.0, r"gold row 3 .*: open -1 is not above 0"),
        ("volume", 5, -1.0, r"gold row 5 .*: volume -1 is negative"),
    ],
)
def test_a_bad_value_is_named_with_its_place(bars, column, row, value, message):
    bars.iloc[row, bars.columns.get_loc(column)] = value
    with pytest.raises(BarsError, match=message):
        validate_bars(bars, "gold")


def test_lines_are_named_instead_of_rows(bars):
    bars.iloc[1, 1] = 11.2
    with pytest.raises(BarsError, match=r"^p.csv line 812: high 11.2 is below low 100$"):
        validate_bars(bars, "p.csv", lines=range(811, 821))


def test_columns_at_fault_are_named(bars):
    with pytest.raises(BarsError, match="no column volume; found open, high, low, close"):
        validate_bars(bars.drop(columns="volume"))
    with pytest.raises(BarsError, match="2 columns close; keep one"):
        validate_bars(bars.assign(Close=1.0))
    with pytest.raises(BarsError, match="column low of bars is not numeric"):
        validate_bars(bars.astype({"low": "str"}))
    with pytest.raises(BarsError, match=r"column low of bars is not numeric .bool"):
        validate_bars(bars.assign(low=True))


def test_times_at_fault_are_named(bars):
    with pytest.raises(BarsError, match=r"row 1 \(2020-01-16\): the time 2020-01-16 is before 2020-01-17"):
        validate_bars(bars[::-1])
    with pytest.raises(BarsError, match=r"row 3 \(2020-01-08\): the time 2020-01-08 occurs twice"):
        validate_bars(bars.iloc[[0, 1, 2, 2, 3]])
    with pytest.raises(BarsError, match="must hold times, found RangeIndex"):
        validate_bars(bars.reset_index(drop=True))
    missing = bars.set_axis(bars.index.where(bars.index != bars.index[4]))
    with pytest.raises(BarsError, match="bars row 4: the time is missing"):
        validate_bars(missing)


def test_times_beyond_what_nanoseconds_can_count_are_an_error(bars):
    late = bars.set_axis(bars.index.as_unit("s") + pd.DateOffset(years=300))
    with pytest.raises(BarsError, match="bars hold times outside the years 1678 to 2261"):
        validate_bars(late)


def test_no_bars_are_an_error(bars):
    with pytest.raises(BarsError, match="bars has no rows"):
        validate_bars(bars.iloc[:0])
    with pytest.raises(BarsError, match="must be a pandas DataFrame, found list"):
        validate_bars([1, 2])


def test_a_split_puts_its_date_into_the_later_part(bars):
    train, test = split_bars(bars, "2020-01-13")
    assert (len(train), len(test)) == (5, 5)
    assert train.index[-1] == pd.Timestamp("2020-01-10", tz="UTC")
    assert test.index[0] == pd.Timestamp("2020-01-13", tz="UTC")


def test_two_dates_give_three_parts(bars):
    parts = split_bars(bars, dt.date(2020, 1, 8), pd.Timestamp("2020-01-14 12:00"))
    assert [len(part) for part in parts] == [2, 5, 3]


@given(st.lists(st.integers(1, 29), min_size=1, max_size=5, unique=True))
def test_parts_of_a_split_join_to_the_whole(cuts):
    bars = make_bars(30, freq="D")
    parts = split_bars(bars, *(bars.index[cut] for cut in sorted(cuts)))
    assert len(parts) == len(cuts) + 1
    pd.testing.assert_frame_equal(pd.concat(parts), bars, check_freq=False)


def test_an_empty_part_says_what_the_bars_span(bars):
    with pytest.raises(
        BarsError, match="part 1 of 2 is empty: no bars before 2019-01-01; the bars run from 2020-01-06"
    ):
        split_bars(bars, "2019-01-01")
    with pytest.raises(BarsError, match="part 2 of 3 is empty: no bars from 2020-01-11 on and before 2020-01-12"):
        split_bars(bars, "2020-01-11", "2020-01-12")


def test_dates_of_a_split_must_be_dates_that_increase(bars):
    with pytest.raises(ConfigError, match="needs at least one date"):
        split_bars(bars)
    with pytest.raises(ConfigError, match="must increase, were 2020-01-10, 2020-01-08"):
        split_bars(bars, "2020-01-10", "2020-01-08")
    with pytest.raises(ConfigError, match="must be a date or time such as '2010-01-31', was 'soon'"):
        split_bars(bars, "soon")


def test_both_ends_of_a_slice_are_included(bars):
    part = slice_bars(bars, "2020-01-07", "2020-01-09")
    assert [time.day for time in part.index] == [7, 8, 9]
    assert len(slice_bars(bars)) == 10


@pytest.mark.parametrize(
    ("end", "left"),
    [
        ("2020-01-06", 23),
        (dt.date(2020, 1, 6), 23),
        ("2020-01-06 12:00", 12),
        (dt.datetime(2020, 1, 6, 12), 12),
        (pd.Timestamp("2020-01-06"), 0),
        ("2020-01-06T13:00+01:00", 12),
        ("2020-01", 48),
        ("2020", 48),
    ],
)
def test_an_end_without_a_time_means_the_whole_of_it(end, left):
    hours = make_bars(48, start="2020-01-06 01:00", freq="h")
    if left:
        assert len(slice_bars(hours, end=end)) == left
    else:
        with pytest.raises(BarsError, match="there are no bars to 2020-01-06"):
            slice_bars(hours, end=end)


def test_an_empty_slice_says_what_the_bars_span(bars):
    with pytest.raises(
        BarsError,
        match=r"no bars from 2021-01-01 to 2021-12-31 .*; the bars run from 2020-01-06 to 2020-01-17",
    ):
        slice_bars(bars, "2021", "2021")


def test_a_start_after_the_end_is_a_contradiction(bars):
    with pytest.raises(ConfigError, match="start 2020-01-09 is after end 2020-01-08"):
        slice_bars(bars, "2020-01-09", "2020-01-08")


@pytest.mark.parametrize("value", ["", "nat", "2020-13-01", 2020, None, "999999-01-01"])
def test_what_is_no_date_is_refused(bars, value):
    with pytest.raises(ConfigError, match="must be a date or time"):
        split_bars(bars, value)


def test_the_fingerprint_is_what_it_says(bars):
    times = bars.index.as_unit("ns").asi8.astype("<i8").tobytes()
    values = bars.to_numpy().astype("<f8").tobytes()
    expected = hashlib.sha256(b"\0open high low close volume\x0010\0" + times + values).hexdigest()
    assert fingerprint(bars) == expected


def test_the_fingerprint_ignores_what_does_not_matter(bars):
    digest = fingerprint(bars)
    same = bars[bars.columns[::-1]].tz_convert("Asia/Tokyo").rename_axis("Date")
    same.attrs["uri"] = "anything"
    assert fingerprint(same) == digest
    for unit in ("s", "ms", "us", "ns"):
        assert fingerprint(bars.set_axis(bars.index.as_unit(unit))) == digest
    assert fingerprint(bars.assign(volume=0.0)) == fingerprint(bars.assign(volume=-0.0))


def test_the_fingerprint_sees_every_change(bars):
    changed = bars.copy()
    changed.iloc[7, 3] = np.nextafter(changed.iloc[7, 3], 1e9)
    later = bars.set_axis(bars.index + pd.Timedelta(1, unit="us"))
    digests = [
        fingerprint(frame)
        for frame in (
            bars,
            changed,
            later,
            bars.iloc[1:],
            {"a": bars},
            {"b": bars},
            {"a": bars, "b": changed},
            {"b": changed, "a": bars},
        )
    ]
    assert len(set(digests)) == len(digests)


@pytest.mark.parametrize(
    ("freq", "n", "expected"),
    [
        ("B", 30, 252),
        ("D", 30, 365),
        ("W-FRI", 30, 52),
        ("ME", 30, 12),
        ("QE", 12, 4),
        ("YE", 5, 1),
        ("h", 24 * 21, 24 * 365),
        ("15min", 96 * 21, 96 * 365),
    ],
)
def test_periods_per_year_follow_from_the_gaps(freq, n, expected):
    assert periods_per_year(make_bars(n, freq=freq)) == expected


def test_hours_of_a_stock_exchange_count_seven_a_day():
    days = pd.bdate_range("2020-01-06", periods=20, tz="UTC")
    hours = pd.DatetimeIndex([day + pd.Timedelta(hours=h) for day in days for h in range(15, 22)])
    assert periods_per_year(make_bars(len(hours)).set_axis(hours)) == 7 * 252


def test_currencies_that_open_on_sunday_have_weekends_off():
    hours = pd.date_range("2020-01-05 23:00", "2020-02-28 22:00", freq="h", tz="UTC")
    week = hours[(hours.day_of_week < 5) | ((hours.day_of_week == 6) & (hours.hour >= 23))]
    assert periods_per_year(make_bars(len(week)).set_axis(week)) == 24 * 252


def test_one_bar_has_no_interval(bars):
    with pytest.raises(BarsError, match="cannot be told from 1 of them"):
        periods_per_year(bars.iloc[:1])


@pytest.mark.parametrize("chunk", [1, 3, 4, 100])
def test_bars_checked_piece_by_piece_are_the_same_bars(monkeypatch, chunk):
    bars = make_bars(10)
    bars.iloc[7, 3] = bars.iloc[7, 1] * (1 + 1e-12)  # a close above the high by rounding
    expected, hashed = validate_bars(bars), fingerprint(bars)
    monkeypatch.setattr(bars_module, "CHUNK", chunk)
    pd.testing.assert_frame_equal(validate_bars(bars), expected)
    assert expected["high"].iloc[7] == bars["close"].iloc[7] > bars["high"].iloc[7]
    assert fingerprint(bars) == hashed
    bars.iloc[7, 2] = 1e6
    with pytest.raises(BarsError, match=r"bars row 7 \(2020-01-15\): high 108 is below low 1000000"):
        validate_bars(bars)


def test_bars_over_an_array_do_not_copy_it():
    valid = make_bars(10)
    values = valid.to_numpy().T.copy()
    bars = bars_module.bars_from(values, valid.index, "bars")
    pd.testing.assert_frame_equal(bars, valid, check_freq=False)
    assert np.shares_memory(bars.to_numpy(), values)
