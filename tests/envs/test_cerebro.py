from __future__ import annotations

import math

import backtrader as bt
import gymnasium
import numpy as np
import pandas as pd
import pytest

from dltrader.envs.actions import TargetPosition
from dltrader.envs.cerebro import TradingEnv
from dltrader.envs.contract import Costs, EnvConfig
from dltrader.errors import ActionError, BarsError, ConfigError, EnvironmentStateError, FeatureError
from market_bars import flat_then, random_walk
from small_envs import play as run

SHORT, FLAT, LONG = 0, 1, 2


def test_a_long_position_earns_what_the_price_does(free):
    env = TradingEnv(flat_then(100, 110, 121, warmup=3), free)
    infos, rewards = run(env, [LONG, LONG])
    assert [info["position"] for info in infos] == [0.0, 1000.0, 1000.0]
    assert [info["equity"] for info in infos] == [100_000.0, 110_000.0, 121_000.0]
    assert rewards == pytest.approx([math.log(1.1), math.log(1.1)], abs=1e-15)


def test_costs_are_taken_from_the_fill(quick):
    config = quick.model_copy(update={"costs": Costs(commission=0.01, slippage=0.02)})
    bars = flat_then(100, 110, 110, warmup=3)
    infos, _ = run(TradingEnv(bars, config), [LONG, FLAT])
    bought, sold = infos[1]["fills"][0], infos[2]["fills"][0]
    assert (bought.side, bought.price, bought.size) == ("buy", 102.0, math.floor(100_000 / 102 / 1.01))
    assert bought.commission == pytest.approx(0.01 * bought.size * 102)
    # The bar opens and closes at 110, its low: the sale cannot slip out of it.
    assert (sold.side, sold.price, sold.size) == ("sell", 110.0, bought.size)
    assert infos[1]["cash"] == pytest.approx(100_000 - bought.size * 102 * 1.01)


def test_an_unchanged_level_sends_no_order(free):
    infos, _ = run(TradingEnv(random_walk(30), free), [LONG] * 20)
    assert [len(info["fills"]) for info in infos] == [0, 1] + [0] * 19


def test_a_gap_up_rejects_an_order_sized_at_the_close_and_it_stays_rejected(free):
    config = free.model_copy(update={"sizing": "at_close"})
    bars = flat_then(100, 100, 120, 120, 120, warmup=3, open_at_close=False)
    infos, _ = run(TradingEnv(bars, config), [FLAT, LONG, FLAT])
    refused = infos[2]["rejections"]
    assert [(order.size, order.reason) for order in refused] == [(1000.0, "not enough cash")]
    assert refused[0].time == infos[2]["time"]
    assert [info["position"] for info in infos] == [0.0] * 4
    # Asking again is a new order, sized at the new close.
    infos, _ = run(TradingEnv(bars, config), [FLAT, LONG, LONG])
    assert infos[3]["position"] == 833.0


def test_an_order_sized_at_the_open_survives_the_gap(free):
    bars = flat_then(100, 100, 120, 120, warmup=3, open_at_close=False)
    infos, _ = run(TradingEnv(bars, free), [FLAT, LONG])
    assert infos[2]["position"] == 833.0
    assert infos[2]["rejections"] == []


def test_a_refused_flip_leaves_the_closed_half(free):
    config = free.model_copy(update={"sizing": "at_close"})
    bars = flat_then(100, 100, 100, 140, 140, 140, warmup=3, open_at_close=False)
    infos, _ = run(TradingEnv(bars, config), [SHORT, SHORT, LONG, LONG])
    assert [info["position"] for info in infos] == [0.0, -1000.0, -1000.0, 0.0, 428.0]
    assert [fill.size for fill in infos[3]["fills"]] == [1000.0]
    assert len(infos[3]["rejections"]) == 1


def test_ruin_terminates_with_a_finite_reward(free):
    infos, rewards = run(TradingEnv(flat_then(100, 100, 250, 250, warmup=3), free), [SHORT, SHORT, SHORT])
    assert len(infos) == 3
    assert infos[-1]["equity"] == -50_000.0
    assert rewards[-1] == pytest.approx(math.log(1e-6))


