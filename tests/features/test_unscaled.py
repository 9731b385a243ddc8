"""Features that are passed on as they were computed, beside those that are scaled."""

import numpy as np
import pytest

from dltrader.envs.contract import EnvConfig
from dltrader.envs.market import Market
from dltrader.errors import ConfigError, FeatureError
from dltrader.features import FeatureSpec, FittedPipeline, Pipeline
from market_bars import random_walk

SCALED = ["log_return", {"name": "rsi", "window": 5}, {"name": "bollinger", "window": 10}]
VOLATILITY = FeatureSpec.of("volatility", window=30, scaled=False)
SCALINGS = [{"name": "rolling", "window_bars": 12}, {"name": "train"}, {"name": "none"}]


def env(scaling, *more):
    return EnvConfig.from_mapping({"features": [*SCALED, *more], "scaling": scaling, "window_bars": 4})


def test_the_default_is_written_nowhere_and_its_contrary_is():
    assert FeatureSpec.of("rsi").to_mapping() == {"name": "rsi", "window": 14}
    assert FeatureSpec.of("rsi", scaled=True) == FeatureSpec.of("rsi")
    assert VOLATILITY.to_mapping() == {"name": "volatility", "window": 30, "scaled": False}
    assert FeatureSpec.parse(VOLATILITY.to_mapping()) == VOLATILITY
    assert VOLATILITY.label == "volatility_30_unscaled"
    with pytest.raises(ConfigError, match="scaled must be a boolean"):
        FeatureSpec.of("rsi", scaled="perhaps")


@pytest.mark.parametrize("scaling", SCALINGS, ids=lambda scaling: scaling["name"])
def test_an_unscaled_column_is_the_feature_itself(scaling):
    bars, config = random_walk(200, 1), env(scaling, VOLATILITY)
    table = Pipeline(config.features, config.scaling).fit(bars).transform(bars)
    log_returns = np.log(bars["close"]).diff()
    expected = log_returns.rolling(30).std(ddof=0).loc[table.index]
    np.testing.assert_allclose(table["volatility_30_unscaled"], expected, rtol=1e-9)


@pytest.mark.parametrize("scaling", SCALINGS, ids=lambda scaling: scaling["name"])
@pytest.mark.parametrize("window", [5, 30])
def test_the_other_columns_are_equal_to_the_bit_with_and_without_it(scaling, window):
    bars = random_walk(300, 2)
    alone, beside = env(scaling), env(scaling, {"name": "volatility", "window": window, "scaled": False})
    without = Pipeline(alone.features, alone.scaling).fit(bars[:150])
    fitted = Pipeline(beside.features, beside.scaling).fit(bars[:150])
    markets = [Market.build(bars, config, pipeline=each) for config, each in ((alone, without), (beside, fitted))]
    n_columns = len(without.names)
    assert fitted.names[:n_columns] == without.names
    first = markets[1].first - 3
    assert np.array_equal(markets[0].features[first:], markets[1].features[first:, :n_columns])
    if fitted.moments is not None:
        assert fitted.moments.mean[:n_columns] == without.moments.mean
        assert fitted.moments.deviation[:n_columns] == without.moments.deviation


@pytest.mark.parametrize("scaling", SCALINGS, ids=lambda scaling: scaling["name"])
def test_a_fitted_pipeline_takes_one_more_without_bars(scaling):
    bars, config = random_walk(200, 3), env(scaling)
    alone = Pipeline(config.features, config.scaling).fit(bars)
    wider = alone.beside(VOLATILITY)
    assert wider == Pipeline([*config.features, VOLATILITY], config.scaling).fit(bars)
    assert wider.beside(VOLATILITY) is wider
    assert FittedPipeline.from_mapping(wider.to_mapping()) == wider
    with pytest.raises(
        ConfigError, match=r"atr_14 is scaled, and bars would be needed to fit it; set its scaled: false"
    ):
        alone.beside(FeatureSpec.of("atr"))


def test_it_needs_no_warm_up_of_the_scaling():
    scaled = Pipeline(SCALED)
    short = Pipeline([*SCALED, FeatureSpec.of("volatility", window=20, scaled=False)])
    long = Pipeline([*SCALED, FeatureSpec.of("volatility", window=300, scaled=False)])
    assert short.warmup_bars == scaled.warmup_bars == 152  # 25 of rsi_5, 127 of the scaling
    assert long.warmup_bars == 300
    bars = random_walk(400, 4)
    assert len(short.fit(bars).transform(bars)) == 400 - short.warmup_bars
    assert len(long.fit(bars).transform(bars)) == 100


def test_a_column_may_come_scaled_and_as_it_is():
    bars = random_walk(200, 5)
    both = Pipeline([FeatureSpec.of("volatility"), FeatureSpec.of("volatility", scaled=False)], "train").fit(bars)
    table = both.transform(bars)
    assert both.names == ("volatility_20", "volatility_20_unscaled")
    scaled = (table["volatility_20_unscaled"] - both.moments.mean[0]) / both.moments.deviation[0]
    np.testing.assert_allclose(table["volatility_20"], scaled.clip(-5, 5), rtol=1e-9, atol=1e-12)


def test_what_exceeds_the_observations_says_what_to_leave_out():
    bars = random_walk(200, 6)
    told = r"the feature cci_20_unscaled reaches .* unscaled, and observations end at 0.5; leave out its scaled: false"
    with pytest.raises(FeatureError, match=told):
        Market.build(bars, env({"name": "train", "clip": 0.5}, {"name": "cci", "scaled": False}))
