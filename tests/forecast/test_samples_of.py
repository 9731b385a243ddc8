from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dltrader.envs.contract import EnvConfig
from dltrader.envs.market import Market
from dltrader.errors import BarsError, ConfigError
from dltrader.forecast.labels import LabelsConfig, label_table
from dltrader.forecast.samples import Samples
from dltrader.forecast.samples_of import samples_of
from market_bars import random_walk

ENV = EnvConfig.from_mapping({"window_bars": 8, "features": ["log_return", "rsi"], "scaling": "none"})
BARS = random_walk(300, 4)
MARKET = Market.build(BARS, ENV)
LABELS = LabelsConfig(horizon_bars=5)


def made(market=MARKET, labels=LABELS, horizons=(5, 30), window_bars=8):
    return samples_of(market, labels, ENV.costs, horizons=horizons, window_bars=window_bars)


def test_samples_begin_with_the_first_decision_and_end_where_the_longest_label_does():
    samples = made()
    assert samples.rows.tolist() == list(range(MARKET.first, 300 - 30))
    assert samples.times.equals(BARS.index[samples.rows])
    assert samples.ends.equals(BARS.index[samples.rows + 30])
    assert samples.names == MARKET.feature_names
    assert samples.features is MARKET.features


def test_samples_carry_the_labels_of_their_bars():
    samples = made()
    table = label_table(BARS, LABELS, ENV.costs, (5, 30)).loc[samples.times]
    np.testing.assert_array_equal(samples.side, table["side"])
    np.testing.assert_array_equal(samples.movement, table["movement"])
    np.testing.assert_array_equal(samples.risk, table["risk"])
    np.testing.assert_array_equal(samples.wins[30], table["win_30"])
    assert samples.side.dtype == samples.wins[5].dtype == np.int64


def test_a_window_ends_with_the_features_of_its_bar_and_knows_no_later_one():
    samples = made(window_bars=4)
    windows = samples.windows(4)
    assert windows.shape == (len(samples), 4, 2)
    np.testing.assert_array_equal(windows[10], MARKET.features[samples.rows[10] - 3 : samples.rows[10] + 1])
    shorter = Market.build(BARS.loc[: samples.times[10]], ENV, pipeline=MARKET.pipeline)
    np.testing.assert_array_equal(windows[10], shorter.features[-4:])


def test_a_window_that_is_longer_than_that_of_the_environment_begins_behind_the_warm_up():
    longer = made(window_bars=20)
    assert longer.rows[0] == MARKET.first + 12
    assert longer.rows[0] - 19 == MARKET.pipeline.warmup_bars


def test_barriers_take_bars_for_their_volatility_from_before_the_first_sample():
    barriers = LabelsConfig.from_mapping({"rule": {"name": "triple_barrier", "volatility_bars": 100}})
    assert made(labels=barriers).rows[0] == 100
    assert len(np.unique(made(labels=barriers).side)) == 3


def test_a_market_that_opens_later_has_samples_from_there_on():
    market = Market.build(BARS, ENV, start=BARS.index[100])
    assert made(market).rows.tolist() == list(range(100, 270))


def test_samples_of_several_markets_keep_their_windows_and_where_their_labels_end():
    other = Market.build(random_walk(200, 5), ENV, pipeline=MARKET.pipeline)
    joined = Samples.joined([made(), made(other)])
    assert len(joined) == len(made()) + len(made(other))
    np.testing.assert_array_equal(joined.windows(8, slice(len(made()), None)), made(other).windows(8))
    assert joined.ends.equals(made().ends.append(made(other).ends))
    assert str(joined.times.tz) == "UTC"
    some = joined.take(np.array([0, len(made())]))
    assert some.ends.tolist() == [made().ends[0], made(other).ends[0]]


def test_bars_that_end_before_the_first_label_does_are_too_few():
    few = Market.build(BARS.iloc[:100], ENV, pipeline=MARKET.pipeline)
    expected = r"100 bars of \w+ are too few to learn from: .* labels reach 30 bars ahead"
    with pytest.raises(BarsError, match=expected):
        made(few)
    assert len(made(few, horizons=(1,))) == 100 - 5 - few.first


def test_a_portfolio_has_no_samples():
    market = Market.build({"A": BARS, "B": random_walk(300, 5)}, ENV)
    with pytest.raises(ConfigError, match=r"of one instrument, and the market has A, B; set data\.trade to apart"):
        made(market)


def test_labels_use_the_bars_costs_and_not_those_of_another_environment():
    dear = ENV.with_overrides({"costs.commission": 0.05})
    samples = samples_of(MARKET, LABELS, dear.costs, window_bars=8)
    assert np.mean(samples.side == 2) > 0.9 > np.mean(made().side == 2)
    assert samples.wins == {}
    assert isinstance(samples.ends, pd.DatetimeIndex)