def test_ruin_is_terminated_and_the_last_bar_is_truncated(free):
    env = TradingEnv(flat_then(100, 100, 250, warmup=3), free)
    env.reset()
    assert env.step(SHORT)[2:4] == (False, False)
    assert env.step(SHORT)[2:4] == (True, False)
    env.reset()
    env.step(LONG)
    assert env.step(LONG)[2:4] == (False, True)


def test_leverage_borrows(free):
    config = free.model_copy(update={"leverage": 2.0, "action": TargetPosition(levels=(0, 2))})
    infos, _ = run(TradingEnv(flat_then(100, 110, 100, warmup=3), config), [1, 1])
    assert infos[1]["position"] == 2000.0
    assert infos[1]["equity"] == pytest.approx(120_000.0)
    assert infos[1]["cash"] == pytest.approx(-100_000.0)


def test_fractions_of_a_unit(free):
    config = free.model_copy(update={"lot_size": 0.0})
    infos, _ = run(TradingEnv(flat_then(30_000, 33_000, warmup=3), config), [LONG])
    assert infos[1]["position"] == pytest.approx(100_000 / 30_000, rel=1e-11)
    assert infos[1]["rejections"] == []


def test_lots(free):
    config = free.model_copy(update={"lot_size": 0.25})
    infos, _ = run(TradingEnv(flat_then(30_000, 33_000, warmup=3), config), [LONG])
    assert infos[1]["position"] == 3.25


@pytest.mark.parametrize("reward", [lambda step: None, lambda step: "much", lambda step: math.inf])
def test_a_reward_of_another_kind_is_refused(quick, reward):
    env = TradingEnv(random_walk(20), quick.model_copy(update={"reward": reward}))
    env.reset()
    with pytest.raises(EnvironmentStateError, match="a reward must be a finite number"):
        env.step(LONG)


def test_unscaled_features_beyond_the_observation_space_are_refused():
    bars = random_walk(200).assign(volume=1e12)
    config = EnvConfig(features=[{"name": "ta", "indicator": "OnBalanceVolumeIndicator"}], scaling="none")
    with pytest.raises(FeatureError, match=r"ta_OnBalanceVolumeIndicator.* reaches \S+ unscaled, .* ends? at 1e\+09"):
        TradingEnv(bars, config)


def test_several_instruments_have_vectors(free):
    bars = {"up": flat_then(100, 110, 121, warmup=3), "down": flat_then(50, 45, 40, warmup=3)}
    env = TradingEnv(bars, EnvConfig.from_mapping(free.to_mapping() | {"action": "target_weight"}))
    infos, rewards = run(env, [np.array([0.5, -0.5], np.float32)] * 2)
    np.testing.assert_array_equal(infos[1]["close"], [110.0, 45.0])
    np.testing.assert_array_equal(infos[1]["position"], [500.0, -1000.0])
    assert infos[1]["equity"] == 100_000 + 500 * 10 + 1000 * 5
    assert {fill.instrument for fill in infos[1]["fills"]} == {"up", "down"}
    assert math.exp(sum(rewards)) == pytest.approx(infos[-1]["equity"] / 100_000, abs=1e-12)


def test_sales_pay_for_buys(free):
    config = EnvConfig.from_mapping(free.to_mapping() | {"action": "target_weight"})
    bars = {"a": flat_then(100, 100, 100, warmup=3), "b": flat_then(100, 100, 100, warmup=3)}
    infos, _ = run(TradingEnv(bars, config), [np.array([0.0, 1.0]), np.array([1.0, 0.0])])
    np.testing.assert_array_equal(infos[2]["position"], [1000.0, 0.0])
    assert infos[2]["rejections"] == []


def test_instruments_are_aligned_on_common_times(free):
    a, b = random_walk(60, 1), random_walk(60, 2)
    env = TradingEnv({"a": a.drop(a.index[10]), "b": b.drop(b.index[20])}, free)
    assert len(env.market) == 58
    assert a.index[10] not in env.market.times


def test_the_observation_is_the_window_up_to_the_bar(quick):
    bars = random_walk(40)
    env = TradingEnv(bars, quick)
    returns = np.log(bars["close"] / bars["close"].shift(1)).to_numpy(np.float32)
    observation, info = env.reset()
    for bar in range(3, 20):
        assert info["time"] == bars.index[bar]
        np.testing.assert_allclose(observation["market"][:, 0], returns[bar - 2 : bar + 1], rtol=1e-6)
        observation, *_, info = env.step(LONG)


