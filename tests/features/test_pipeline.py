"""The pipeline as a whole: what it knows before bars, learns from them and makes of others."""

from __future__ import annotations

import json
import tracemalloc

import numpy as np
import pandas as pd
import pytest

from dltrader.data import load_bars
from dltrader.errors import BarsError, ConfigError, FeatureError, UnknownNameError
from dltrader.features import (
    DEFAULT_FEATURES,
    SCALINGS,
    FeatureSpec,
    FittedPipeline,
    NoScaling,
    Pipeline,
    RollingScaling,
    TrainScaling,
)
from dltrader.features.compute import compute, plain_bars

from .samples import DEFAULTS, VARIANTS, closes, make_bars, registered, same_bits

MIXED = ["log_return", {"name": "rsi", "window": 3}, FeatureSpec.of("macd", fast=2, slow=4, signal=3)]


def test_columns_and_warm_up_are_known_without_bars():
    pipeline = Pipeline(MIXED, RollingScaling(window_bars=10))
    assert pipeline.names == ("log_return_1", "rsi_3", "macd_2_4_3.line", "macd_2_4_3.histogram")
    # A memory of ceil(2.5 * 5) bars for the slow mean, then one of 2.5 * 4 for the signal, then a full scaling window.
    assert pipeline.warmup_bars == 12 + 9 + 9
    assert Pipeline(["log_return"], "none").warmup_bars == 1
    assert Pipeline(["range"], "none").warmup_bars == 0


def test_transform_begins_with_the_first_settled_row():
    bars = make_bars(60)
    table = Pipeline(MIXED, RollingScaling(window_bars=10)).fit(bars).transform(bars)
    assert table.shape == (30, 4)
    assert table.index.equals(bars.index[30:])
    assert table.index.name == "time"
    assert (table.dtypes == np.float64).all()


def all_at_once(fitted, bars):
    """What `transform` gives, by way of one table of all features."""
    table = pd.concat([compute(spec, plain_bars(bars)) for spec in fitted.features], axis=1)
    settled = table.iloc[fitted.warmup_bars - fitted.scaling.warmup_bars :]
    values = fitted.scaling.apply(settled.to_numpy(), fitted.moments)
    return pd.DataFrame(values, bars.index[fitted.warmup_bars :], list(fitted.names))


@pytest.mark.parametrize("scaling", list(SCALINGS))
@pytest.mark.parametrize("features", [[*DEFAULTS, *VARIANTS[1:]], DEFAULT_FEATURES, ["gap"]])
def test_matrix_is_transform_in_single_precision_to_the_bit(features, scaling):
    train, bars = make_bars(400, seed=1), make_bars(500, seed=2)
    fitted = Pipeline(features, scaling).fit(train)
    table, matrix = fitted.transform(bars), fitted.matrix(bars)
    pd.testing.assert_frame_equal(table, all_at_once(fitted, bars), check_exact=True, check_freq=False)
    assert table.to_numpy().tobytes() == all_at_once(fitted, bars).to_numpy().tobytes()
    assert matrix.dtype == np.float32
    assert matrix.flags.c_contiguous
    assert matrix.tobytes() == table.to_numpy(np.float32).tobytes()


def test_matrix_fills_a_part_of_a_larger_one():
    bars = make_bars(60)
    fitted = Pipeline(MIXED, RollingScaling(window_bars=10)).fit(bars)
    whole = np.full((60, 9), -7, np.float32)
    part = whole[30:, 3:7]
    assert fitted.matrix(bars, out=part) is part
    np.testing.assert_array_equal(whole[30:, 3:7], fitted.matrix(bars))
    whole[30:, 3:7] = -7
    assert (whole == -7).all()


@pytest.mark.parametrize("shape", [(29, 4), (31, 4), (30, 3), (30, 5), (1, 4)])
def test_matrix_of_another_shape_is_not_filled(shape):
    bars = make_bars(60)
    fitted = Pipeline(MIXED, RollingScaling(window_bars=10)).fit(bars)
    with pytest.raises(FeatureError, match=r"60 bars give a matrix of shape \(30, 4\), found \(.*\); pass out"):
        fitted.matrix(bars, out=np.zeros(shape, np.float32))


