"""Weights of which small changes are not traded."""

from dataclasses import replace

import numpy as np
import pytest

from dltrader.benchmarks.parity import Parity
from dltrader.benchmarks.parity_cases import drawn_case
from dltrader.envs.actions import TargetWeight
from dltrader.envs.cerebro import TradingEnv
from dltrader.envs.contract import EnvConfig
from market_bars import random_walk


def keeping(least_change, n_bars=80, **env):
    """Fills of one who enters with half of the account and then asks for what is held."""
    action = {"name": "target_weight", "least_change": least_change}
    config = EnvConfig.from_mapping(
        {"window_bars": 1, "features": ["log_return"], "scaling": "none", "action": action} | env
    )
    traded = TradingEnv(random_walk(n_bars, 3), config)
    observation, _ = traded.reset()
    fills, ended, weight = [], False, np.array([0.5], np.float32)
    while not ended:
        observation, _, terminated, truncated, info = traded.step(weight)
        fills += info["fills"]
        weight, ended = observation["account"][:1] / np.float32(config.leverage), terminated or truncated
    return fills


def test_the_default_trades_every_change_and_is_not_written():
    assert TargetWeight().to_mapping() == {"name": "target_weight"}
    assert TargetWeight(least_change=0.1).to_mapping() == {"name": "target_weight", "least_change": 0.1}
    assert len(keeping(0.0)) > 40


@pytest.mark.parametrize("leverage", [1.0, 3.0])
@pytest.mark.parametrize("sizing", ["at_open", "at_close"])
def test_whoever_asks_for_what_is_held_sends_no_order(leverage, sizing):
    assert len(keeping(1e-6, leverage=leverage, sizing=sizing)) == 1


def test_a_change_beyond_it_is_traded():
    config = EnvConfig(
        window_bars=1, features=["log_return"], scaling="none", action=TargetWeight(least_change=0.1), lot_size=0
    )
    env = TradingEnv(random_walk(20, 1, volatility=0.001), config)
    env.reset()
    traded = [len(env.step(np.array([weight], np.float32))[4]["fills"]) for weight in (0.05, 0.5, 0.55, 0.65, 0.0)]
    assert traded == [0, 1, 0, 1, 1]


@pytest.mark.parametrize("least_change", [1e-6, 0.2])
def test_both_engines_agree_on_every_bar(least_change):
    found = Parity()
    for number in range(100):
        case = drawn_case(3, number)
        if isinstance(case.config.action, TargetWeight):
            action = TargetWeight(least_change=least_change)
            found.take(replace(case, config=case.config.model_copy(update={"action": action})))
    assert found.episodes > 5
    assert found.mismatch is None