def test_the_account_holds_exposure_and_unrealised_return(free):
    env = TradingEnv(flat_then(100, 100, 110, 121, warmup=3), free)
    observation, _ = env.reset()
    np.testing.assert_array_equal(observation["account"], [0.0, 0.0])
    env.step(SHORT)
    observation, *_ = env.step(SHORT)
    np.testing.assert_allclose(observation["account"], [-110_000 / 90_000, -0.1], rtol=1e-6)


def test_the_same_seed_gives_the_same_episode_and_another_seed_another(quick):
    config = quick.model_copy(update={"random_start": True, "episode_bars": 10})
    env = TradingEnv(random_walk(300), config)
    starts = [env.reset(seed=seed)[1]["time"] for seed in (1, 2, 1)]
    assert starts[0] == starts[2] != starts[1]
    again = [env.reset()[1]["time"] for _ in range(20)]
    assert len(set(again)) > 10


def test_random_episodes_are_bounded_and_fit(quick):
    config = quick.model_copy(update={"random_start": True, "episode_bars": 10})
    bars = random_walk(30)
    env = TradingEnv(bars, config)
    for seed in range(30):
        infos, _ = run_seeded(env, seed)
        assert len(infos) == 11
        assert bars.index[3] <= infos[0]["time"]


def run_seeded(env, seed):
    _, info = env.reset(seed=seed)
    infos, done = [info], False
    while not done:
        *_, done, info = env.step(FLAT)
        infos.append(info)
    return infos, []


def test_start_lets_earlier_bars_only_warm_up(quick):
    bars = random_walk(60)
    env = TradingEnv(bars, quick, start=bars.index[40])
    assert env.reset()[1]["time"] == bars.index[40]


def test_too_few_bars_say_how_many_are_needed():
    with pytest.raises(BarsError, match=r"100 bars are too few: \d+ warm the features up, .* at least \d+ are needed"):
        TradingEnv(random_walk(100))


def test_a_start_after_the_end_is_refused(quick):
    with pytest.raises(BarsError, match="no step can be taken from 2030-01-01 on: the bars end at 2001-"):
        TradingEnv(random_walk(40), quick, start="2030-01-01")


def test_step_before_reset_and_after_the_end(quick):
    env = TradingEnv(random_walk(6), quick)
    with pytest.raises(EnvironmentStateError, match=r"step\(\) was called before reset\(\)"):
        env.step(FLAT)
    run(env, [FLAT] * 5)
    with pytest.raises(EnvironmentStateError, match="after the end of the episode"):
        env.step(FLAT)


def test_a_wrong_action_is_refused_and_the_episode_goes_on(quick):
    env = TradingEnv(random_walk(20), quick)
    env.reset()
    with pytest.raises(ActionError, match="must be 1 integer"):
        env.step(3)
    assert env.step(LONG)[-1]["position"] > 0


def test_an_exception_in_the_hook_arrives_and_the_environment_can_be_reset(quick):
    calls = []

    def hook(cerebro):
        calls.append(cerebro)
        if len(calls) == 1:
            raise KeyError("mine")

    env = TradingEnv(random_walk(20), quick, prepare=hook)
    with pytest.raises(KeyError, match="mine"):
        env.reset()
    env.reset()
    assert env.step(LONG)[-1]["position"] > 0


class Failing(bt.Analyzer):
    def next(self):
        if len(self.strategy) == 3:
            raise ZeroDivisionError("in the analyzer")


def test_an_exception_inside_cerebro_arrives_with_its_traceback(quick):
    env = TradingEnv(random_walk(20), quick, prepare=lambda cerebro: cerebro.addanalyzer(Failing))
    env.reset()
    env.step(LONG)
    env.step(LONG)  # analyzers look at a bar when its strategy has decided, so at the beginning of the next step
    with pytest.raises(ZeroDivisionError, match="in the analyzer") as caught:
        env.step(LONG)
    assert caught.traceback[-1].name == "next"
    env.reset()
    env.step(LONG)


