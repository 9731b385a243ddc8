from __future__ import annotations

import pytest

from dltrader.agents.baselines import BuyAndHold
from dltrader.envs.contract import Costs
from dltrader.evaluation.backtest import backtest
from dltrader.evaluation.lockstep import in_lockstep, is_memoryless
from market_bars import random_walk
from small_runs import action_of, untrained

BARS = random_walk(120, 6)


@pytest.mark.parametrize("name", ["ppo", "sac", "qrdqn", "q_table"])
def test_backtests_in_lockstep_are_those_one_by_one(name):
    policy = untrained(2, agent={"name": name})
    assert policy.env_config.action.name == action_of(name)
    costs = [Costs(commission=cost, slippage=0.0) for cost in (0.0, 0.001, 0.01)]

    def tried(one, trader):
        return backtest(trader, BARS, policy.env_config.model_copy(update={"costs": one}), benchmark=False)

    together = in_lockstep(policy, [lambda trader, one=one: tried(one, trader) for one in costs])
    for one, found in zip(costs, together, strict=True):
        alone = tried(one, policy)
        assert found.equity.tolist() == pytest.approx(alone.equity.tolist(), rel=1e-4)
        assert len(found.orders) == len(alone.orders)
    assert len({float(found.equity.iloc[-1]) for found in together}) == 3


def test_what_remembers_is_not_asked_in_lockstep():
    assert is_memoryless(untrained())
    assert not is_memoryless(untrained(agent={"name": "recurrent_ppo"}))
    assert not is_memoryless(BuyAndHold())


def test_one_that_ends_before_the_others_leaves_them_going():
    policy = untrained(2)
    lengths = [30, 90, 60]
    runs = [lambda trader, n=n: backtest(trader, BARS.iloc[: n + 5], benchmark=False) for n in lengths]
    found = in_lockstep(policy, runs)
    assert [len(each.equity) for each in found] == [len(backtest(policy, BARS.iloc[: n + 5]).equity) for n in lengths]
    assert found[1].equity.tolist() == pytest.approx(
        backtest(policy, BARS.iloc[:95], benchmark=False).equity.tolist(), rel=1e-4
    )


def test_what_one_of_them_raises_is_raised():
    def broken(trader):
        trader.predict(None)
        raise AssertionError("not reached")

    def wrong(trader):
        del trader
        raise ValueError("why")

    with pytest.raises(ValueError, match="why"):
        in_lockstep(untrained(), [broken, wrong])
