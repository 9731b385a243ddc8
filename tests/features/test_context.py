"""Other markets: what a feature of theirs says at a bar, and that it is known by then."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dltrader.data import load_bars
from dltrader.errors import BarsError, ConfigError, LookAheadError
from dltrader.features import FeatureSpec, Pipeline
from dltrader.features.compute import compute, settled_from
from dltrader.features.context import as_of

from .samples import corrupted_after, make_bars, registered, same_bits

DAY = pd.Timedelta(days=1)

PLACES = {
    "daily sees daily": (make_bars(120), make_bars(120, 1), pd.Timedelta(0)),
    "daily sees hourly": (make_bars(60), make_bars(1_600, 1, freq="h"), pd.Timedelta(0)),
    "half-hourly sees hourly": (make_bars(200, freq="30min"), make_bars(100, 1, freq="h"), pd.Timedelta(0)),
    "three-hourly sees daily": (make_bars(300, freq="3h"), make_bars(60, 1), DAY),
    "daily sees business days": (make_bars(120), make_bars(90, 1, freq="B"), pd.Timedelta(0)),
}
SPECS = [
    FeatureSpec.of("log_return", market="SPY"),
    FeatureSpec.of("macd", market="SPY", fast=2, slow=3, signal=2),
    FeatureSpec.of("range", market="SPY", interval="1W"),
    FeatureSpec.of("ta", indicator="AroonIndicator", window=3, market="SPY"),
]


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.label)
@pytest.mark.parametrize("place", PLACES)
def test_row_is_unchanged_to_the_bit_whatever_comes_after_it_here_and_there(spec, place):
    bars, seen, closed_after = PLACES[place]
    whole = compute(spec, bars, {"SPY": seen})
    try:
        first = settled_from(spec, bars, {"SPY": seen})
    except BarsError:
        assert spec.interval  # 200 half-hours have no whole week
        assert whole.isna().all(axis=None)
        return
    for row in range(first, len(bars) - 1, 3):
        known = int((seen.index + closed_after <= bars.index[row]).sum())
        wild = corrupted_after(seen, known - 1, seed=row)
        for ours, theirs in (
            (corrupted_after(bars, row, seed=row), wild),
            (bars.iloc[: row + 1], seen.iloc[:known]),
        ):
            found = compute(spec, ours, {"SPY": theirs})
            assert same_bits(found.iloc[: row + 1], whole.iloc[: row + 1]), f"row {row} looks ahead"


@settings(max_examples=100, deadline=None)
@given(
    known=st.lists(st.integers(0, 50), unique=True, max_size=20).map(sorted),
    times=st.lists(st.integers(0, 50), unique=True, min_size=1, max_size=20).map(sorted),
)
def test_the_last_row_that_is_known_counts(known, times):
    table = pd.DataFrame({"a": np.arange(len(known), dtype=float)})
    index = pd.DatetimeIndex(pd.to_datetime(times, unit="ns", utc=True), name="time")
    found = as_of(table, np.array(known, np.int64), index)["a"]
    expected = [sum(moment <= time for moment in known) - 1 for time in times]
    np.testing.assert_array_equal(found, [np.nan if row < 0 else row for row in expected])


def test_equal_times_are_closed_together_and_a_missing_bar_leaves_the_one_before():
    bars, seen = make_bars(10), make_bars(10, 1).drop(pd.Timestamp("2001-01-05", tz="UTC"))
    found = compute(FeatureSpec.of("range", market="SPY"), bars, {"SPY": seen})["SPY:range"]
    expected = np.log(seen["high"] / seen["low"]).reindex(bars.index).ffill()
    np.testing.assert_array_equal(found, expected)


def test_a_daily_bar_is_seen_by_shorter_bars_when_its_day_is_over():
    bars, seen = make_bars(60, freq="h"), make_bars(5, 1)
    found = compute(FeatureSpec.of("body", market="SPY"), bars, {"SPY": seen})["SPY:body"]
    body = np.log(seen["close"] / seen["open"]).to_numpy()
    assert found.loc[:"2001-01-01 23:00"].isna().all()
    assert set(found.loc["2001-01-02 00:00":"2001-01-02 23:00"]) == {body[0]}
    assert set(found.loc["2001-01-03 00:00":"2001-01-03 11:00"]) == {body[1]}


def test_the_warm_up_is_where_the_other_market_is_settled():
    bars, seen = make_bars(100), make_bars(100, 1).iloc[30:]
    pipeline = Pipeline(["log_return", {"name": "log_return", "horizon": 5, "market": "SPY"}], "none")
    assert pipeline.warmup_bars == 1
    assert pipeline.warmup_on(bars, {"SPY": seen}) == 35
    fitted = pipeline.fit(bars, {"SPY": seen})
    assert fitted.context == ("SPY",)
    table = fitted.transform(bars, {"SPY": seen})
    assert table.index[0] == bars.index[35]
    # Where there is more of the other market, nothing is lost.
    assert len(fitted.transform(bars.iloc[50:], {"SPY": seen})) == 49
    np.testing.assert_array_equal(table["SPY:log_return_5"], np.log(seen["close"] / seen["close"].shift(5)).dropna())
    both = fitted.transform({"a": bars, "b": make_bars(100, 3)}, {"SPY": seen})
    np.testing.assert_array_equal(both["a"]["SPY:log_return_5"], both["b"]["SPY:log_return_5"])


def test_a_market_that_is_not_there_is_named():
    pipeline = Pipeline([{"name": "log_return", "market": "SPY"}], "none")
    message = r"SPY:log_return_1 looks at 'SPY', whose bars are not there; name its source in env.context, or pass"
    with pytest.raises(ConfigError, match=message):
        pipeline.fit(make_bars(50))
    with pytest.raises(ConfigError, match="did you mean 'SPI'"):
        pipeline.fit(make_bars(50), {"SPI": make_bars(50)})


def test_a_market_that_has_ended_is_not_seen_for_ever():
    bars = load_bars("sample:AAPL")
    pipeline = Pipeline([{"name": "log_return", "market": "IBM"}], "none")
    message = "would see a bar of IBM from 2009-12-31 at 2010-02-01: nothing newer is there, and it counts for 31 days"
    with pytest.raises(BarsError, match=message):
        pipeline.fit(bars, {"IBM": load_bars("sample:IBM", end="2009")})
    with pytest.raises(BarsError, match="and 0 are closed by 2000"):
        pipeline.fit(bars.loc[:"2000"], {"IBM": load_bars("sample:IBM", start="2005")})


def test_a_users_feature_that_looks_ahead_in_the_other_market_is_found():
    with registered("ahead", lambda bars: bars["close"].shift(-1) / bars["close"]):
        pipeline = Pipeline([{"name": "ahead", "market": "SPY"}], "none")
        with pytest.raises(LookAheadError, match="SPY:ahead looks ahead"):
            pipeline.fit(make_bars(60), {"SPY": make_bars(120, 1)})


def test_a_users_parameter_cannot_hide_where_a_feature_looks():
    with registered("mine", lambda bars, *, market="a": bars["close"]), pytest.raises(ConfigError, match="'market'"):
        FeatureSpec.of("mine")