def test_an_exception_in_the_reward_leaves_a_resettable_environment(quick):
    def reward(step):
        raise RuntimeError("my reward")

    env = TradingEnv(random_walk(20), quick.model_copy(update={"reward": reward}))
    env.reset()
    with pytest.raises(RuntimeError, match="my reward"):
        env.step(LONG)
    with pytest.raises(EnvironmentStateError):
        env.step(LONG)
    env.reset()


@pytest.mark.parametrize("reward", [math.nan, math.inf])
def test_a_reward_that_is_no_number_is_refused(quick, reward):
    env = TradingEnv(random_walk(20), quick.model_copy(update={"reward": lambda step: reward}))
    env.reset()
    with pytest.raises(EnvironmentStateError, match=f"the reward was {reward} at 2001-01-05"):
        env.step(LONG)


def test_render_before_reset_is_refused(quick):
    env = TradingEnv(random_walk(20), quick, render_mode="ansi")
    with pytest.raises(EnvironmentStateError, match=r"render\(\) was called before reset\(\)"):
        env.render()


def test_what_are_no_bars_is_refused(quick):
    with pytest.raises(BarsError, match=r"bars must be a frame, a source URI or a mapping .*, found NoneType"):
        TradingEnv(None, quick)


class FixedSize(bt.Sizer):
    def _getsizing(self, comminfo, cash, data, isbuy):
        return 7


def test_hooks_add_analyzers_observers_sizers_and_commissions(quick):
    def hook(cerebro):
        cerebro.addanalyzer(bt.analyzers.TradeAnalyzer, _name="trades")
        cerebro.addobserver(bt.observers.DrawDown)
        cerebro.addsizer(FixedSize)
        cerebro.broker.setcommission(commission=1.5, commtype=bt.CommInfoBase.COMM_FIXED, stocklike=True)

    env = TradingEnv(random_walk(30), quick, prepare=hook)
    infos, _ = run(env, [LONG] * 5 + [FLAT] * 30)
    assert infos[1]["position"] == 7.0
    assert infos[1]["fills"][0].commission == 7 * 1.5
    assert infos[-1]["position"] == 0.0
    # The episode has ended, so Cerebro has called every stop(): the analysis is complete.
    assert env.strategy.analyzers.trades.get_analysis().total.closed == 1


def test_an_indicator_of_the_user_takes_no_bars_from_the_agent(quick):
    env = TradingEnv(random_walk(30), quick, prepare=lambda cerebro: cerebro.addindicator(bt.indicators.SMA, period=9))
    infos, _ = run(env, [LONG] * 4)
    assert [info["position"] > 0 for info in infos] == [False, True, True, True, True]


def test_gymnasium_makes_it_from_a_uri():
    env = gymnasium.make("dltrader/Trading-v0", bars="sample:AAPL")
    observation, info = env.reset(seed=1)
    assert observation["market"].shape == env.observation_space["market"].shape
    assert info["time"].tzinfo is not None
    assert env.unwrapped.market.instruments == ("AAPL",)


def test_render_modes(quick):
    bars = random_walk(40)
    env = TradingEnv(bars, quick, render_mode="rgb_array")
    env.reset()
    env.step(LONG)
    picture = env.render()
    assert picture.shape == (400, 640, 3)
    assert picture.dtype == np.uint8
    assert picture.std() > 5
    env = TradingEnv(bars, quick, render_mode="ansi")
    env.reset()
    env.step(LONG)
    assert env.render().startswith("2001-01-05 00:00  close ")
    assert "buy" in env.render()
    assert TradingEnv(bars, quick).render() is None
    with pytest.raises(ConfigError, match="render_mode must be"):
        TradingEnv(bars, quick, render_mode="human")


def test_forex_bars_around_the_clock(free):
    bars = random_walk(400, price=1.1, volatility=0.0005).assign(volume=0.0)
    bars.index = pd.date_range("2024-01-01", periods=400, freq="h", tz="UTC", name="time")
    config = free.model_copy(update={"lot_size": 0.0})
    infos, rewards = run(TradingEnv(bars, config), [LONG, SHORT] * 100)
    assert math.exp(sum(rewards)) == pytest.approx(infos[-1]["equity"] / 100_000, abs=1e-9)
    assert all(not info["rejections"] for info in infos)
