from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dltrader.envs import market as market_module
from dltrader.envs.cerebro import TradingEnv
from dltrader.envs.contract import EnvConfig
from dltrader.envs.market import Market
from dltrader.envs.markets import Episodes, Markets, markets_of
from dltrader.envs.vector import TradingVectorEnv
from dltrader.errors import BarsError, ConfigError, SourceError
from market_bars import random_walk

CONFIG = EnvConfig(
    window_bars=3, features=["log_return"], scaling="none", episode_bars=5, random_start=True, costs={"commission": 0.0}
)
BARS = {"a": random_walk(40, 1), "b": random_walk(60, 2), "c": random_walk(80, 3)}


def test_the_bars_of_all_markets_lie_one_after_the_other():
    markets = Markets.build(BARS, CONFIG)
    assert markets.names == ("a", "b", "c")
    assert markets.begins.tolist() == [0, 40, 100]
    assert len(markets) == 180
    assert markets.prices().shape == (180, 4)
    for name, begin in zip(BARS, markets.begins, strict=True):
        market = markets.each[name]
        stretch = slice(begin, begin + len(market))
        np.testing.assert_array_equal(markets.features[stretch], Market.build(BARS[name], CONFIG).features)
        np.testing.assert_array_equal(markets.prices()[stretch], BARS[name][["open", "high", "low", "close"]])
        assert np.shares_memory(market.features, markets.features)


def test_features_are_computed_once_a_market(monkeypatch):
    built = []
    build = Market.build.__func__
    monkeypatch.setattr(
        Market,
        "build",
        classmethod(lambda cls, bars, *rest, **more: built.append(1) or build(cls, bars, *rest, **more)),
    )
    envs = TradingVectorEnv(["sample:AAPL", "sample:IBM"], 50)
    envs.reset(seed=0)
    assert len(built) == 2


def test_a_scaling_is_fitted_on_all_markets_together():
    config = EnvConfig.from_mapping(CONFIG.to_mapping() | {"scaling": "train"})
    markets = Markets.build(BARS, config)
    assert {id(market.pipeline) for market in markets.each.values()} == {id(markets.pipeline)}
    returns = np.concatenate([np.diff(np.log(frame["close"])) for frame in BARS.values()])
    assert markets.pipeline.moments.mean[0] == pytest.approx(returns.mean(), rel=1e-9)


def test_every_market_is_drawn_once_before_any_comes_again():
    episodes = Episodes(Markets.build(BARS, CONFIG), CONFIG)
    drawn = [int(episodes.draw(np.random.default_rng(i), 1).market[0]) for i in range(30)]
    for i in range(0, 30, 3):
        assert sorted(drawn[i : i + 3]) == [0, 1, 2]
    many = episodes.draw(np.random.default_rng(0), 3000)
    assert np.bincount(many.market).tolist() == [1000, 1000, 1000]
    for market, (name, frame) in enumerate(BARS.items()):
        firsts = many.first[many.market == market]
        assert firsts.min() == 3, name
        assert firsts.max() == len(frame) - 1 - 5
        assert len(set(firsts.tolist())) == len(frame) - 1 - 5 - 2
    assert (many.last - many.first == 5).all()


def test_the_seed_decides_what_is_drawn():
    envs = TradingVectorEnv(Markets.build(BARS, CONFIG), 40, CONFIG)
    bars = []
    for seed in (1, 2, 1):
        envs.reset(seed=seed)
        for _ in range(12):
            envs.step(np.ones(40, int))
        bars.append(envs.lanes.bar.tolist())
    assert bars[0] == bars[2] != bars[1]


def test_both_engines_draw_the_same_episodes():
    config = EnvConfig.from_mapping(CONFIG.to_mapping() | {"action": "target_weight"})
    single, lanes = (make(Markets.build(BARS, config), config=config) for make in (TradingEnv, TradingVectorEnv))
    observation, info = single.reset(seed=3)
    seen, infos = lanes.reset(seed=3)
    names = []
    for _ in range(60):
        assert info["market"] == infos["market"][0]
        assert info["time"].tz_localize(None) == pd.Timestamp(infos["time"][0])
        np.testing.assert_array_equal(observation["market"], seen["market"][0])
        np.testing.assert_array_equal(observation["account"], seen["account"][0])
        action = lanes.action_space.sample()
        observation, reward, _, truncated, info = single.step(action[0])
        seen, rewards, _, _, infos = lanes.step(action)
        assert reward == pytest.approx(rewards[0], rel=1e-12)
        if truncated:
            names.append(info["market"])
            observation, info = single.reset()
    assert [sorted(names[i : i + 3]) for i in range(0, 12, 3)] == [["a", "b", "c"]] * 4


def test_a_list_or_a_wildcard_is_a_set_and_a_mapping_a_portfolio(tmp_path):
    for name, frame in BARS.items():
        frame.to_csv(tmp_path / f"{name}.csv")
    assert markets_of(f"csv:{tmp_path}/*.csv", CONFIG).names == ("a", "b", "c")
    assert markets_of([f"csv:{tmp_path}/*.csv", "sample:IBM"], CONFIG).names == ("a", "b", "c", "IBM")
    assert markets_of(BARS, CONFIG).names == ("a b c",)
    assert markets_of([{"x": BARS["a"], "y": BARS["b"]}], CONFIG).n_instruments == 2
    assert markets_of([BARS["a"], {"x": BARS["b"]}, BARS["c"]], CONFIG).names == ("market1", "x", "market3")
    assert markets_of(Markets.build(BARS, CONFIG), CONFIG).instruments == ("a or b or c",)
    with pytest.raises(SourceError, match="nothing matches"):
        markets_of(f"csv:{tmp_path}/*.txt", CONFIG)
    with pytest.raises(SourceError, match="wildcard, which only sample and csv"):
        markets_of("synthetic:*", CONFIG)


def test_markets_that_make_no_set_are_named():
    hourly = random_walk(60, 4)
    hourly.index = pd.date_range("2020", periods=60, freq="h", tz="UTC", name="time")
    with pytest.raises(BarsError, match=r"one interval: most have a bar every 1 days .*, but h one every 0 days 01:00"):
        Markets.build(BARS | {"h": hourly}, CONFIG)
    with pytest.raises(BarsError, match="short: 7 bars are too few"):
        Markets.build(BARS | {"short": random_walk(7, 5)}, CONFIG)
    with pytest.raises(BarsError, match="as many instruments each, found a 1, pair 2"):
        Markets.build({"a": BARS["a"], "pair": {"b": BARS["b"], "c": BARS["c"]}}, CONFIG)
    with pytest.raises(ConfigError, match="two markets are called IBM"):
        Markets.build(["sample:IBM", "sample:IBM"], CONFIG)
    with pytest.raises(ConfigError, match="no markets were given"):
        Markets.build([], CONFIG)


def test_times_of_long_markets_are_the_same(monkeypatch):
    monkeypatch.setattr(market_module, "STAMPED_BARS", 10)
    market = Market.build(BARS["a"], CONFIG)
    assert [market.stamps[i] for i in range(40)] == BARS["a"].index.tolist()
    assert str(market.stamps[3].tz) == "UTC"
