"""Higher intervals: bars made of bars that have closed, and what a feature says of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dltrader.data import load_bars
from dltrader.errors import BarsError, ConfigError
from dltrader.features import FeatureSpec, FittedPipeline, Pipeline, RollingScaling
from dltrader.features.compute import compute, plain_bars, settled_from
from dltrader.features.resampling import interval_of, resampled

from .samples import corrupted_after, make_bars, same_bits

HIGHER = [
    (FeatureSpec.of("log_return", interval="1W"), "D"),
    (FeatureSpec.of("rsi", window=2, interval="1W"), "B"),
    (FeatureSpec.of("range", interval="1ME"), "D"),
    (FeatureSpec.of("macd", fast=2, slow=3, signal=2, interval="4h"), "30min"),
    (FeatureSpec.of("obv_slope", window=3, interval="90min"), "30min"),
    (FeatureSpec.of("log_return", interval="1D"), "3h"),
    (FeatureSpec.of("session_return", interval="1h"), "20min"),
    (FeatureSpec.of("ta", indicator="AroonIndicator", window=3, interval="1W"), "D"),
]
each = pytest.mark.parametrize(("spec", "freq"), HIGHER, ids=lambda value: getattr(value, "label", value))


@each
def test_row_is_unchanged_to_the_bit_whatever_comes_after_it(spec, freq):
    bars = make_bars(150, freq=freq)
    whole = compute(spec, bars)
    for row in range(settled_from(spec, bars), len(bars) - 1, 2):
        for other in (corrupted_after(bars, row, seed=row), bars.iloc[: row + 1]):
            assert same_bits(compute(spec, other).iloc[: row + 1], whole.iloc[: row + 1]), f"row {row} looks ahead"


@each
def test_rows_are_the_same_however_much_history_stands_before_and_none_is_nan(spec, freq):
    bars = make_bars(230, freq=freq)
    whole = compute(spec, bars)
    for dropped in (0, 1, 2, 3, 5, 11, 44):
        later = bars.iloc[dropped:]
        first = settled_from(spec, later)
        table = compute(spec, later)
        assert table.iloc[:first].isna().any(axis=1).all()
        if spec.name != "ta":
            assert same_bits(table.iloc[first:], whole.iloc[dropped + first :])
        assert np.isfinite(table.to_numpy()[first:]).all()


def test_a_week_of_daily_bars_is_known_with_the_first_bar_of_the_next():
    bars = make_bars(30, freq="B")  # from a Monday on
    table = compute(FeatureSpec.of("log_return", interval="1W"), bars)["log_return_1@1W"]
    closes = bars["close"].to_numpy()
    # The first week is left out, as it may have begun before. The third is over when the fourth begins.
    assert table.iloc[:15].isna().all()
    assert set(table.iloc[15:20]) == {np.log(closes[14] / closes[9])}
    assert set(table.iloc[20:25]) == {np.log(closes[19] / closes[14])}


def test_a_week_that_ends_before_a_holiday_is_not_known_before_the_next_begins():
    bars = make_bars(30, freq="B").drop(pd.Timestamp("2001-01-19", tz="UTC"))  # a Friday
    table = compute(FeatureSpec.of("log_return", interval="1W"), bars)["log_return_1@1W"]
    assert table["2001-01-22"] == np.log(bars["close"]["2001-01-18"] / bars["close"]["2001-01-12"])
    assert np.isnan(table["2001-01-18"])


def test_an_hour_is_known_with_the_bar_that_is_stamped_at_its_end():
    index = pd.date_range("2024-01-02 09:40", periods=16, freq="10min", tz="UTC", name="time")
    bars = make_bars(16).set_axis(index, axis=0)
    view = resampled(bars, "1h", "mine")
    assert [stamp.hour for stamp in view.bars.index] == [11, 12]
    ten_to_eleven = bars.loc["2024-01-02 10:10":"2024-01-02 11:00"]
    assert view.bars.iloc[0].tolist() == [
        ten_to_eleven["open"].iloc[0],
        ten_to_eleven["high"].max(),
        ten_to_eleven["low"].min(),
        ten_to_eleven["close"].iloc[-1],
        pytest.approx(ten_to_eleven["volume"].sum()),
    ]
    table = compute(FeatureSpec.of("range", interval="1h"), bars)["range@1h"]
    assert table.loc[:"2024-01-02 10:50"].isna().all()
    assert table.loc["2024-01-02 11:00"] == np.log(view.bars["high"].iloc[0] / view.bars["low"].iloc[0])


RULES = {"15min": ("15min", "right"), "4h": ("4h", "right"), "1D": ("1D", "right"), "1W": ("W-MON", "left")}


@settings(max_examples=60, deadline=None)
@given(
    gaps=st.lists(st.integers(1, 40), min_size=8, max_size=120),
    interval=st.sampled_from(list(RULES)),
    seed=st.integers(0, 5),
)
def test_higher_bars_are_those_of_pandas_but_for_the_first_and_those_that_are_not_over(gaps, interval, seed):
    unit = {"15min": 1, "4h": 7, "1D": 60, "1W": 300}[interval]
    minutes = np.cumsum(np.array(gaps) * unit)
    stamps = pd.Timestamp("2024-02-27", tz="UTC") + pd.to_timedelta(minutes, unit="min")
    bars = make_bars(len(gaps), seed).set_axis(pd.DatetimeIndex(stamps, name="time").as_unit("ns"), axis=0)
    if np.median(np.diff(minutes)) >= pd.Timedelta(interval.replace("1W", "7D")) / pd.Timedelta(minutes=1):
        with pytest.raises(ConfigError, match="is of the interval"):
            resampled(bars, interval, "mine")
        return
    view = resampled(bars, interval, "mine")
    rule, closed = RULES[interval]
    how = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}
    expected = bars.resample(rule, closed=closed, label="right").agg(how).dropna().iloc[1:]
    expected = expected[expected.index <= bars.index[-1]]
    pd.testing.assert_frame_equal(view.bars, expected, check_freq=False, check_index_type=False, rtol=1e-12)
    known = [bars.index[bars.index >= end][0].value for end in expected.index]
    assert view.known.tolist() == known


def test_months_end_with_the_month():
    view = resampled(make_bars(100), "1ME", "mine")
    assert [f"{stamp:%m-%d}" for stamp in view.bars.index] == ["03-01", "04-01"]
    assert view.bars["close"].tolist() == make_bars(100)["close"].loc[["2001-02-28", "2001-03-31"]].tolist()


@pytest.mark.parametrize("interval", ["1min", "60min", "1h", "24h", "1D", "1W", "1ME"])
def test_an_interval_is_read(interval):
    assert interval_of(interval) == interval
    assert interval_of(f" {interval.removeprefix('1')} ".lstrip("0")) in {interval, f"1{interval.removeprefix('1')}"}


@pytest.mark.parametrize("interval", ["", "1M", "week", "0h", "-1h", "7h", "2D", "2W", "2ME", 5, "1.5h"])
def test_an_interval_that_is_none_is_told(interval):
    with pytest.raises(ConfigError, match="interval must be"):
        FeatureSpec.of("rsi", interval=interval)


def test_bars_that_are_too_long_for_an_interval_are_told_with_both():
    message = "rsi_14@1D is of the interval 1D, and there is a bar every 1D; choose a longer interval, or shorter bars"
    with pytest.raises(ConfigError, match=message):
        Pipeline([{"name": "rsi", "interval": "1D"}], "none").fit(make_bars(300))
    with pytest.raises(ConfigError, match="every 90min"):
        Pipeline([{"name": "rsi", "interval": "1h"}], "none").fit(make_bars(300, freq="90min"))


def test_too_short_a_history_tells_how_many_higher_bars_there_are():
    with pytest.raises(BarsError, match=r"rsi_14@1W takes 71 bars of 1W to warm up, and 41 are closed by 2001-10-27"):
        Pipeline([{"name": "rsi", "interval": "1W"}], "none").fit(make_bars(300))


def test_a_pipeline_knows_its_columns_without_bars_and_its_warm_up_with_them():
    pipeline = Pipeline([{"name": "macd", "interval": "1W"}, "log_return"], RollingScaling(window_bars=8))
    assert pipeline.names == ("macd_12_26_9@1W.line", "macd_12_26_9@1W.histogram", "log_return_1")
    assert pipeline.warmup_bars == 1 + 7
    bars = load_bars("sample:AAPL")
    warmup = pipeline.warmup_on(bars)
    fitted = pipeline.fit(bars)
    table = fitted.transform(bars)
    assert warmup == fitted.warmup_on(bars) == len(bars) - len(table)
    # The slow mean remembers 68 weeks, the signal 25: 92 complete weeks after the first, then a window of 8 rows.
    weeks = bars.index.tz_convert(None).to_period("W").unique()
    assert table.index[0].tz_convert(None).to_period("W") in weeks[92:96]
    assert fitted.matrix(bars).tobytes() == table.to_numpy(np.float32).tobytes()
    stored = FittedPipeline.from_mapping(fitted.to_mapping())
    assert stored == fitted
    assert same_bits(stored.transform(bars), table)
    later = fitted.transform(bars.iloc[333:])
    assert same_bits(later, table.loc[later.index[0] :])


def test_what_has_no_interval_is_written_as_before():
    assert FeatureSpec.of("rsi").to_mapping() == {"name": "rsi", "window": 14}
    spec = FeatureSpec.of("rsi", interval="W", market="IBM")
    assert spec.to_mapping() == {"name": "rsi", "interval": "1W", "market": "IBM", "window": 14}
    assert FeatureSpec.from_mapping(spec.to_mapping()) == spec
    assert spec.label == "IBM:rsi_14@1W"


def test_one_bar_makes_no_higher_one():
    assert len(resampled(plain_bars(make_bars(1)), "1W", "mine").bars) == 0