def traced_peak(function):
    """The largest number of bytes that NumPy and Python held at once during a call, beyond those held before."""
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("scaling", [RollingScaling(window_bars=8), TrainScaling(), NoScaling()])
def test_memory_is_one_matrix_and_a_few_columns_whatever_the_number_of_features(scaling):
    bars = make_bars(50_000, freq="min")
    kinds = [("log_return", "horizon"), ("volatility", "window"), ("stochastic", "window"), ("bollinger", "window")]
    specs = [FeatureSpec.of(name, **{key: bars}) for name, key in kinds for bars in range(2, 12)]
    pipeline = Pipeline(specs, scaling)
    fitted = pipeline.fit(bars.iloc[:100])
    column = 8 * len(bars)
    matrix = 4 * len(bars) * len(specs)
    assert matrix == 20 * column
    # 5 columns are the copy of the bars, and the rest what one feature and its scaling need at a time.
    assert traced_peak(lambda: fitted.matrix(bars)) < matrix + 18 * column
    assert traced_peak(lambda: pipeline.fit(bars)) < 18 * column


def test_unscaled_features_are_the_features_themselves():
    table = Pipeline(["log_return"], "none").fit(closes(1, 2, 4)).transform(closes(1, 2, 8))
    np.testing.assert_allclose(table["log_return_1"], [np.log(2), np.log(4)])


def test_train_scaling_is_fitted_on_the_bars_of_the_fit_only():
    train, test = make_bars(200, seed=1), make_bars(200, seed=2)
    fitted = Pipeline(["log_return"], "train").fit(train)
    returns = np.diff(np.log(train["close"]))
    assert fitted.moments.mean[0] == pytest.approx(returns.mean(), rel=1e-12)
    expected = (np.diff(np.log(test["close"])) - returns.mean()) / returns.std()
    np.testing.assert_allclose(fitted.transform(test)["log_return_1"], expected.clip(-5, 5), rtol=1e-9)


def test_train_scaling_pools_the_instruments():
    frames = {"A": make_bars(50, seed=1), "B": make_bars(80, seed=2)}
    fitted = Pipeline(["log_return"], "train").fit(frames)
    pooled = np.concatenate([np.diff(np.log(frame["close"])) for frame in frames.values()])
    assert fitted.moments.mean[0] == pytest.approx(pooled.mean(), rel=1e-9)
    assert fitted.moments.deviation[0] == pytest.approx(pooled.std(), rel=1e-12)


def test_moments_are_those_of_the_pooled_table_to_the_bit():
    frames = {"A": make_bars(300, seed=1), "B": make_bars(380, seed=2)}
    unscaled = Pipeline(DEFAULT_FEATURES, "none").fit(frames)
    pooled = np.concatenate([table.to_numpy() for table in unscaled.transform(frames).values()])
    assert Pipeline(DEFAULT_FEATURES, "train").fit(frames).moments == TrainScaling().fit(pooled)


def test_instruments_are_transformed_each_by_itself():
    frames = {"A": make_bars(50, seed=1), "B": make_bars(80, seed=2)}
    fitted = Pipeline(["log_return"], RollingScaling(window_bars=5)).fit(frames)
    tables = fitted.transform(frames)
    assert list(tables) == ["A", "B"]
    for name, frame in frames.items():
        pd.testing.assert_frame_equal(tables[name], fitted.transform(frame))


@pytest.mark.parametrize(
    ("scaling", "clip"), [("none", None), ("train", 5.0), (RollingScaling(clip=2), 2.0), (TrainScaling(clip=3), 3.0)]
)
def test_clip_bounds_the_values(scaling, clip):
    bars = make_bars(300)
    fitted = Pipeline(["log_return", "range"], scaling).fit(bars)
    assert fitted.clip == clip
    assert clip is None or fitted.transform(bars).abs().to_numpy().max() <= clip


@pytest.mark.parametrize("scaling", ["rolling", "train", "none"])
def test_stored_pipeline_is_equal_and_transforms_to_the_same_bits(scaling):
    bars = make_bars(330)
    fitted = Pipeline(DEFAULT_FEATURES, scaling).fit(bars)
    stored = FittedPipeline.from_mapping(json.loads(json.dumps(fitted.to_mapping())))
    assert stored == fitted
    assert stored.names == fitted.names
    assert stored.moments == fitted.moments
    assert same_bits(stored.transform(bars), fitted.transform(bars))


def test_pipelines_fitted_on_other_bars_are_not_equal():
    one, other = (Pipeline(["log_return"], "train").fit(make_bars(90, seed=seed)) for seed in (1, 2))
    assert one != other


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"names": ["log_return_2"]}, "the pipeline was fitted with 1 columns and 1 bars of warm-up"),
        ({"warmup_bars": 9}, "fitted with 1 columns and 9 bars of warm-up, and its features now give 1 and 1"),
        ({"moments": None}, "moments are missing; scaling 'train' has to be fitted"),
        (
            {"moments": {"mean": [1.0, 2.0], "deviation": [1.0]}},
            "moments must have one mean and one deviation for each",
        ),
        ({"features": []}, "features"),
        ({"extra": 1}, "unknown key 'extra'"),
    ],
)
def test_stored_pipeline_that_does_not_fit_is_refused(change, message):
    stored = Pipeline(["log_return"], "train").fit(make_bars(50)).to_mapping()
    with pytest.raises(ConfigError, match=message):
        FittedPipeline.from_mapping(stored | change)


