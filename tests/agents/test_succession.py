from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dltrader.agents.baselines import BuyAndHold
from dltrader.agents.succession import Succession
from dltrader.envs.contract import Costs, EnvConfig
from dltrader.errors import BundleError, ConfigError
from dltrader.evaluation.backtest import backtest
from dltrader.features import Pipeline
from market_bars import random_walk
from small_runs import untrained

SHORT, FLAT, LONG = 0, 1, 2


class Always:
    """Asks for one thing for ever, and keeps what it was shown."""

    def __init__(self, action, config=None, pipeline=None):
        self.action, self.env_config, self.pipeline = action, config, pipeline
        self.name = f"always {action}"
        self.shown = []

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        self.shown.append((observation, state, bool(episode_start[0])))
        return self.action, (0 if state is None else state) + 1


@pytest.fixture
def bars():
    return random_walk(60, seed=3)


@pytest.fixture
def config():
    return EnvConfig(
        window_bars=3, features=["log_return"], scaling="none", lot_size=0, costs=Costs(commission=0.01, slippage=0.002)
    )


def same(one, other):
    pd.testing.assert_series_equal(one.equity, other.equity, check_exact=True)
    pd.testing.assert_frame_equal(one.position, other.position, check_exact=True)
    pd.testing.assert_frame_equal(one.orders, other.orders, check_exact=True)
    pd.testing.assert_frame_equal(one.trades, other.trades, check_exact=True)
    assert dict(one.metrics) == dict(other.metrics)


@pytest.mark.parametrize("name", ["ppo", "recurrent_ppo"])
def test_the_same_policy_after_itself_is_that_policy(name):
    policy = untrained(seed=4, agent={"name": name})
    frame = random_walk(160, seed=9)
    starts = [frame.index[i] for i in (40, 70, 71, 120)]
    alone = backtest(policy, frame, start=starts[0])
    assert len(alone.orders) > 10
    same(backtest(Succession([policy] * 4, starts), frame, start=starts[0]), alone)


def test_until_the_border_a_fold_is_its_own_backtest_and_the_next_one_finds_its_position():
    first, second = untrained(seed=4), untrained(seed=5)
    frame = random_walk(160, seed=9)
    start, border = frame.index[40], frame.index[100]
    both = backtest(Succession([first, second], [start, border]), frame, start=start)
    alone = backtest(first, frame.loc[:border], start=start)
    pd.testing.assert_series_equal(both.equity.loc[:border], alone.equity, check_exact=True)
    pd.testing.assert_frame_equal(both.position.loc[:border], alone.position, check_exact=True)
    upto = both.orders[both.orders["time"] <= border].reset_index(drop=True)
    pd.testing.assert_frame_equal(upto, alone.orders, check_exact=True)
    assert not both.equity.equals(backtest(first, frame, start=start).equity)
    assert both.policy == "ppo (mlp)"


def test_a_position_is_carried_over_a_border_without_an_order(bars, config):
    start, border = bars.index[10], bars.index[30]
    carried = backtest(Succession([Always(LONG), Always(LONG)], [start, border]), bars, config, start=start)
    assert len(carried.orders) == 1
    same(carried, backtest(Always(LONG), bars, config, start=start))
    held = carried.benchmark
    pd.testing.assert_series_equal(carried.equity, held.equity, check_exact=True)


@pytest.mark.parametrize(("then", "fills"), [(FLAT, 1), (SHORT, 1), (LONG, 0)])
def test_a_change_at_a_border_is_paid_for_once(then, fills, bars, config):
    start, border = bars.index[10], bars.index[30]
    result = backtest(Succession([Always(LONG), Always(then)], [start, border]), bars, config, start=start)
    later = result.orders[result.orders["time"] > border]
    assert len(result.orders) == 1 + fills
    if not fills:
        return
    (sale,) = later.itertuples()
    assert sale.time == bars.index[31]  # decided at the close of the border, filled at the next open
    units = result.position["asset"]
    assert sale.size == pytest.approx(units[border] - units[bars.index[31]])
    price = max(bars["open"].iloc[31] * 0.998, bars["low"].iloc[31])
    assert sale.price == pytest.approx(price)
    assert sale.commission == pytest.approx(0.01 * sale.size * price)
    cash = result.equity[border] - units[border] * bars["close"].iloc[30]
    expected = cash + sale.size * price - sale.commission + units[bars.index[31]] * bars["close"].iloc[31]
    assert result.equity[bars.index[31]] == pytest.approx(expected)


def test_each_sees_its_own_features_and_begins_without_a_memory(bars):
    config = EnvConfig(window_bars=3, features=["log_return"], scaling="train")
    parts = [Pipeline(config.features, config.scaling).fit(bars.iloc[cut]) for cut in (slice(0, 20), slice(20, 60))]
    one, two = (Always(action, config, fitted) for action, fitted in zip((LONG, FLAT), parts, strict=True))
    starts = [bars.index[i] for i in (10, 30, 50)]
    backtest(Succession([one, two, one], starts), bars, start=starts[0], benchmark=False)
    for policy, rows in ((one, [*range(10, 30), *range(50, 59)]), (two, range(30, 50))):
        values = policy.pipeline.matrix(bars)
        offset = len(bars) - len(values)
        for (observation, _, _), row in zip(policy.shown, rows, strict=True):
            expected = values[row + 1 - 3 - offset : row + 1 - offset]
            np.testing.assert_array_equal(observation["market"], expected)
    begun = [(state, begins) for _, state, begins in one.shown]
    assert begun[0] == begun[20] == (None, True)
    assert begun[1] == begun[21] == (1, False)
    assert begun[19] == (19, False)


def test_before_the_first_start_the_first_decides(bars, config):
    late = Succession([Always(LONG), Always(FLAT)], [bars.index[20], bars.index[40]])
    result = backtest(late, bars, config, start=bars.index[10], benchmark=False)
    assert result.orders["time"].tolist() == [bars.index[11], bars.index[41]]
    assert result.policy == "always 2 then always 1"


@pytest.mark.parametrize(
    ("policies", "starts", "message"),
    [
        ([], [], "a succession needs a start for every policy, was given 0 policies and 0 starts"),
        ([BuyAndHold()], [1, 2], "was given 1 policies and 2 starts"),
        ([BuyAndHold()] * 2, [2, 2], "the starts of a succession must increase, were 2, 2"),
    ],
)
def test_policies_and_starts_go_together(policies, starts, message):
    with pytest.raises(ConfigError, match=message):
        Succession(policies, starts)


def test_policies_that_see_different_things_cannot_follow_each_other(config):
    other = config.model_copy(update={"window_bars": 5})
    with pytest.raises(BundleError, match=r"the policy was trained with env\.window_bars"):
        Succession([Always(LONG, config), Always(LONG, other)], [1, 2])
