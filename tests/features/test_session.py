"""Session features: clocks on walls, summer time, and what a session has done so far."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dltrader.errors import BarsError, ConfigError
from dltrader.features import FeatureSpec, Pipeline
from dltrader.features.compute import compute, settled_from

from .samples import frame, make_bars


def at(*stamps):
    """Bars of one price at these times."""
    ones = [1.0] * len(stamps)
    bars = frame(ones, ones, ones, ones, ones)
    return bars.set_axis(pd.DatetimeIndex(pd.to_datetime(stamps, utc=True, format="ISO8601"), name="time"), axis=0)


def minutes(freq="30min", days=2, start="2024-03-07 14:30"):
    """Bars of whole sessions from 09:30 to 16:00 in New York, in winter."""
    n_bars = int(pd.Timedelta("6.5h") / pd.Timedelta(freq))
    opens = [pd.Timestamp(start, tz="UTC") + pd.Timedelta(days=day) for day in range(days)]
    index = pd.DatetimeIndex([opened + (i + 1) * pd.Timedelta(freq) for opened in opens for i in range(n_bars)])
    return make_bars(len(index)).set_axis(index.rename("time"), axis=0)


def values(name, bars, **parameters):
    (column,) = compute(FeatureSpec.of(name, **parameters), bars).to_numpy().T
    return column


def test_the_clock_keeps_summer_time():
    # New York's clocks were put forward on 10 March 2024 and back on 3 November.
    bars = at("2024-03-08 14:31", "2024-03-11 13:31", "2024-11-01 19:59", "2024-11-04 20:59", "2024-11-04 21:00")
    assert values("minutes_since_open", bars).tolist() == [1, 1, 389, 389, 390]
    assert values("minutes_to_close", bars).tolist() == [389, 389, 1, 1, 0]


def test_outside_of_sessions_the_last_one_is_over():
    bars = at("2024-03-08 14:30", "2024-03-08 14:30:30", "2024-03-08 21:00:01", "2024-03-09 16:00")
    assert values("minutes_since_open", bars).tolist() == [390, 0.5, 390, 90]
    assert values("first_minutes", bars).tolist() == [0, 1, 0, 0]
    assert values("first_minutes", at("2024-03-08 14:39", "2024-03-08 14:40")).tolist() == [1, 0]


def test_a_session_may_last_past_midnight():
    bars = at("2024-03-08 23:30", "2024-03-09 04:00", "2024-03-09 05:00", "2024-03-09 12:00")
    night = {"timezone": "UTC", "open": "23:00", "close": "05:00"}
    assert values("minutes_since_open", bars, **night).tolist() == [30, 300, 360, 360]
    assert values("minutes_to_close", at("2024-03-08 00:00"), timezone="UTC", open="00:00", close="24:00") == [0]


def test_a_session_return_begins_with_its_first_open():
    bars = minutes()
    expected = np.log(bars["close"].iloc[13:] / bars["open"].iloc[13])
    found = values("session_return", bars)
    assert np.isnan(found[:13]).all()
    np.testing.assert_allclose(found[13:], expected, rtol=1e-12)


def test_the_average_price_of_a_session_is_weighted_by_volume():
    bars = minutes()
    today = bars.iloc[13:]
    typical = (today["high"] + today["low"] + today["close"]) / 3
    average = (typical * today["volume"]).cumsum() / today["volume"].cumsum()
    np.testing.assert_allclose(values("session_vwap_distance", bars)[13:], np.log(today["close"] / average), atol=1e-12)


def test_an_opening_range_is_known_when_it_is_over():
    bars = minutes("10min")
    found = values("opening_range", bars, minutes=30)[39:]
    today = bars.iloc[39:]
    high, low = today["high"].iloc[:3].max(), today["low"].iloc[:3].min()
    assert found[:2].tolist() == [0, 0]
    np.testing.assert_allclose(found[2:], (2 * today["close"].iloc[2:] - high - low) / (high - low), rtol=1e-9)
    assert (values("opening_range", bars, minutes=5)[39:] == 0).all()  # no bar is as short


def test_a_session_that_the_bars_begin_in_is_the_warm_up():
    bars = minutes()
    assert settled_from(FeatureSpec.of("session_return"), bars) == 13
    assert settled_from(FeatureSpec.of("session_return"), bars.iloc[5:]) == 8
    pipeline = Pipeline(["session_return", "opening_range", "log_return"], "none")
    assert pipeline.warmup_bars == 1
    assert len(pipeline.fit(bars).transform(bars)) == 13


def test_bars_without_a_whole_session_are_told():
    with pytest.raises(BarsError, match="100 bars have no whole session from 09:30 to 16:00 in America/New_York"):
        Pipeline(["session_return"], "none").fit(make_bars(100))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"timezone": "New York"}, "timezone must be a zone such as America/New_York or UTC, was 'New York'"),
        ({"timezone": 5}, "timezone must be a zone"),
        ({"open": "9.30"}, "the time of day must be written as 09:30, was '9.30'"),
        ({"close": "25:00"}, "the time of day must be written as 09:30, was '25:00'"),
        ({"close": True}, "the time of day must be written as 09:30, was True"),
    ],
)
def test_a_clock_that_is_none_is_told(given, message):
    with pytest.raises(ConfigError, match=message):
        FeatureSpec.of("session_return", **given)


def test_a_time_that_yaml_reads_as_a_number_is_one():
    assert FeatureSpec.of("session_return", close=960, open="9:30") == FeatureSpec.of("session_return")
