from __future__ import annotations

import math
from types import SimpleNamespace

import backtrader as bt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stable_baselines3 import PPO

from dltrader.agents.baselines import BuyAndHold, Flat, RandomTrader
from dltrader.data import periods_per_year
from dltrader.envs.actions import TargetPosition, TargetWeight
from dltrader.envs.cerebro import TradingEnv
from dltrader.envs.contract import Costs, EnvConfig
from dltrader.errors import BarsError, BundleError, ConfigError
from dltrader.evaluation.backtest import backtest
from dltrader.evaluation.metrics import measure
from dltrader.evaluation.trades import closed_trades
from dltrader.features import FeatureSpec
from market_bars import flat_then, random_walk

SHORT, FLAT, LONG = 0, 1, 2


class Tape:
    """Plays actions back, the last one for ever; its state is where it stands."""

    def __init__(self, *actions):
        self.actions = actions
        self.calls = []

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        self.calls.append((observation, state, episode_start.copy(), deterministic))
        place = 0 if state is None else state
        return self.actions[min(place, len(self.actions) - 1)], place + 1


class Dice:
    """Draws from a space."""

    def __init__(self, space, seed):
        self.space = space
        self.space.seed(seed)

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        return self.space.sample(), state


def equity_by_hand(result, cash):
    """Equity from nothing but the fills and the closes."""
    money, worth = pd.Series(cash, result.equity.index), 0.0
    for name, bars in result.bars.items():
        units = pd.Series(0.0, result.equity.index)
        for fill in result.orders[result.orders["instrument"] == name].itertuples():
            signed = fill.size if fill.side == "buy" else -fill.size
            units[fill.time :] += signed
            money[fill.time :] -= signed * fill.price + fill.commission
        np.testing.assert_allclose(result.position[name], units, rtol=1e-9, atol=1e-9)
        worth = worth + units * bars["close"]
    return money + worth


CONFIGS = st.fixed_dictionaries(
    {
        "window_bars": st.just(2),
        "features": st.just(["log_return"]),
        "scaling": st.just("none"),
        "action": st.sampled_from(["target_position", "buy_sell_hold", "target_weight"]),
        "costs": st.sampled_from([{"commission": 0, "slippage": 0}, {"commission": 0.002, "slippage": 0.001}]),
        "lot_size": st.sampled_from([0, 1]),
        "sizing": st.sampled_from(["at_open", "at_close"]),
        "allow_short": st.booleans(),
    }
)


@settings(max_examples=40)
@given(values=CONFIGS, n_instruments=st.integers(1, 3), seed=st.integers(0, 1000))
def test_all_that_a_result_holds_agrees(values, n_instruments, seed):
    config = EnvConfig.from_mapping(values)
    bars = {f"i{i}": random_walk(40, seed + i) for i in range(n_instruments)}
    result = backtest(Dice(config.action_space(n_instruments), seed), bars, config, benchmark=False)
    times = result.equity.index
    assert all(frame.index.equals(times) for frame in result.bars.values())
    assert result.position.index.equals(times)
    assert result.exposure.index.equals(times)
    assert list(result.position) == list(result.exposure) == list(bars)
    np.testing.assert_allclose(result.equity, equity_by_hand(result, 100_000.0), rtol=1e-9)
    for name, frame in result.bars.items():
        pd.testing.assert_frame_equal(frame, bars[name].loc[times])
        np.testing.assert_allclose(
            result.exposure[name] * result.equity, result.position[name] * frame["close"], rtol=1e-9, atol=1e-6
        )
    assert set(result.orders["time"]) <= set(times[1:])
    assert (result.orders["size"] > 0).all()
    assert values["sizing"] == "at_close" or len(result.rejections) == 0
    pd.testing.assert_frame_equal(result.trades, closed_trades(result.orders, times))
    expected = measure(
        result.equity, result.exposure, result.orders, result.trades, periods_per_year=periods_per_year(bars["i0"])
    )
    assert dict(result.metrics) == pytest.approx(dict(expected), nan_ok=True)


