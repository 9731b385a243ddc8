from __future__ import annotations

import pytest

from dltrader.data import in_memory
from dltrader.errors import BarsError
from dltrader.runs import ExperimentConfig
from dltrader.workflows.handed_over import bars_for, telling_of
from market_bars import random_walk

LOOKING = ExperimentConfig.load({"env": {"features": ["log_return", {"name": "log_return", "market": "SPY"}]}})


def test_what_is_handed_over_stands_in_the_experiment_by_name():
    named = {"a": random_walk(50), "b": random_walk(50, seed=1)}
    experiment, frames, seen = bars_for(LOOKING, named, {"SPY": random_walk(60, seed=2)})
    assert experiment.data.bars == in_memory(named)
    assert experiment.env.context == in_memory(["SPY"])
    assert list(frames) == ["a", "b"]
    assert list(seen) == ["SPY"]
    assert telling_of(LOOKING, named, {"SPY": named["a"]}) == experiment


def test_without_bars_at_hand_those_are_loaded_that_it_names():
    plain = ExperimentConfig.load({"data": {"bars": "synthetic:gbm?n=40"}})
    experiment, frames, seen = bars_for(plain, None, None)
    assert experiment == plain == telling_of(plain, None, None)
    assert [len(frame) for frame in frames.values()] == [40]
    assert seen == {}


def test_bars_that_break_their_rules_are_refused():
    with pytest.raises(BarsError):
        bars_for(ExperimentConfig(), random_walk(50).iloc[::-1], None)
