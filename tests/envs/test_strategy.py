from __future__ import annotations

from types import SimpleNamespace

import backtrader as bt
import numpy as np
import pytest

from dltrader.agents.baselines import BuyAndHold
from dltrader.envs.broker import make_cerebro
from dltrader.envs.cerebro import TradingEnv
from dltrader.envs.contract import EnvConfig
from dltrader.envs.strategy import PolicyStrategy
from dltrader.errors import BarsError, BundleError, ConfigError
from dltrader.evaluation.backtest import backtest
from dltrader.features import Pipeline
from market_bars import random_walk


class Momentum:
    """Follows the newest return, on a whim: its state counts how often it was asked."""

    name = "momentum"

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        count = 0 if state is None or episode_start[0] else state
        newest = observation["market"][-1]
        levels = np.where(newest > 0.005, 2, np.where(newest < -0.005, 0, 1))
        if count % 7 == 0:
            levels = np.ones_like(levels)
        return (levels[0] if len(levels) == 1 else levels), count + 1


def fills_in_env(bars, config, start=None):
    env = TradingEnv(bars, config, start=start)
    observation, info = env.reset()
    policy, state, starts, fills, equity, done = Momentum(), None, np.array([True]), [], [], False
    while not done:
        action, state = policy.predict(observation, state, starts)
        observation, _, terminated, truncated, info = env.step(action)
        starts, done = np.array([False]), terminated or truncated
        fills += [
            (fill.time, fill.instrument, fill.side, fill.size, fill.price, fill.commission) for fill in info["fills"]
        ]
        equity.append(info["equity"])
    return fills, equity[-1]