def test_buy_and_hold_is_what_a_hand_computes():
    bars = flat_then(100, 120, 90, 150, warmup=3, open_at_close=False)
    config = EnvConfig(window_bars=3, features=["log_return"], scaling="none", costs=Costs(commission=0.01, slippage=0))
    held = backtest(Flat(), bars, config).benchmark
    # The adapted window is one bar: the first decision falls on the second bar, the fill on the third, at 100.
    units = math.floor(100_000 / (100 * 1.01))
    cash = 100_000 - units * 100 * 1.01
    assert units == 990
    np.testing.assert_allclose(
        held.equity, [100_000, *(cash + units * close for close in (100, 100, 120, 90, 150))], rtol=1e-12
    )
    assert held.policy == "buy_and_hold"
    assert len(held.orders) == 1
    assert held.orders.iloc[0].to_dict() == {
        "time": bars.index[2], "instrument": "asset", "side": "buy", "size": 990.0, "price": 100.0, "commission": 990.0,
    }  # fmt: skip
    assert held.metrics["commission"] == 990.0
    assert held.metrics["total_return"] == pytest.approx((cash + units * 150) / 100_000 - 1)
    assert held.benchmark is None


def test_buy_and_hold_of_several_instruments_shares_the_money(free):
    bars = {"a": flat_then(100, 110, warmup=3), "b": flat_then(50, 40, warmup=3)}
    held = backtest(Tape((LONG, FLAT)), bars, free).benchmark
    assert held.position.iloc[-1].to_dict() == {"a": 500.0, "b": 1000.0}
    assert held.equity.iloc[-1] == 500 * 110 + 1000 * 40


def test_the_benchmark_stands_on_the_same_bars_as_the_policy(quick):
    result = backtest(Tape(LONG), random_walk(60), quick.model_copy(update={"window_bars": 20}))
    assert len(result.equity) == 60 - 20
    assert result.benchmark.equity.index.equals(result.equity.index)
    assert result.benchmark.equity.iloc[0] == result.equity.iloc[0] == 100_000.0
    # Long once and for ever is buy-and-hold.
    pd.testing.assert_series_equal(result.equity, result.benchmark.equity)


def test_the_benchmark_can_be_left_out(quick):
    assert backtest(Tape(LONG), random_walk(20), quick, benchmark=False).benchmark is None


@pytest.mark.parametrize("allow_short", [True, False])
@pytest.mark.parametrize("lot_size", [0, 1])
def test_the_matched_baseline_has_the_mean_exposure_of_the_policy(free, lot_size, allow_short):
    config = free.model_copy(update={"lot_size": lot_size, "allow_short": allow_short})
    result = backtest(RandomTrader(seed=4), random_walk(300, 3), config)
    matched = result.matched
    assert matched.policy == "constant_exposure"
    assert matched.equity.index.equals(result.equity.index)
    assert (matched.benchmark, matched.matched) == (None, None)
    assert abs(result.behaviour.net_exposure) > 0.02
    assert matched.behaviour.net_exposure == pytest.approx(result.behaviour.net_exposure, abs=0.005)
    # It never looked at the market: its returns are the market's, scaled.
    side = np.sign(result.behaviour.net_exposure)
    assert matched.behaviour.correlation == pytest.approx(side, abs=0.03)


def test_the_matched_baseline_of_several_instruments_has_the_mean_exposure_of_each(free):
    bars = {"a": random_walk(200, 1), "b": random_walk(200, 2)}
    result = backtest(Tape((LONG, SHORT), *[(LONG, FLAT)] * 50, (FLAT, SHORT)), bars, free)
    wanted = result.exposure.iloc[1:].mean()
    assert wanted["a"] > 0.05
    assert wanted["b"] < -0.2
    np.testing.assert_allclose(result.matched.exposure.iloc[1:].mean(), wanted, atol=0.01)


def test_the_matched_baseline_reaches_what_leverage_allows(free):
    config = free.model_copy(update={"leverage": 2.0, "action": TargetPosition(levels=(0, 2))})
    result = backtest(Tape(*[1] * 30, *[0] * 20), random_walk(60), config)
    assert result.behaviour.net_exposure > 0.9
    assert result.matched.behaviour.net_exposure == pytest.approx(result.behaviour.net_exposure, abs=0.03)


