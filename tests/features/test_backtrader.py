"""Any indicator of backtrader as a feature."""

from __future__ import annotations

import subprocess
import sys

import backtrader as bt
import numpy as np
import pytest

from dltrader.errors import ConfigError, FeatureError, LookAheadError
from dltrader.features import FeatureSpec, Pipeline
from dltrader.features.compute import columns_of, compute

from .samples import closes, corrupted_after, make_bars, same_bits

BARS = make_bars(200, seed=4)
CAUSAL = [
    "AccelerationDecelerationOscillator",
    "ADX",
    "ADXR",
    "AroonUpDown",
    "AroonOscillator",
    "ATR",
    "AwesomeOscillator",
    "BollingerBands",
    "BollingerBandsPct",
    "CCI",
    "DEMA",
    "DirectionalMovement",
    "DPO",
    "DV2",
    "EMA",
    "Envelope",
    "ExponentialSmoothing",
    "HMA",
    "HeikinAshi",
    "Highest",
    "Hurst",
    "KAMA",
    "KnowSureThing",
    "LaguerreRSI",
    "LaguerreFilter",
    "Lowest",
    "MACD",
    "MACDHisto",
    "MeanDev",
    "Momentum",
    "MomentumOscillator",
    "ParabolicSAR",
    "PercentRank",
    "PPO",
    "PrettyGoodOscillator",
    "ROC",
    "ROC100",
    "RSI",
    "RSI_EMA",
    "RMI",
    "SMA",
    "SMMA",
    "StandardDeviation",
    "Stochastic",
    "StochasticFull",
    "SumN",
    "TEMA",
    "Trix",
    "TrueStrengthIndicator",
    "UltimateOscillator",
    "UpMove",
    "Vortex",
    "WilliamsAD",
    "WilliamsR",
    "WMA",
    "ZLEMA",
]


def spec_of(indicator, **parameters):
    return FeatureSpec.of("bt", indicator=indicator, **parameters)


@pytest.mark.parametrize("indicator", CAUSAL)
def test_rows_are_unchanged_to_the_bit_by_later_bars(indicator):
    spec = spec_of(indicator)
    bars = make_bars(320, seed=4)  # DV2 looks back over 252 bars
    whole = compute(spec, bars)
    first = columns_of(spec).warmup_bars
    assert np.isfinite(whole.to_numpy()[first:]).all()
    for row in (290, 311):
        for seen in (compute(spec, corrupted_after(bars, row, seed=row)), compute(spec, bars.iloc[: row + 1])):
            assert same_bits(seen.iloc[: row + 1], whole.iloc[: row + 1])


def test_simple_mean_is_that_of_pandas():
    table = compute(spec_of("SMA", period=5), BARS)
    assert list(table.columns) == ["bt_SMA_5.sma"]
    np.testing.assert_allclose(table["bt_SMA_5.sma"], BARS["close"].rolling(5).mean(), rtol=1e-12)
    assert columns_of(spec_of("SMA", period=5)).warmup_bars == 4


def test_lines_are_columns_and_one_can_be_chosen():
    assert columns_of(spec_of("MACD")).names == ("bt_MACD.macd", "bt_MACD.signal")
    one = spec_of("MACD", output="signal", period_me1=5)
    assert columns_of(one).names == ("bt_MACD_5.signal",)
    assert FeatureSpec.from_mapping(one.to_mapping()) == one


def test_mean_of_an_indicator_is_chosen_by_name():
    simple, default = (compute(spec, BARS) for spec in (spec_of("Stochastic", movav="EMA"), spec_of("Stochastic")))
    assert list(simple.columns) == ["bt_Stochastic_EMA.percK", "bt_Stochastic_EMA.percD"]
    assert abs(simple.to_numpy()[50:] - default.to_numpy()[50:]).max() > 0.1


def test_highest_of_five_closes_by_hand():
    table = compute(spec_of("Highest", period=3), closes(1, 5, 2, 3, 4))
    np.testing.assert_array_equal(table.iloc[:, 0], [np.nan, np.nan, 5, 5, 4])


def test_chikou_span_is_refused_as_it_is_drawn_into_the_past():
    with pytest.raises(LookAheadError, match=r"bt_Ichimoku.chikou_span looks ahead: at 2001-0"):
        Pipeline([spec_of("Ichimoku")], "none").fit(BARS)


def test_other_lines_of_ichimoku_are_causal():
    spec = spec_of("Ichimoku", output="senkou_span_b")
    table = Pipeline([spec], "none").fit(BARS).transform(BARS)
    assert len(table) == len(BARS) - 52 - 26 + 1


@pytest.mark.parametrize("indicator", ["CrossOver", "OLS_Slope_InterceptN"])
def test_indicator_of_several_series_is_refused(indicator):
    with pytest.raises(FeatureError, match=f"backtrader's {indicator} failed on 32768 bars"):
        columns_of(spec_of(indicator))


def test_division_by_0_within_backtrader_is_told():
    with pytest.raises(FeatureError, match="failed on 40 bars with ZeroDivisionError"):
        Pipeline([spec_of("CCI")], "none").fit(closes(*[7] * 40))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, "bt: indicator is missing; name a class such as RSI"),
        ({"indicator": "MACDHiso"}, "bt: unknown indicator 'MACDHiso'; did you mean 'MACDHisto'?"),
        ({"indicator": "RSI", "perod": 3}, "unknown key 'perod'; did you mean 'period'?"),
        ({"indicator": "RSI", "period": 0}, "RSI: period must be greater than or equal to 1, was 0"),
        ({"indicator": "RSI", "period": "x"}, "RSI: period must be an integer"),
        ({"indicator": "RSI", "movav": "EMAA"}, "RSI: unknown indicator 'EMAA' for movav; did you mean 'EMA'?"),
        ({"indicator": "MACD", "output": "signl"}, "MACD: unknown output 'signl'; did you mean 'signal'?"),
    ],
)
def test_faulty_entry_is_told(parameters, message):
    with pytest.raises(ConfigError) as caught:
        FeatureSpec.of("bt", **parameters)
    assert str(caught.value).startswith(message)


def test_names_are_those_of_backtrader():
    assert issubclass(bt.indicators.RSI, bt.Indicator)
    for indicator in CAUSAL:
        assert hasattr(bt.indicators, indicator)


def test_running_an_indicator_loads_no_plotting():
    code = (
        "import sys; from dltrader.features import FeatureSpec; from dltrader.features.compute import columns_of; "
        "columns_of(FeatureSpec.of('bt', indicator='RSI')); print({'backtrader.plot', 'matplotlib'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"
