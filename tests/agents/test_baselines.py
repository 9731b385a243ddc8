from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dltrader.agents import BASELINES
from dltrader.agents.baselines import BuyAndHold, ConstantExposure, Flat, RandomTrader, SMACross
from dltrader.agents.policy import Adapting, Policy
from dltrader.envs.cerebro import TradingEnv
from dltrader.envs.contract import Costs, EnvConfig
from dltrader.envs.market import Market
from dltrader.errors import ConfigError
from dltrader.evaluation.backtest import backtest
from market_bars import flat_then, random_walk

N_BARS = 90


def bars_of_market(n_instruments):
    return {f"i{i}": random_walk(N_BARS, seed=10 + i) for i in range(n_instruments)}


@pytest.fixture(params=BASELINES)
def baseline(request):
    return BASELINES[request.param]()


@pytest.fixture(params=[1, 3], ids=["one", "several"])
def bars(request):
    return bars_of_market(request.param)


# The contract: whatever is registered is put through these.


def test_a_baseline_is_a_policy_that_adapts_and_knows_its_name(baseline):
    assert isinstance(baseline, Policy)
    assert isinstance(baseline, Adapting)
    assert BASELINES[baseline.name] is type(baseline)


def test_a_baseline_keeps_cash_costs_and_limits(baseline, quick):
    config = quick.model_copy(
        update={
            "cash": 777.0,
            "costs": Costs(commission=0.02),
            "lot_size": 0.5,
            "sizing": "at_close",
            "allow_short": False,
        }
    )
    adapted = baseline.adapt(config)
    for field in ["cash", "costs", "lot_size", "sizing", "allow_short", "leverage", "reward"]:
        assert getattr(adapted, field) == getattr(config, field)
    # What it was changed to is a configuration that could have been written.
    assert EnvConfig.from_mapping(adapted.to_mapping()) == adapted


def test_a_baseline_adapts_an_environment_with_a_reward_of_the_users_own(baseline, quick):
    def mine(step):
        return 0.0

    adapted = baseline.adapt(quick.model_copy(update={"reward": mine}))
    assert adapted.reward is mine


def test_every_action_is_one_of_the_space(baseline, bars, quick):
    env = TradingEnv(bars, baseline.adapt(quick))
    observation, _ = env.reset()
    state, steps, done = None, 0, False
    while not done:
        action, state = baseline.predict(observation, state, np.array([steps == 0]), deterministic=True)
        assert np.shape(action) == env.action_space.shape
        assert env.action_space.contains(action) or env.action_space.contains(np.int64(action))
        observation, _, terminated, truncated, _ = env.step(action)
        steps, done = steps + 1, terminated or truncated
    assert steps == len(env.market) - env.market.first - 1


@pytest.mark.parametrize("batch", [1, 4])
def test_a_batch_gets_one_action_for_each(baseline, bars, quick, batch):
    config = baseline.adapt(quick)
    market = Market.build(bars, config)
    rows = range(market.first, market.first + batch)
    observation = {
        "market": np.stack([market.features[row + 1 - config.window_bars : row + 1] for row in rows]),
        "account": np.zeros((batch, 2 * len(bars)), np.float32),
    }
    actions, _ = baseline.predict(observation, None, np.ones(batch, bool))
    assert actions.shape == (batch, *config.action_space(len(bars)).shape)
    if isinstance(baseline, RandomTrader):
        return  # one draw for all of a batch is not the first draw of each
    alone = [baseline.predict({key: value[i] for key, value in observation.items()})[0] for i in range(batch)]
    np.testing.assert_array_equal(actions, alone)


def test_a_second_backtest_is_the_same_to_the_bit(baseline, bars, quick):
    first, second = (backtest(baseline, bars, quick, benchmark=False) for _ in range(2))
    assert first.policy == baseline.name
    assert first.equity.equals(second.equity)
    assert first.orders.equals(second.orders)
    assert len(first.equity) > 30


# Each by itself.


def test_flat_never_trades(bars, quick):
    result = backtest(Flat(), bars, quick)
    assert len(result.orders) == 0
    assert (result.equity == 100_000.0).all()
    assert len(result.benchmark.orders) == len(bars)


@pytest.mark.parametrize("sizing", ["at_open", "at_close"])
def test_buy_and_hold_buys_once_per_instrument(bars, quick, sizing):
    result = backtest(BuyAndHold(), bars, quick.model_copy(update={"sizing": sizing}))
    assert sorted(result.orders["instrument"]) == sorted(bars)
    assert set(result.orders["side"]) == {"buy"}
    held = result.position[result.position.ne(0).all(axis=1)]
    assert len(held) > 80
    assert (held == held.iloc[0]).all(axis=None)
    # Nearly all the money is spent, and in equal shares.
    shares = (result.orders["size"] * result.orders["price"] / 100_000).to_numpy()
    np.testing.assert_allclose(shares, 1 / len(bars), atol=0.03)


def test_random_draws_buys_sells_and_holds(quick):
    result = backtest(RandomTrader(), random_walk(400), quick)
    # Steps of one full position: from -1 over 0 to 1 and never further.
    assert set(np.sign(result.position["asset"])) == {-1.0, 0.0, 1.0}
    assert result.exposure["asset"].abs().max() < 1.3
    assert 100 < len(result.orders) < 300
    assert {"buy", "sell"} == set(result.orders["side"])