def test_the_matched_baseline_pays_the_costs_of_the_policy(quick):
    result = backtest(Tape(*[LONG] * 10, FLAT), random_walk(60), quick)
    orders = result.matched.orders
    assert len(orders) > 10
    np.testing.assert_allclose(orders["commission"], 0.001 * orders["size"] * orders["price"], rtol=1e-9)


def test_a_short_position_that_outgrew_the_account_is_matched_as_far_as_it_can_be(free):
    result = backtest(Tape(SHORT), flat_then(100, 120, 130, 140, warmup=3), free)
    assert result.behaviour.net_exposure < -1.3
    assert result.matched.position["asset"].iloc[1] == -1000.0  # all of the equity, at the open


@pytest.mark.parametrize("actions", [(FLAT,), (*[FLAT] * 200, LONG, FLAT)])
def test_no_exposure_is_not_matched(quick, actions):
    result = backtest(Tape(*actions), random_walk(400), quick)
    assert abs(result.behaviour.net_exposure) < 0.005
    assert result.benchmark is not None
    assert result.matched is None


def test_the_matched_baseline_is_left_out_with_the_benchmark(quick):
    assert backtest(Tape(LONG), random_walk(20), quick, benchmark=False).matched is None


def test_no_decision_is_made_before_the_start(quick):
    bars = random_walk(60)
    policy = Tape(LONG)
    result = backtest(policy, bars, quick, start="2001-02-01")
    assert result.equity.index[0] == pd.Timestamp("2001-02-01", tz="UTC")
    assert result.orders["time"].tolist() == [pd.Timestamp("2001-02-02", tz="UTC")]
    assert len(policy.calls) == len(result.equity) - 1
    # What the first decision saw comes from before the start.
    seen = policy.calls[0][0]["market"][:, 0]
    np.testing.assert_allclose(seen, np.log(bars["close"]).diff().loc["2001-01-30":"2001-02-01"], rtol=1e-6)


def test_a_start_after_the_end_is_refused(quick):
    with pytest.raises(BarsError, match="no step can be taken from 2030-01-01 on"):
        backtest(Tape(LONG), random_walk(20), quick, start="2030-01-01")


def test_the_state_goes_round_and_the_start_of_the_episode_is_told_once(quick):
    policy = Tape(LONG, FLAT)
    backtest(policy, random_walk(10), quick, benchmark=False)
    assert [state for _, state, _, _ in policy.calls] == [None, 1, 2, 3, 4, 5]
    assert [start.tolist() for _, _, start, _ in policy.calls] == [[True]] + [[False]] * 5
    assert policy.calls[0][2].dtype == bool


@pytest.mark.parametrize("deterministic", [True, False])
def test_the_policy_is_told_whether_to_draw(quick, deterministic):
    policy = Tape(LONG)
    backtest(policy, random_walk(8), quick, deterministic=deterministic, benchmark=False)
    assert {told for *_, told in policy.calls} == {deterministic}


def test_a_policy_may_answer_as_stable_baselines_does(quick):
    class Model:
        def predict(self, observation, state=None, episode_start=None, deterministic=False):
            return np.array(LONG), None  # a scalar array

    result = backtest(Model(), random_walk(20), quick)
    assert result.policy == "Model"
    pd.testing.assert_series_equal(result.equity, result.benchmark.equity)


def test_a_stable_baselines_model_is_a_policy(quick):
    bars = random_walk(30)
    model = PPO("MultiInputPolicy", TradingEnv(bars, quick), n_steps=8, batch_size=8, seed=1, device="cpu")
    first, second = (backtest(model, bars, quick, benchmark=False) for _ in range(2))
    assert first.policy == "PPO"
    assert len(first.equity) == 27
    pd.testing.assert_series_equal(first.equity, second.equity)


def test_a_policy_that_adapts_sees_and_does_what_it_asks_for(quick):
    seen = []

    class Adapted:
        name = "mine"

        def adapt(self, config):
            return config.model_copy(
                update={"action": TargetWeight(), "features": (FeatureSpec.of("gap"),), "window_bars": 5}
            )

        def predict(self, observation, state=None, episode_start=None, deterministic=False):
            seen.append(observation["market"].shape)
            return np.array([0.5]), None

    costs = Costs(commission=0, slippage=0)
    result = backtest(Adapted(), random_walk(30), quick.model_copy(update={"costs": costs, "cash": 5000.0}))
    assert set(seen) == {(5, 1)}
    assert result.policy == "mine"
    assert result.exposure["asset"].iloc[1:].between(0.45, 0.55).all()
    assert result.equity.iloc[0] == 5000.0
    assert result.metrics["commission"] == 0.0


