"""The numbers of the indicators, by hand and against the package ta."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import ta

from dltrader.features import FeatureSpec
from dltrader.features.compute import compute

from .samples import closes, frame, make_bars

BARS = make_bars(600, seed=11)
PLAIN = BARS.reset_index(drop=True)


def column(bars, name, **parameters):
    table = compute(FeatureSpec.of(name, **parameters), bars)
    assert table.shape[1] == 1
    return table.iloc[:, 0].to_numpy()


def test_log_return_over_two_bars():
    values = column(closes(100, 110, 121), "log_return", horizon=2)
    assert np.isnan(values[:2]).all()
    assert values[2] == pytest.approx(math.log(1.21))


def test_gap_range_and_body_of_one_bar():
    bars = frame([10, 12], [11, 15], [9, 10], [10, 14], [1, 1])
    assert column(bars, "gap")[1] == pytest.approx(math.log(12 / 10))
    assert column(bars, "range")[1] == pytest.approx(math.log(15 / 10))
    assert column(bars, "body")[1] == pytest.approx(math.log(14 / 12))


@pytest.mark.parametrize(("prices", "expected"), [(range(1, 21), 100), (range(20, 0, -1), 0), ([7] * 20, 50)])
def test_rsi_of_a_rise_a_fall_and_no_movement(prices, expected):
    assert column(closes(*prices), "rsi", window=3)[-1] == expected


def test_rsi_is_the_weighted_share_of_gains():
    bars = closes(*np.random.default_rng(0).uniform(50, 60, 11))
    move = np.diff(bars["close"])[::-1]  # 10 moves, the newest first: a memory of 5 windows
    weights = 0.5 ** np.arange(10)
    gain, loss = weights @ np.maximum(move, 0), weights @ np.maximum(-move, 0)
    assert column(bars, "rsi", window=2)[-1] == pytest.approx(100 * gain / (gain + loss), rel=1e-12)


def test_rsi_is_close_to_the_recursion_of_ta():
    theirs = ta.momentum.RSIIndicator(PLAIN["close"], 14).rsi()
    np.testing.assert_allclose(column(BARS, "rsi")[200:], theirs[200:], atol=1.0)


def test_atr_is_close_to_the_recursion_of_ta():
    theirs = ta.volatility.AverageTrueRange(PLAIN["high"], PLAIN["low"], PLAIN["close"], 14).average_true_range()
    np.testing.assert_allclose(column(BARS, "atr")[200:], (theirs / PLAIN["close"])[200:], rtol=0.01)


def test_adx_is_close_to_the_recursion_of_ta():
    theirs = ta.trend.ADXIndicator(PLAIN["high"], PLAIN["low"], PLAIN["close"], 14).adx()
    np.testing.assert_allclose(column(BARS, "adx")[200:], theirs[200:], atol=1.0)


def test_macd_is_close_to_the_percentage_price_oscillator_of_ta():
    ours = compute(FeatureSpec.of("macd"), BARS)
    theirs = ta.momentum.PercentagePriceOscillator(PLAIN["close"])
    np.testing.assert_allclose(100 * ours["macd_12_26_9.line"].iloc[200:], theirs.ppo()[200:], atol=0.15)
    np.testing.assert_allclose(100 * ours["macd_12_26_9.histogram"].iloc[200:], theirs.ppo_hist()[200:], atol=0.1)


def test_stochastic_bollinger_and_cci_equal_those_of_ta():
    high, low, close = (PLAIN[name] for name in ("high", "low", "close"))
    slow = ta.momentum.StochasticOscillator(high, low, close, 14, 3).stoch_signal()
    band = 2 * ta.volatility.BollingerBands(close, 20, 2).bollinger_pband() - 1
    channel = ta.trend.CCIIndicator(high, low, close, 20).cci()
    np.testing.assert_allclose(column(BARS, "stochastic"), slow, atol=1e-9)
    np.testing.assert_allclose(column(BARS, "bollinger"), band, atol=1e-9)
    np.testing.assert_allclose(column(BARS, "cci"), channel, atol=1e-7)


def test_flat_prices_are_neutral():
    bars = closes(*[0.1] * 60)
    neutral = {"rsi": 50, "stochastic": 50, "cci": 0, "bollinger": 0, "adx": 0, "di": 0, "atr": 0, "obv_slope": 0}
    neutral |= {"ema_distance": 0, "log_return": 0, "gap": 0, "range": 0, "volatility": 0, "volume_change": 0}
    small = {"rsi": 3, "adx": 3, "di": 3, "atr": 3}
    for name, value in neutral.items():
        parameters = {"window": small[name]} if name in small else {}
        assert column(bars, name, **parameters)[-1] == value, name


def test_directional_difference_is_100_in_a_rise_without_overlap():
    price = np.arange(1.0, 30.0)
    bars = frame(price, price, price, price, np.ones(29))
    assert column(bars, "di", window=3)[-1] == pytest.approx(100)
    assert column(bars, "adx", window=2)[-1] == pytest.approx(100)


def test_obv_slope_is_that_of_a_fitted_line_in_mean_volumes():
    values = column(BARS, "obv_slope", window=20)
    sums = ta.volume.OnBalanceVolumeIndicator(PLAIN["close"], PLAIN["volume"]).on_balance_volume()
    for row in (100, 345, 599):
        slope = np.polyfit(np.arange(20), sums[row - 19 : row + 1], 1)[0]
        assert values[row] == pytest.approx(slope / PLAIN["volume"][row - 18 : row + 1].mean(), rel=1e-9)


def test_obv_slope_is_1_when_every_bar_closes_higher_on_equal_volume():
    assert column(closes(*range(1, 30)), "obv_slope")[-1] == pytest.approx(1.0, rel=1e-12)


def test_volume_change_is_0_next_to_a_bar_without_volume():
    bars = frame(*[[5.0] * 4] * 4, [100, 0, 50, 200])
    np.testing.assert_allclose(column(bars, "volume_change")[1:], [0, 0, math.log(4)])


def test_volatility_is_the_deviation_of_log_returns():
    returns = np.diff(np.log(BARS["close"]))
    assert column(BARS, "volatility", window=20)[-1] == pytest.approx(returns[-20:].std(), rel=1e-9)


def test_ema_distance_weighs_by_the_span():
    price = [10.0, 11, 9, 12, 10, 13, 14, 11]
    weights = 0.5 ** np.arange(10)
    bars = closes(9, 9.5, *price)
    expected = math.log(11 / (weights @ bars["close"].to_numpy()[::-1] / weights.sum()))
    assert column(bars, "ema_distance", window=3)[-1] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("time", "feature", "angle"),
    [
        ("2024-05-01 06:00", "time_of_day", math.pi / 2),
        ("2024-05-01 18:00", "time_of_day", 1.5 * math.pi),
        ("2024-01-01 00:00", "time_of_week", 0),  # a Monday
        ("2024-01-04 12:00", "time_of_week", math.pi),
        ("2023-07-02 12:00", "time_of_year", math.pi),
        ("2024-07-02 00:00", "time_of_year", math.pi),  # a leap year
    ],
)
def test_calendar_is_a_point_on_the_circle_of_its_period(time, feature, angle):
    bars = closes(1.0)
    bars.index = pd.DatetimeIndex([time], tz="UTC", name="time")
    sine, cosine = compute(FeatureSpec.of(feature), bars).iloc[0]
    assert sine == pytest.approx(math.sin(angle), abs=1e-12)
    assert cosine == pytest.approx(math.cos(angle), abs=1e-12)
