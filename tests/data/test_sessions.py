"""Clocks on the walls of markets, and the sessions of bars."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dltrader.data import load_bars, periods_per_year
from dltrader.data.sessions import Clock, first_whole_session, sessions_of, time_of_day
from dltrader.errors import BarsError, ConfigError

MINUTES = "synthetic:gbm?n={n}&interval={interval}&session=09:30-16:00&timezone=America/New_York&start=2024-03-07"


@given(st.integers(0, 1_439))
def test_a_time_of_day_is_read_as_text_or_as_the_minutes_that_yaml_makes_of_it(minutes):
    text = f"{minutes // 60:02d}:{minutes % 60:02d}"
    assert time_of_day(text) == time_of_day(minutes) == text


@pytest.mark.parametrize("value", ["", "9", "9.30", "24:01", "12:60", -1, 1_441, 9.5, None, True])
def test_what_is_no_time_of_day_is_told(value):
    with pytest.raises(ConfigError, match="the time of day must be written as 09:30"):
        time_of_day(value)


def test_a_session_has_a_length():
    assert Clock().minutes == 390
    assert Clock("UTC", "22:00", "04:00").minutes == 360
    assert Clock("UTC", "00:00", "24:00").minutes == Clock("UTC", "17:00", "17:00").minutes == 1_440


def test_synthetic_sessions_keep_summer_time():
    bars = load_bars(MINUTES.format(n=4 * 390, interval="1min"))
    opens = bars.index[::390]
    assert [f"{time:%m-%d %H:%M}" for time in opens] == ["03-07 14:31", "03-08 14:31", "03-11 13:31", "03-12 13:31"]
    assert f"{bars.index[-1]:%H:%M}" == "20:00"
    assert periods_per_year(bars) == 252 * 390


def test_a_synthetic_session_keeps_the_prices_of_the_same_seed():
    whole, session = (
        load_bars("synthetic:sine?n=50&interval=30min"),
        load_bars("synthetic:sine?n=50&interval=30min&session=09:30-16:00"),
    )
    np.testing.assert_array_equal(whole["close"], session["close"])
    assert f"{session.index[0]:%H:%M} {session.index[12]:%H:%M}" == "10:00 16:00"


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("session=09:30", "the time of day must be written as 09:30, was ''"),
        ("session=09:30-16:00&interval=1h", "session 09:30-16:00 does not hold a whole number of bars of 1h"),
        ("session=09:30-16:00", "does not hold a whole number of bars of 1D"),
        ("timezone=America/New_York", "timezone is that of a session; add one"),
        ("session=09:30-16:00&interval=30min&timezone=Nowhere", "timezone must be a zone such as America/New_York"),
    ],
)
def test_a_synthetic_session_that_cannot_be_is_told(query, message):
    with pytest.raises(ConfigError, match=message):
        load_bars(f"synthetic:gbm?n=10&{query}")


def test_bars_belong_to_sessions_by_their_stamps_alone():
    bars = load_bars(MINUTES.format(n=3 * 13, interval="30min"))
    whole = sessions_of(bars.index, Clock())
    assert whole.begins.tolist() == [0, 13, 26]
    assert whole.inside.all()
    np.testing.assert_array_equal(whole.elapsed, np.tile(np.arange(30, 391, 30), 3))
    for row in range(1, len(bars)):
        later = sessions_of(bars.index[row:], Clock())
        np.testing.assert_array_equal(later.elapsed, whole.elapsed[row:])
        assert (later.begins[1:] + row).tolist() == [begin for begin in whole.begins if begin > row]
    assert first_whole_session(bars.index) == first_whole_session(bars.index[:14]) == 13
    with pytest.raises(BarsError, match="13 bars have no whole session"):
        first_whole_session(bars.index[:13])


def test_a_clock_that_is_put_back_does_not_put_sessions_back():
    index = pd.date_range("2024-11-02 12:00", periods=96, freq="30min", tz="UTC")  # back by an hour on 3 November
    begins = sessions_of(index, Clock("America/New_York", "01:30", "01:30")).begins
    assert len(begins) == 3
    assert (np.diff(begins) > 0).all()