class Recording(PolicyStrategy):
    """What a user may do: subclass, and look."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def notify_order(self, order):
        before = len(self.trader.fills)
        super().notify_order(order)
        self.seen += [tuple(fill) for fill in self.trader.fills[before:]]


def run_strategy(bars, config, *, feed=None, cerebro=None, run=None, **parameters):
    cerebro = cerebro or make_cerebro(config)
    for name, frame in bars.items():
        cerebro.adddata(feed(frame) if feed else bt.feeds.PandasData(dataname=frame.tz_localize(None)), name=name)
    cerebro.addstrategy(Recording, policy=Momentum(), config=config, **parameters)
    (strategy,) = cerebro.run(**(run or {}))
    return [fill[:2] + fill[2:] for fill in strategy.seen], cerebro.broker.getvalue()


@pytest.mark.parametrize("sizing", ["at_open", "at_close"])
@pytest.mark.parametrize("n_instruments", [1, 3])
def test_it_trades_what_the_environment_trades(quick, sizing, n_instruments):
    bars = {f"i{i}": random_walk(200, i) for i in range(n_instruments)}
    config = quick.model_copy(update={"sizing": sizing})
    fills, equity = fills_in_env(bars, config)
    seen, value = run_strategy(bars, config)
    assert len(fills) > 40
    assert seen == fills
    assert value == pytest.approx(equity, rel=1e-12)


def test_it_trades_the_same_when_bars_arrive_one_by_one(quick):
    bars = {"a": random_walk(60, 1)}
    fills, _ = fills_in_env(bars, quick)
    seen, _ = run_strategy(bars, quick, run={"preload": False, "runonce": False})
    assert len(fills) > 10
    assert seen == fills


def test_leverage_and_fractions_are_the_same_too(quick):
    config = EnvConfig.from_mapping(
        quick.to_mapping() | {"leverage": 2, "lot_size": 0, "action": {"name": "target_position", "levels": [-2, 0, 2]}}
    )
    bars = {"a": random_walk(200, 5, volatility=0.01)}
    fills, equity = fills_in_env(bars, config)
    seen, value = run_strategy(bars, config)
    assert len(fills) > 20
    assert seen == fills
    assert value == pytest.approx(equity, rel=1e-12)


def test_start_waits(quick):
    bars = random_walk(100, 2)
    fills, _ = fills_in_env({"a": bars}, quick, start=bars.index[50])
    seen, _ = run_strategy({"a": bars}, quick, start=bars.index[50])
    assert seen == fills
    assert seen[0][0] > bars.index[50]


def test_bars_that_are_not_common_are_not_traded(quick):
    a, b = random_walk(120, 1), random_walk(120, 2)
    bars = {"a": a.drop(a.index[[30, 31, 77]]), "b": b.drop(b.index[[40, 90]])}
    seen, _ = run_strategy(bars, quick)
    common = bars["a"].index.intersection(bars["b"].index)
    assert len(seen) > 20
    assert {fill[0] for fill in seen} <= set(common)


def test_a_cerebro_that_cannot_act_at_the_open_is_refused(quick):
    with pytest.raises(ConfigError, match="cheat_on_open=True"):
        run_strategy({"a": random_walk(50)}, quick, cerebro=bt.Cerebro())


def test_a_policy_is_needed(quick):
    cerebro = make_cerebro(quick)
    cerebro.adddata(bt.feeds.PandasData(dataname=random_walk(50).tz_localize(None)))
    cerebro.addstrategy(PolicyStrategy)
    with pytest.raises(ConfigError, match="PolicyStrategy has no policy"):
        cerebro.run()


def test_a_configuration_is_needed(quick):
    cerebro = make_cerebro(quick)
    cerebro.adddata(bt.feeds.PandasData(dataname=random_walk(50).tz_localize(None)))
    cerebro.addstrategy(PolicyStrategy, policy=Momentum())
    with pytest.raises(ConfigError, match="brings no configuration"):
        cerebro.run()


def test_a_configuration_that_the_policy_was_not_trained_with_is_refused(quick):
    policy = SimpleNamespace(env_config=quick, predict=None)
    cerebro = make_cerebro(quick)
    cerebro.adddata(bt.feeds.PandasData(dataname=random_walk(20)))
    cerebro.addstrategy(PolicyStrategy, policy=policy, config=quick.model_copy(update={"window_bars": 7}))
    with pytest.raises(BundleError, match=r"trained with env.window_bars \d+, was given 7"):
        cerebro.run()


def test_too_few_preloaded_bars_are_refused(quick):
    with pytest.raises(BarsError, match="at least"):
        run_strategy({"a": random_walk(3)}, quick)


def test_a_baseline_adapts_the_configuration_as_in_a_backtest(quick):
    cerebro = make_cerebro(quick)
    cerebro.adddata(bt.feeds.PandasData(dataname=random_walk(50).tz_localize(None)))
    cerebro.addstrategy(PolicyStrategy, policy=BuyAndHold(), config=quick)
    (strategy,) = cerebro.run()
    assert strategy.trader.positions[0] > 900


def test_scaling_is_not_fitted_on_the_bars_that_are_traded(quick):
    config = EnvConfig.from_mapping(quick.to_mapping() | {"scaling": "train"})
    bars = {"a": random_walk(100)}
    with pytest.raises(
        ConfigError, match="scaling 'train' is fitted on training bars, and the policy brings no fitted"
    ):
        run_strategy(bars, config)
    pipeline = Pipeline(config.features, config.scaling).fit(random_walk(300, 9))
    seen, value = run_strategy(bars, config, pipeline=pipeline)
    result = backtest(Momentum(), bars, config, pipeline=pipeline)
    assert len(seen) == len(result.orders) > 10
    assert value == pytest.approx(result.equity.iloc[-1], rel=1e-12)


def test_a_backtest_does_not_fit_either(quick):
    config = EnvConfig.from_mapping(quick.to_mapping() | {"scaling": "train"})
    with pytest.raises(ConfigError, match=r"pass pipeline=dltrader\.Pipeline"):
        backtest(Momentum(), random_walk(100), config)
    assert len(backtest(BuyAndHold(), random_walk(100), config).orders) == 1  # a baseline scales nothing
