from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dltrader.benchmarks import parity as module
from dltrader.benchmarks.parity import Parity, measure_parity, random_bars, random_config
from dltrader.envs.market import Market
from dltrader.envs.vector import TradingVectorEnv


def compare(seed):
    generator, found = np.random.default_rng(seed), Parity()
    config = random_config(generator)
    market = Market.build(random_bars(generator), config)
    space = TradingVectorEnv(market, 120, config).action_space
    space.seed(seed)
    found.take(0, config, market, space.sample())
    return found


@settings(max_examples=120)
@given(st.integers(0, 2**31 - 1))
def test_the_vectorised_market_says_what_cerebro_says(seed):
    found = compare(seed)
    assert found.mismatch is None
    assert found.largest <= 1e-12


def test_an_amount_of_everything_is_compared():
    found = measure_parity(episodes=30, seed=1)
    assert found.episodes == 30
    assert found.bars > 1_000
    assert found.fills > 1_000
    assert found.refusals > 5
    assert found.mismatch is None


def test_a_market_that_differs_is_found_with_its_first_bar(monkeypatch):
    class Generous(TradingVectorEnv):
        def step(self, actions):
            observation, rewards, *rest = super().step(actions)
            return observation, rewards + (self.lanes.bar > 20) * 1e-6, *rest

    monkeypatch.setattr(module, "TradingVectorEnv", Generous)
    found = measure_parity(episodes=3, seed=0).mismatch
    assert found.what == "reward"
    assert found.vector > found.cerebro
    assert found.bar >= 10
