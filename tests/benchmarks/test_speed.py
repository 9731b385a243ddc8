from __future__ import annotations

import json
import math

import pytest

from dltrader.benchmarks import lanes_speed, speed
from dltrader.benchmarks.learning_speed import WAYS
from dltrader.benchmarks.speed import GROWTH, PEAK, QUICK, measure_speed
from dltrader.files import write_json

SIZES = {"bars": 700, "features": 8, "lanes": 16, "n_steps": 8}


@pytest.fixture
def small(monkeypatch, small_learning):
    monkeypatch.setattr(lanes_speed, "CEREBRO_STEPS", 40)
    monkeypatch.setattr(lanes_speed, "STEPS", 10)
    monkeypatch.setattr(speed, "GROWING_LANES", 8)
    monkeypatch.setattr(speed, "TOGETHER", 4)
    monkeypatch.setattr(speed, "peak_of_training", lambda **sizes: sum(sizes.values()))


@pytest.fixture
def watched():
    return []


@pytest.fixture
def found(small, watched):
    return measure_speed(bars=600, repeats=1, growth=[600, 700], lanes=[1, 4], peak=SIZES, watch=watched.append)


def test_everything_is_measured(found, watched, tmp_path):
    assert list(found.stepping) == [
        "bare Cerebro", "TradingEnv", "1 lane", "4 lanes", "1 lane, windows", "4 lanes, windows",
    ]  # fmt: skip
    assert list(found.learning) == ["mlp", "lstm", "attention"]
    assert all(tuple(ways) == WAYS for ways in found.learning.values())
    assert list(found.growth) == [
        "TradingEnv",
        "8 lanes",
        "8 lanes, windows",
        "PPO, mlp",
        "PPO, mlp, 4 lanes an episode",
    ]
    assert all(list(costs) == [600, 700] for costs in found.growth.values())
    tables = [found.stepping, *found.learning.values(), *found.growth.values()]
    assert all(math.isfinite(value) and value > 0 for table in tables for value in table.values())
    assert found.peak == SIZES | {"bytes": sum(SIZES.values())}
    assert (found.bars, found.repeats) == (600, 1)
    assert int(found.machine["cores"]) > 0
    assert {"python", "numpy", "torch", "stable-baselines3", "backtrader"} <= found.machine.keys()
    learning = [f"learning with {extractor}" for extractor in found.learning]
    assert watched == ["stepping", *learning, "growth", "memory"]

    write_json(tmp_path / "speed.json", found.to_mapping())
    read = json.loads((tmp_path / "speed.json").read_text())
    assert read["stepping"] == found.stepping
    assert read["growth"]["8 lanes"] == {str(bars): cost for bars, cost in found.growth["8 lanes"].items()}


def test_markets_of_all_sizes_take_turns_in_growth(small, monkeypatch):
    order = []

    def stepping(market, lanes):
        # The larger the market, the slower; and one measurement of three is far off.
        def measure():
            order.append(len(market))
            return 1e9 if len(order) < 3 else 1e6 / len(market)

        return {"bare Cerebro": pytest.fail, "TradingEnv": measure}

    monkeypatch.setattr(speed, "stepping_tasks", stepping)
    monkeypatch.setattr(speed, "learning_tasks", lambda *_: {WAYS[-1]: lambda: 2.0})
    monkeypatch.setattr(speed, "together_task", lambda *_: lambda: 4.0)
    found = speed._growth([600, 700], speed.EnvConfig(), 3)
    assert order == [600, 700] * 3
    assert found["TradingEnv"] == pytest.approx({600: 600.0, 700: 700.0})
    assert found["PPO, mlp"] == {600: 5e5, 700: 5e5}
    assert found["PPO, mlp, 4 lanes an episode"] == {600: 2.5e5, 700: 2.5e5}


def test_quick_measures_part_of_the_same():
    assert QUICK["repeats"] == 1
    assert set(QUICK["growth"]) < set(GROWTH)
    assert set(QUICK["lanes"]) < set(lanes_speed.LANES)
    assert QUICK["peak"].keys() == PEAK.keys()
    assert all(QUICK["peak"][name] < PEAK[name] for name in PEAK)