def test_too_few_bars_say_how_many_there_are_and_how_many_are_needed():
    pipeline = Pipeline(["log_return"], RollingScaling(window_bars=10))
    with pytest.raises(BarsError, match=r"^10 bars are too few: the features take 10 to warm up .* at least 11 are"):
        pipeline.fit(make_bars(10))
    fitted = pipeline.fit(make_bars(11))
    assert len(fitted.transform(make_bars(11))) == 1
    with pytest.raises(BarsError, match="10 bars are too few"):
        fitted.transform(make_bars(10))


def test_value_that_is_not_finite_is_told_with_feature_and_time():
    bars = make_bars(20)
    bars.iloc[7, 3] = -1.0
    with pytest.raises(FeatureError, match=r"log_return_1 is nan at 2001-01-08 00:00, after its warm-up"):
        Pipeline(["log_return"], "none").fit(bars)


def test_bars_without_a_column_or_in_local_time_are_refused():
    fitted = Pipeline(["log_return"], "none").fit(make_bars(20))
    with pytest.raises(BarsError, match="found open high low close; 'volume' is missing"):
        fitted.transform(make_bars(20).drop(columns="volume"))
    with pytest.raises(BarsError, match="indexed by times in UTC, found int64"):
        fitted.transform(make_bars(20).reset_index(drop=True))
    with pytest.raises(BarsError, match="indexed by times in UTC"):
        fitted.transform(make_bars(20).tz_convert("Europe/Berlin"))


def test_pipeline_needs_features_and_each_only_once():
    with pytest.raises(ConfigError, match="at least one feature"):
        Pipeline([])
    with pytest.raises(ConfigError, match="rsi_14 is listed twice"):
        Pipeline(["rsi", "gap", {"name": "rsi", "window": 14}])
    with pytest.raises(UnknownNameError, match="unknown scaling 'roling'; did you mean 'rolling'"):
        Pipeline(["rsi"], "roling")
    with pytest.raises(BarsError, match="no bars to fit on"):
        Pipeline(["gap"]).fit({})


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (lambda bars: bars["close"].to_numpy(), "strange gave a ndarray; a feature gives a Series or a DataFrame"),
        (lambda bars: bars["close"].dropna().iloc[1:], "strange gave 32767 rows for 32768 bars"),
        (lambda bars: bars["close"].astype(str) + "x", "strange gave something else than numbers"),
        (lambda bars: bars["close"] * np.nan, "strange has no value within 32768 bars"),
    ],
)
def test_function_that_gives_no_feature_is_told(result, message):
    with registered("strange", result), pytest.raises(FeatureError, match=message):
        Pipeline(["strange"])


def test_feature_whose_columns_depend_on_the_bars_is_told():
    def fickle(bars):
        parts = ["one", "two"] if len(bars) > 100 else ["one"]
        return pd.DataFrame(dict.fromkeys(parts, bars["close"]))

    with registered("fickle", fickle):
        fitted = Pipeline(["gap", "fickle"], "none").fit(make_bars(150))
        with pytest.raises(FeatureError, match=r"gave the columns fickle.one for these bars and fickle.one fickle.two"):
            fitted.matrix(make_bars(50))


def test_users_feature_cannot_change_the_bars_of_the_others():
    def greedy(bars):
        bars["close"] *= 0
        return bars["open"] / bars["high"]

    bars = make_bars(30)
    with registered("greedy", greedy):
        table = Pipeline(["greedy", "log_return"], "none").fit(bars).transform(bars)
    np.testing.assert_allclose(table["log_return_1"], np.diff(np.log(bars["close"])))


def test_default_features_of_real_bars_are_finite_and_centred():
    bars = load_bars("sample:AAPL")
    pipeline = Pipeline(DEFAULT_FEATURES)
    table = pipeline.fit(bars).transform(bars)
    assert len(table) == len(bars) - pipeline.warmup_bars
    assert np.isfinite(table.to_numpy()).all()
    assert table.mean().abs().max() < 0.25
    assert table.std().between(0.5, 1.5).all()


def test_warm_up_longer_than_the_first_probe_is_measured():
    assert Pipeline([{"name": "log_return", "horizon": 700}], "none").warmup_bars == 700
    assert Pipeline([{"name": "rsi", "window": 1000}], NoScaling()).warmup_bars == 5000