def test_random_without_short_selling_is_never_short(quick):
    result = backtest(RandomTrader(), random_walk(200), quick.model_copy(update={"allow_short": False}))
    assert result.position["asset"].min() == 0.0
    assert len(result.orders) > 20


def test_random_draws_otherwise_with_another_seed(quick):
    bars = random_walk(100)
    equities = [backtest(RandomTrader(seed=seed), bars, quick, benchmark=False).equity for seed in (0, 1)]
    assert not equities[0].equals(equities[1])


@pytest.mark.parametrize(("fast_bars", "slow_bars"), [(3, 10), (5, 20), (10, 30)])
def test_sma_cross_holds_what_pandas_computes(bars, quick, fast_bars, slow_bars):
    result = backtest(SMACross(fast_bars=fast_bars, slow_bars=slow_bars), bars, quick)
    changes = 0
    for name, frame in bars.items():
        averages = [frame["close"].rolling(window).mean() for window in (fast_bars, slow_bars)]
        # Decided at one close, held at the next.
        expected = (averages[0] > averages[1]).shift(1, fill_value=False).loc[result.equity.index]
        expected.iloc[0] = False
        np.testing.assert_array_equal(result.position[name] > 0, expected)
        changes += expected.astype(int).diff().abs().sum()
    assert changes > 0
    assert len(result.orders) == changes
    assert (result.position >= 0).all(axis=None)
    assert len(result.equity) == N_BARS - slow_bars + 1


def test_sma_cross_of_closes_themselves(quick):
    bars = random_walk(60)
    result = backtest(SMACross(fast_bars=1, slow_bars=2), bars, quick)
    rose = (bars["close"].diff() > 0).shift(1, fill_value=False).loc[result.equity.index]
    np.testing.assert_array_equal(result.position["asset"].iloc[1:] > 0, rose.iloc[1:])


@pytest.mark.parametrize(("fast_bars", "slow_bars"), [(50, 50), (60, 20)])
def test_sma_cross_wants_its_averages_in_order(fast_bars, slow_bars):
    with pytest.raises(ConfigError) as caught:
        SMACross(fast_bars=fast_bars, slow_bars=slow_bars)
    assert str(caught.value) == f"fast_bars must be below slow_bars {slow_bars}, was {fast_bars}"


def test_constant_exposure_is_traded_back_to_on_every_bar(bars, free):
    result = backtest(ConstantExposure(weights=(0.6,)), bars, free.model_copy(update={"lot_size": 0.0}))
    # At the close an exposure of w has become w (1 + r) / (1 + w r) by the bar's return since the open, r.
    returns = pd.DataFrame({name: frame["close"] / frame["open"] - 1 for name, frame in result.bars.items()}).iloc[1:]
    weight = 0.6 / len(bars)
    worth = 1 + weight * returns.sum(axis=1)
    expected = (weight * (1 + returns)).div(worth, axis=0)
    np.testing.assert_allclose(result.exposure.iloc[1:], expected, rtol=1e-6)
    assert len(result.orders) == returns.size


def test_constant_exposures_may_differ_between_instruments(free):
    weights = (0.5, -0.25, 0.0)
    result = backtest(ConstantExposure(weights=weights), bars_of_market(3), free)
    np.testing.assert_allclose(result.exposure.iloc[1:].mean(), weights, atol=0.005)


def test_constant_exposure_is_a_multiple_of_the_leverage(free):
    result = backtest(ConstantExposure(weights=(0.75,)), random_walk(90), free.model_copy(update={"leverage": 2.0}))
    assert result.exposure["asset"].iloc[1:].mean() == pytest.approx(1.5, abs=0.01)


def test_constant_exposure_of_nothing_never_trades(quick):
    assert len(backtest(ConstantExposure(weights=(0.0,)), random_walk(60), quick).orders) == 0


@pytest.mark.parametrize(("weights", "found"), [((1.5,), "[1.5]"), ((0.8, -0.3), "[0.8, -0.3]")])
def test_constant_exposure_beyond_the_account_is_refused(weights, found):
    with pytest.raises(ConfigError) as caught:
        ConstantExposure(weights=weights)
    assert str(caught.value) == (
        f"weights must add up to at most 1 in absolute value, was {found}; they are multiples of the leverage, "
        "so divide exposures by it"
    )


def test_constant_exposure_of_other_instruments_is_refused(quick):
    with pytest.raises(ConfigError) as caught:
        backtest(ConstantExposure(weights=(0.2, 0.3)), bars_of_market(3), quick)
    assert str(caught.value) == ("weights must be 1 or 3 number(s), as there are 3 instrument(s), was [0.2, 0.3]")


def test_a_baseline_is_a_configuration():
    assert SMACross.from_mapping({"name": "sma_cross", "fast_bars": 5}) == SMACross(fast_bars=5)
    with pytest.raises(ConfigError, match="unknown key 'fast'; did you mean 'fast_bars'"):
        SMACross.from_mapping({"fast": 5})


def test_the_baselines_are_in_the_order_of_the_tables():
    assert list(BASELINES)[:5] == ["buy_and_hold", "flat", "random", "sma_cross", "constant_exposure"]
    assert pd.Index(BASELINES).is_unique


def test_sma_cross_stays_flat_while_the_averages_are_equal(quick):
    assert len(backtest(SMACross(fast_bars=2, slow_bars=5), flat_then(*[100.0] * 30), quick).orders) == 0
