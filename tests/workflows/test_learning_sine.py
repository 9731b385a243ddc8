from __future__ import annotations

import math

import pytest

from dltrader.agents import BASELINES
from dltrader.evaluation.backtest import backtest
from dltrader.workflows.backtest import backtest_run
from dltrader.workflows.train import train


def growth(result):
    return math.log(result.equity.iloc[-1] / result.equity.iloc[0])


@pytest.mark.parametrize("engine", ["cerebro", "vector"])
def test_ppo_learns_a_planted_cycle_and_earns_on_later_bars_what_holding_does_not(tmp_path, engine):
    # 224 test bars of a cycle of 20, costs of 15 basis points a side. Seeds 0 to 4, of bars and training alike, grew by
    # 2.10, 2.09, 2.07, 2.08 and 2.07 (22 trades each), buy-and-hold by 0.04 to 0.05, in 5 seconds of one core each.
    run = train("ppo_sine", {"train.engine": engine}, out=tmp_path / "run")
    result = backtest_run(run)
    flat = backtest(BASELINES["flat"](), result.bars, run.config, benchmark=False)
    assert len(result.equity) == 225
    assert growth(flat) == 0.0
    assert -0.2 < growth(result.benchmark) < 0.2
    assert growth(result) > 1.5
    assert growth(result) > growth(result.benchmark) + 1.5
    assert len(result.trades) >= 15
