from __future__ import annotations

import math

import numpy as np
import pytest

from dltrader.benchmarks import lanes_speed
from dltrader.benchmarks.lanes_speed import market_of, stepping_tasks
from dltrader.envs.contract import EnvConfig


@pytest.fixture
def market(monkeypatch):
    monkeypatch.setattr(lanes_speed, "CEREBRO_STEPS", 50)
    monkeypatch.setattr(lanes_speed, "STEPS", 20)
    return market_of(600, EnvConfig())


def test_every_task_measures_a_positive_number(market):
    tasks = stepping_tasks(market, [1, 1_024])
    assert list(tasks) == [
        "bare Cerebro", "TradingEnv", "1 lane", "1,024 lanes", "1 lane, windows", "1,024 lanes, windows",
    ]  # fmt: skip
    speeds = [measure() for measure in tasks.values()]
    assert all(math.isfinite(speed) and speed > 0 for speed in speeds)


def test_every_lane_orders_on_every_bar(market, monkeypatch):
    made = []

    class Recorded(lanes_speed.TradingVectorEnv):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            self.seen = []
            made.append(self)

        def step(self, actions):
            self.seen.append(actions.copy())
            return super().step(actions)

    monkeypatch.setattr(lanes_speed, "TradingVectorEnv", Recorded)
    tasks = stepping_tasks(market, [8])
    assert made == []  # environments are made when their turn has come
    tasks["8 lanes"]()
    tasks["8 lanes, windows"]()
    bare, windowed = made
    for env in made:
        actions = np.array(env.seen)  # (steps, lanes)
        assert actions.shape == (20, 8)
        assert (np.diff(actions, axis=0) != 0).all()
        assert set(np.unique(actions)) == {0, 1, 2}
    assert "market" in windowed.single_observation_space.spaces
    assert "market" not in bare.single_observation_space.spaces