def test_the_configuration_may_come_in_every_form(quick):
    bars = random_walk(30)
    own = Tape(LONG, SHORT)
    own.env_config = quick
    results = [
        backtest(Tape(LONG, SHORT), bars, quick),
        backtest(Tape(LONG, SHORT), bars, quick.to_mapping()),
        backtest(Tape(LONG, SHORT), bars, SimpleNamespace(env=quick)),
        backtest(own, bars),
        backtest(Tape(LONG, SHORT), {"asset": bars}, quick),
    ]
    for result in results:
        pd.testing.assert_series_equal(result.equity, results[0].equity)


def test_the_configuration_given_wins_over_the_policys_own(quick):
    own = Tape(LONG)
    own.env_config = quick
    result = backtest(own, random_walk(30), quick.model_copy(update={"cash": 1000.0}))
    assert result.equity.iloc[0] == 1000.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"action": TargetPosition(levels=(0.0, 0.5, 1.0))}, "env.action .*levels.* was given .*0.5"),
        ({"allow_short": False}, "env.allow_short True, was given False"),
        ({"window_bars": 7}, "env.window_bars 3, was given 7"),
        ({"features": (FeatureSpec.of("rsi"),)}, "env.features .*log_return.*, was given .*rsi"),
    ],
)
def test_a_configuration_under_which_actions_or_features_mean_something_else_is_refused(quick, changes, message):
    own = Tape(LONG)
    own.env_config = quick
    with pytest.raises(BundleError, match=message):
        backtest(own, random_walk(60), quick.model_copy(update=changes))


def test_no_configuration_is_refused():
    with pytest.raises(ConfigError) as caught:
        backtest(Tape(LONG), random_walk(30))
    assert str(caught.value) == "a backtest needs a configuration; pass config=EnvConfig(...) or a run's config"


def test_what_is_no_configuration_is_refused():
    with pytest.raises(ConfigError) as caught:
        backtest(Tape(LONG), random_walk(30), 5)
    assert str(caught.value) == "config must be an EnvConfig, a mapping with its keys, or a run's config, was 5"
    with pytest.raises(ConfigError, match="unknown key 'windw_bars'; did you mean 'window_bars'"):
        backtest(Tape(LONG), random_walk(30), {"windw_bars": 3})


def test_episodes_are_neither_bounded_nor_begun_at_random(quick):
    config = quick.model_copy(update={"episode_bars": 5, "random_start": True})
    bars = random_walk(40)
    result = backtest(Tape(LONG), bars, config)
    assert result.equity.index.equals(bars.index[3:])


def test_an_exception_of_the_policy_arrives(quick):
    class Broken:
        def predict(self, observation, state=None, episode_start=None, deterministic=False):
            raise ZeroDivisionError("in the policy")

    with pytest.raises(ZeroDivisionError, match="in the policy") as caught:
        backtest(Broken(), random_walk(30), quick)
    assert caught.traceback[-1].name == "predict"


def test_too_few_bars_are_refused(quick):
    with pytest.raises(BarsError, match=r"3 bars are too few: 1 warm the features up, .* at least 5 are needed"):
        backtest(Tape(LONG), random_walk(3), quick)


def test_the_fewest_bars_make_one_step(quick):
    result = backtest(Tape(LONG), random_walk(5), quick)
    assert len(result.equity) == 2
    assert len(result.orders) == 1
    assert math.isnan(result.metrics["sharpe"])


def test_ruin_ends_the_result_and_leaves_finite_numbers(free):
    bars = flat_then(100, 100, 200, 200, 210, warmup=3)
    result = backtest(Tape(SHORT), bars, free)
    assert result.equity.tolist() == [100_000.0, 100_000.0, 0.0]
    assert len(result.bars["asset"]) == 3
    assert result.position["asset"].tolist() == [0.0, -1000.0, -1000.0]
    np.testing.assert_array_equal(result.exposure["asset"], [0.0, -1.0, np.nan])
    assert result.metrics["total_return"] == result.metrics["max_drawdown"] == -1.0
    assert not any(map(math.isinf, result.metrics.values()))
    # Buy-and-hold lives on.
    assert result.benchmark.equity.iloc[-1] == 210_000.0
    assert len(result.benchmark.equity) == 5


