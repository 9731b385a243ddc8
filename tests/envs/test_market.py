"""What a market is built from: bars that are traded, and others that are only seen."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from dltrader.benchmarks.parity import compare
from dltrader.data import load_bars
from dltrader.data.feed import BarsFeed
from dltrader.envs.broker import make_cerebro
from dltrader.envs.cerebro import TradingEnv
from dltrader.envs.contract import EnvConfig
from dltrader.envs.market import Market, context_of, instrument_of
from dltrader.envs.markets import Markets
from dltrader.envs.strategy import PolicyStrategy
from dltrader.envs.vector import TradingVectorEnv
from dltrader.errors import BarsError, ConfigError

CONFIG = EnvConfig.from_mapping(
    {
        "window_bars": 3,
        "scaling": "none",
        "features": [
            "log_return",
            {"name": "log_return", "market": "IBM"},
            {"name": "range", "interval": "1W"},
            {"name": "body", "market": "IBM", "interval": "1ME"},
        ],
        "context": {"IBM": "sample:IBM", "unused": "sample:NOWHERE"},
    }
)
UNNAMED = CONFIG.model_copy(update={"context": {}})
AAPL = load_bars("sample:AAPL", start="2005", end="2006")


def test_features_look_at_markets_that_the_configuration_names_or_that_are_handed_over():
    named = Market.build(AAPL, CONFIG)
    assert named.feature_names == ("log_return_1", "IBM:log_return_1", "range@1W", "IBM:body@1ME")
    handed = Market.build(AAPL, UNNAMED, context={"IBM": load_bars("sample:IBM")})
    np.testing.assert_array_equal(named.features, handed.features)
    assert list(named.context) == list(context_of(CONFIG)) == ["IBM"]
    ibm = load_bars("sample:IBM")["close"]
    returns = np.log(ibm / ibm.shift())[AAPL.index].astype(np.float32)
    np.testing.assert_array_equal(named.features[named.first :, 1], returns.iloc[named.first :])


def test_the_first_decision_waits_for_what_is_settled_last():
    market = Market.build(AAPL, UNNAMED, context={"IBM": load_bars("sample:IBM", start="2005-06-15")})
    # The month that the other market begins in is left out, July is over with the first bar of August.
    assert str(market.times[market.first - 2].date()) == "2005-08-01"
    with pytest.raises(BarsError, match=r"IBM:body@1ME takes 1 bars of 1ME of IBM to warm up, and 0 are closed by"):
        Market.build(AAPL.loc[:"2005-02"], UNNAMED, context={"IBM": load_bars("sample:IBM", start="2005-01-03")})


def test_every_instrument_and_every_market_sees_the_same_of_another():
    together = Market.build({"a": AAPL, "b": "sample:MSFT"}, CONFIG)
    names = together.feature_names
    ours, theirs = (together.features[:, names.index(f"{name}.IBM:log_return_1")] for name in "ab")
    np.testing.assert_array_equal(ours, theirs)
    apart = Markets.build({"a": AAPL, "b": load_bars("sample:MSFT", end="2004")}, CONFIG)
    assert apart.pipeline.names == ("log_return_1", "IBM:log_return_1", "range@1W", "IBM:body@1ME")


def test_a_market_that_is_neither_named_nor_handed_over_is_told():
    with pytest.raises(ConfigError, match="IBM:log_return_1 looks at 'IBM', whose bars are not there"):
        TradingEnv(AAPL, UNNAMED)
    with pytest.raises(ConfigError, match="IBM:log_return_1 looks at 'IBM'"):
        TradingVectorEnv([AAPL, "sample:MSFT"], 2, UNNAMED)


def test_both_engines_show_it():
    found = compare(CONFIG, {"AAPL": AAPL}, np.random.default_rng(0).integers(0, 3, 60))
    assert found.mismatch is None
    assert found.bars == 60
    context = {"IBM": load_bars("sample:IBM")}
    env, twin = TradingEnv(AAPL, UNNAMED, context=context), TradingVectorEnv(AAPL, 2, UNNAMED, context=context)
    np.testing.assert_array_equal(env.reset(seed=0)[0]["market"], twin.reset(seed=0)[0]["market"][1])


@pytest.mark.parametrize("context", [None, {"IBM": load_bars("sample:IBM")}])
def test_a_strategy_in_a_cerebro_of_ones_own_sees_it(context):
    seen = []

    class Watching:
        """Keeps what it is shown."""

        env_config, pipeline = CONFIG, None

        def predict(self, observation, state=None, episode_start=None, deterministic=False):
            seen.append(observation["market"][-1])
            return 1, state

    cerebro = make_cerebro(CONFIG)
    cerebro.adddata(BarsFeed(dataname=AAPL), name="AAPL")
    cerebro.addstrategy(PolicyStrategy, policy=Watching(), context=context)
    cerebro.run()
    market = Market.build(AAPL, CONFIG)
    np.testing.assert_array_equal(np.array(seen), market.features[market.first :])


def test_a_market_travels_with_what_it_sees():
    market = pickle.loads(pickle.dumps(Market.build(AAPL, CONFIG)))
    again = Market.build(market.bars, UNNAMED, pipeline=market.pipeline, context=market.context)
    np.testing.assert_array_equal(again.features, market.features)


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("sample:AAPL", "AAPL"),
        ("csv:data/eurusd.csv", "eurusd"),
        ("synthetic:ou?n=500", "ou"),
        ("stooq:aapl.us?interval=d", "aapl"),
        ("alpaca:BTC/USD", "BTC-USD"),
    ],
)
def test_an_instrument_is_called_by_what_its_uri_names(uri, name):
    assert instrument_of(uri) == name
