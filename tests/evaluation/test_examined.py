from __future__ import annotations

import math

import pytest
import torch

from dltrader.agents.baselines import BuyAndHold
from dltrader.envs.contract import Costs
from dltrader.evaluation.backtest import backtest
from dltrader.evaluation.baselines import LABELS, RANDOM_TRADERS, Baseline, baselines_beside, holding_at
from dltrader.evaluation.evaluation import MEASURED
from dltrader.evaluation.examined import examine, measures_of
from market_bars import random_walk
from small_runs import untrained

BARS = {"asset": random_walk(160, 4)}
START = BARS["asset"].index[90]


@pytest.fixture(scope="module")
def policy():
    return untrained()


@pytest.fixture(scope="module")
def examined(policy):
    return [
        examine(policy, BARS, policy.env_config, start=START, seed=seed, path="p", costs_bp=(0.0, 5.0))
        for seed in (0, 1)
    ]


@pytest.fixture(scope="module")
def baselines(policy, examined):
    return baselines_beside(examined, BARS, policy.env_config)


def test_a_policy_trades_anew_at_every_cost(policy, examined):
    one = examined[0]
    assert one.column == "seed-0"
    own = backtest(policy, BARS, start=START)
    assert one.result.equity.tolist() == own.equity.tolist()
    assert list(one.at_cost) == [0.0, 5.0]
    for cost, commission in ((0.0, 0.0), (5.0, 0.0005)):
        env = policy.env_config.model_copy(update={"costs": Costs(commission=commission, slippage=0.0)})
        result = backtest(policy, BARS, env, start=START)
        assert one.at_cost[cost]["growth"] == pytest.approx(math.log(result.equity.iloc[-1] / result.equity.iloc[0]))
        assert one.at_cost[cost] == pytest.approx(measures_of(result), nan_ok=True)
    assert one.at_cost[0.0]["growth"] > one.at_cost[5.0]["growth"]


def test_draws_are_those_of_the_seed_and_leave_no_trace(policy, examined):
    first, second = examined
    assert first.stochastic["turnover"] != second.stochastic["turnover"]
    torch.manual_seed(3)
    before = torch.get_rng_state()
    again = examine(policy, BARS, policy.env_config, start=START, seed=0, path="p", costs_bp=(0.0,))
    assert dict(again.stochastic) == dict(first.stochastic)
    assert torch.equal(torch.get_rng_state(), before)


def test_baselines_trade_the_same_bars_at_the_same_costs(examined, baselines):
    assert list(baselines) == list(LABELS)
    for baseline in baselines.values():
        assert baseline.why is None
        for result in baseline.results:
            assert result.equity.index.equals(examined[0].result.equity.index)
    assert baselines["buy_and_hold"].results[0] is examined[0].result.benchmark
    assert len(baselines["random"].results) == RANDOM_TRADERS
    assert baselines["same_exposure"].results == [each.result.matched for each in examined]


def test_a_row_says_how_far_the_policy_is_ahead(baselines):
    hold = baselines["buy_and_hold"]
    row = hold.row(0.5)
    growth = math.log(hold.results[0].equity.iloc[-1] / hold.results[0].equity.iloc[0])
    assert (row["label"], row["runs"]) == ("buy and hold", 1)
    assert row["difference"] == pytest.approx(0.5 - growth)
    assert set(MEASURED) <= set(row)
    assert math.isnan(row["growth_low"])
    assert baselines["flat"].row(0.5)["growth"] == 0.0
    random = baselines["random"].row(0.0)
    assert random["growth_low"] < random["growth"] < random["growth_high"]


def test_the_typical_of_several_is_that_of_median_growth(baselines):
    ends = sorted(result.equity.iloc[-1] for result in baselines["random"].results)
    assert baselines["random"].typical.equity.iloc[-1] == ends[RANDOM_TRADERS // 2]
    assert Baseline("random", [], "why").typical is None


def test_averages_that_are_not_warm_say_so(policy):
    early = BARS["asset"].index[30]
    seeds = [examine(policy, BARS, policy.env_config, start=early, seed=0, path="p", costs_bp=(0.0,))]
    late = baselines_beside(seeds, BARS, policy.env_config)["sma_cross"]
    assert late.results == []
    assert late.why == f"its averages are warm only from {BARS['asset'].index[49]:%Y-%m-%d} on; load more history"
    few = {"asset": BARS["asset"].iloc[:50]}
    short = examine(policy, few, policy.env_config, start=early, seed=0, path="p", costs_bp=(0.0,))
    assert "are too few" in baselines_beside([short], few, policy.env_config)["sma_cross"].why


def test_holding_is_dearer_at_higher_costs(policy):
    found = holding_at((0.0, 20.0), BARS, policy.env_config, START)
    result = backtest(
        BuyAndHold(),
        BARS,
        policy.env_config.model_copy(update={"costs": Costs(commission=0.002, slippage=0.0)}),
        start=START,
    )
    assert found[20.0] == pytest.approx(math.log(result.equity.iloc[-1] / result.equity.iloc[0]))
    assert found[0.0] - found[20.0] == pytest.approx(0.002, rel=0.1)
