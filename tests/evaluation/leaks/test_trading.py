"""Backtests in the library's own engine: nothing leaks, and what would is seen at every bar."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dltrader.envs.cerebro import TradingEnv
from dltrader.envs.contract import EnvConfig
from dltrader.errors import ConfigError
from dltrader.evaluation.leaks import Plan, Subject, check
from dltrader.evaluation.leaks.environment import CONTEXT, apart, random_backtest, reward_labels, together
from dltrader.evaluation.leaks.plan import LONG
from market_bars import random_walk

CONFIG = EnvConfig(window_bars=3, features=["log_return"], scaling="none")
START = random_walk(70).index[8]
PLAN = Plan(trades=2, cuts=3)


def report(*, n_instruments=1, **rules):
    frames = {f"i{i}": random_walk(70, i) for i in range(n_instruments)}
    config = EnvConfig.from_mapping(CONFIG.to_mapping() | rules)
    subject = Subject(
        "engine",
        frames,
        pd.DatetimeIndex(frames["i0"].index),
        trades=(random_backtest(config, START),),
        labels=(reward_labels(config, START),),
    )
    return check(subject, PLAN)


@pytest.mark.parametrize("sizing", ["at_open", "at_close"])
@pytest.mark.parametrize("n_instruments", [1, 2])
def test_engine_of_the_library_knows_no_later_bar_and_no_close_at_a_fill(sizing, n_instruments):
    found = report(n_instruments=n_instruments, sizing=sizing)
    assert found.ok, found.findings
    looked = {(each.stage, each.what): each for each in found.checked}
    everywhere = looked[("fills", "bars put right one by one, their close last")]
    assert everywhere.bars == everywhere.of > 20


def test_observation_that_shows_the_next_bar_is_caught_at_the_first_decision(monkeypatch):
    honest = TradingEnv._observe

    def ahead(self):
        observed = honest(self)
        stop = min(self._bar + 2, len(self.market))
        return observed | {"market": self.market.features[stop - 3 : stop].copy()}

    monkeypatch.setattr(TradingEnv, "_observe", ahead)
    found = report()
    (finding,) = found.findings
    assert finding.stage == "observations"
    assert finding.time == START
    assert finding.difference > 0


def test_reward_of_the_step_before_is_caught_as_standing_too_late():
    class Late:
        def __init__(self):
            self.before = 0.0

        def __call__(self, step):
            reward, step.memory["before"] = step.memory.get("before", 0.0), np.log(step.equity / step.equity_before)
            return reward

    frames = {"A": random_walk(70)}
    config = CONFIG.model_copy(update={"reward": Late()})
    subject = Subject("late", frames, pd.DatetimeIndex(frames["A"].index), labels=(reward_labels(config, START),))
    (finding,) = check(subject, PLAN).findings
    assert finding.stage == "rewards"
    assert "too late" in finding.reason


def test_seen_markets_travel_beside_the_traded_ones():
    traded, context = {"A": random_walk(5)}, {"A": random_walk(6), "SPY": random_walk(7)}
    both = together(traded, context)
    assert list(both) == ["A", f"{CONTEXT}A", f"{CONTEXT}SPY"]
    back = apart(both)
    assert [len(frame) for part in back for frame in part.values()] == [5, 6, 7]


def test_plan_looks_at_every_bar_at_every_so_many_or_at_a_sample():
    assert len(Plan().offsets(40, 3_000)) == 40
    assert len(Plan(every=4).offsets(40, 3_000)) == 10
    assert len(Plan(sample=300).offsets(40, 3_000)) == 4
    assert len(Plan().offsets(40, 10 * LONG)) == 4
    assert len(Plan().offsets(40, 25)) == 25
    with pytest.raises(ConfigError, match="--every or --sample"):
        Plan(every=2, sample=5)
    with pytest.raises(ConfigError, match="sample counts bars, from 1 on, was 0"):
        Plan(sample=0)
