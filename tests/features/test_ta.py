"""Any indicator of the package ta as a feature."""

from __future__ import annotations

import numpy as np
import pytest
import ta

from dltrader.errors import ConfigError, FeatureError
from dltrader.features import FEATURES, FeatureSpec, Pipeline
from dltrader.features.compute import columns_of, compute
from dltrader.features.ta import _indicators

from .samples import corrupted_after, make_bars, same_bits

BARS = make_bars(200, seed=4)
REQUIRED = {"SMAIndicator": {"window": 9}}
REFUSED = {"KSTIndicator"}
ALLOWED = sorted(set(_indicators()) - REFUSED)


def spec_of(indicator, **parameters):
    return FeatureSpec.of("ta", indicator=indicator, **REQUIRED.get(indicator, {}), **parameters)


def test_all_indicator_classes_of_ta_are_known():
    assert len(_indicators()) == 43
    assert {"RSIIndicator", "MACD", "PSARIndicator", "DonchianChannel"} <= set(ALLOWED)


@pytest.mark.parametrize("indicator", ALLOWED)
def test_settled_rows_are_unchanged_to_the_bit_by_later_bars(indicator):
    spec = spec_of(indicator)
    columns = columns_of(spec)
    whole = compute(spec, BARS)
    first = columns.warmup_bars
    for row in (first + 30, 120, 121, 170):
        for seen in (compute(spec, corrupted_after(BARS, row, seed=row)), compute(spec, BARS.iloc[: row + 1])):
            assert same_bits(seen.iloc[first : row + 1], whole.iloc[first : row + 1])


@pytest.mark.parametrize("indicator", ALLOWED)
def test_only_the_warm_up_is_nan(indicator):
    spec = spec_of(indicator)
    table = compute(spec, BARS)
    first = columns_of(spec).warmup_bars
    assert np.isfinite(table.to_numpy()[first:]).all()
    assert first == 0 or table.iloc[first - 1].isna().any()


@pytest.mark.parametrize(
    ("indicator", "parameters", "warmup"),
    [
        ("AverageTrueRange", {"window": 10}, 9),
        ("ADXIndicator", {"window": 10}, 19),
        ("DPOIndicator", {"window": 20}, 19),
        ("IchimokuIndicator", {"window1": 3, "window2": 6, "window3": 12}, 11),
        ("IchimokuIndicator", {"window1": 3, "window2": 6, "window3": 12, "visual": True}, 17),
        ("KeltnerChannel", {"window": 5, "window_atr": 8, "original_version": False}, 7),
        ("UlcerIndex", {"window": 6}, 10),
        ("VortexIndicator", {"window": 6}, 6),
        ("TRIXIndicator", {"window": 4}, 10),
        ("BollingerBands", {"window": 7, "window_dev": 2.5}, 6),
        ("KAMAIndicator", {"window": 8}, 8),
    ],
)
def test_rows_that_ta_fills_are_warm_up(indicator, parameters, warmup):
    assert columns_of(spec_of(indicator, **parameters)).warmup_bars == warmup


@pytest.mark.parametrize("visual", [False, True])
def test_ichimoku_drawn_ahead_is_the_past_and_unchanged_by_later_bars(visual):
    spec = spec_of("IchimokuIndicator", visual=visual)
    Pipeline([spec], "none").fit(BARS)
    seen, whole = compute(spec, corrupted_after(BARS, 120)), compute(spec, BARS)
    assert same_bits(seen.iloc[:121], whole.iloc[:121])


def test_values_are_those_of_ta():
    plain = BARS.reset_index(drop=True)
    theirs = ta.trend.AroonIndicator(plain["high"], plain["low"], window=12)
    table = compute(spec_of("AroonIndicator", window=12), BARS)
    parts = ["aroon_up", "aroon_down", "aroon_indicator"]
    assert list(table.columns) == [f"ta_AroonIndicator_12.{part}" for part in parts]
    for part in parts:
        assert same_bits(table[f"ta_AroonIndicator_12.{part}"], getattr(theirs, part)())


def test_one_output_is_one_column():
    spec = spec_of("AroonIndicator", window=12, output="aroon_up")
    assert columns_of(spec).names == ("ta_AroonIndicator_12.aroon_up",)
    assert spec.to_mapping() == {"name": "ta", "indicator": "AroonIndicator", "output": "aroon_up", "window": 12}


def test_empty_halves_of_psar_are_left_out():
    names = columns_of(spec_of("PSARIndicator")).names
    assert [name.rpartition(".")[2] for name in names] == ["psar", "psar_up_indicator", "psar_down_indicator"]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, "ta: indicator is missing; name a class such as RSIIndicator"),
        ({"indicator": "RSIIndicater"}, "ta: unknown indicator 'RSIIndicater'; did you mean 'RSIIndicator'?"),
        ({"indicator": "RSIIndicator", "windw": 3}, "unknown key 'windw'; did you mean 'window'?"),
        ({"indicator": "RSIIndicator", "window": 0}, "RSIIndicator: window must be greater than or equal to 1, was 0"),
        ({"indicator": "DonchianChannel", "offset": -2}, "DonchianChannel: offset must be greater than or equal to 0"),
        ({"indicator": "SMAIndicator"}, "SMAIndicator: window is missing"),
        ({"indicator": "RSIIndicator", "output": "rsj"}, "RSIIndicator: unknown output 'rsj'; did you mean 'rsi'?"),
        ({"indicator": "RSIIndicator", "fillna": True}, "ta's fillna fills the warm-up, in places from later bars"),
        ({"indicator": "VolumePriceTrendIndicator", "dropnans": True}, "ta's dropnans drops rows"),
        ({"indicator": "KSTIndicator"}, "ta's KSTIndicator puts the mean of all closes before the first bar"),
        ({"indicator": "PSARIndicator", "output": "psar_up"}, "ta's PSARIndicator.psar_up is empty in every downtrend"),
    ],
)
def test_faulty_entry_is_told(parameters, message):
    with pytest.raises(ConfigError) as caught:
        FeatureSpec.of("ta", **parameters)
    assert str(caught.value).startswith(message)


def test_refused_indicator_is_a_feature_error_when_called_directly():
    with pytest.raises(FeatureError, match="look-ahead"):
        FEATURES["ta"](BARS, indicator="KSTIndicator")


def test_know_sure_thing_of_ta_looks_ahead_even_after_its_warm_up():
    def signal(bars):
        return ta.trend.KSTIndicator(bars["close"].reset_index(drop=True)).kst_sig()[52:151]

    changed = [not same_bits(signal(BARS), signal(corrupted_after(BARS, 150, seed))) for seed in range(5)]
    assert any(changed)


def test_failure_within_ta_is_told():
    with pytest.raises(FeatureError, match="ta's ADXIndicator failed on 5 bars with ValueError"):
        compute(spec_of("ADXIndicator"), BARS.iloc[:5])