def test_a_rejection_is_recorded(free):
    config = free.model_copy(update={"sizing": "at_close"})
    bars = flat_then(100, 100, 120, 120, 120, warmup=3, open_at_close=False)
    result = backtest(Tape(FLAT, LONG, FLAT), bars, config)
    assert result.rejections.to_dict("records") == [
        {"time": bars.index[5], "instrument": "asset", "size": 1000.0, "reason": "not enough cash"}
    ]
    assert len(result.orders) == 0


def test_tables_have_the_same_types_with_and_without_rows(quick):
    bars = random_walk(30)
    some = backtest(Tape(LONG, SHORT, FLAT), bars, quick)
    none = backtest(Tape(FLAT), bars, quick)
    assert (len(none.orders), len(none.trades), len(none.rejections)) == (0, 0, 0)
    assert none.orders.dtypes.to_dict() == some.orders.dtypes.to_dict()
    assert none.trades.dtypes.to_dict() == some.trades.dtypes.to_dict()
    assert str(none.rejections["time"].dt.tz) == "UTC"
    assert some.orders["time"].dtype == some.equity.index.dtype


def test_the_hook_prepares_the_policys_cerebro_and_then_those_of_the_baselines(quick):
    cerebros = []

    def free_of_charge(cerebro):
        cerebros.append(cerebro)
        cerebro.addanalyzer(bt.analyzers.TradeAnalyzer, _name="trades")
        cerebro.broker.setcommission(commission=0.0)

    result = backtest(Tape(LONG, FLAT), random_walk(30), quick, prepare=free_of_charge)
    assert len(cerebros) == 3
    assert {one.metrics["commission"] for one in (result, result.benchmark, result.matched)} == {0.0}
    totals = [cerebro.runstrats[0][0].analyzers.trades.get_analysis().total for cerebro in cerebros[:2]]
    assert [dict(total) for total in totals] == [{"total": 1, "open": 0, "closed": 1}, {"total": 1, "open": 1}]


def test_bars_may_be_a_source_uri(quick):
    result = backtest(Tape(LONG), "synthetic:gbm?n=50&seed=1", quick)
    assert list(result.bars) == list(result.position) == ["gbm"]
    assert len(result.equity) == 47


def test_bars_of_several_instruments_are_aligned(quick):
    a, b = random_walk(40, 1), random_walk(40, 2)
    result = backtest(Tape((LONG, SHORT)), {"a": a.drop(a.index[10]), "b": b}, quick)
    assert a.index[10] not in result.equity.index
    assert len(result.equity) == 36
    assert result.orders["instrument"].tolist() == ["b", "a"]  # sales first
    assert result.position.iloc[-1]["a"] > 0 > result.position.iloc[-1]["b"]


def test_the_bars_given_are_left_as_they_are(quick):
    bars = random_walk(40)
    before = bars.copy()
    backtest(RandomTrader(), bars, quick)
    pd.testing.assert_frame_equal(bars, before)


def test_a_backtest_run_again_is_the_same_to_the_bit(quick):
    bars = random_walk(80)
    first, second = (backtest(RandomTrader(seed=3), bars, quick) for _ in range(2))
    assert (first.equity == second.equity).all()
    assert first.orders.equals(second.orders)
    assert len(first.orders) > 10


def test_a_buy_and_hold_that_leverage_allows_is_still_without_leverage(free):
    config = free.model_copy(update={"leverage": 2.0, "action": TargetPosition(levels=(0, 2))})
    result = backtest(Tape(1), flat_then(100, 110, 121, warmup=3), config)
    assert result.metrics["total_return"] == pytest.approx(0.42)
    assert result.benchmark.metrics["total_return"] == pytest.approx(0.21)


def test_the_policy_itself_may_be_the_benchmark(quick):
    result = backtest(BuyAndHold(), random_walk(40), quick)
    assert dict(result.metrics) == pytest.approx(dict(result.benchmark.metrics), nan_ok=True)
