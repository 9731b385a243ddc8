from __future__ import annotations

import math

import numpy as np
import pytest

from dltrader.agents.baselines import BuyAndHold, Flat
from dltrader.benchmarks.planted import recovery
from dltrader.benchmarks.planted.bars import planted
from dltrader.benchmarks.planted.best import BestPolicy
from dltrader.benchmarks.planted.recovery import measure_planted, share_interval, share_of
from dltrader.errors import ConfigError
from dltrader.runs import ExperimentConfig
from market_bars import random_walk
from small_runs import experiment

CHANGES = {"env.features": ["gap"], "env.window_bars": 1, "env.lot_size": 0, "train.total_timesteps": 128}
SMALL = ExperimentConfig.from_mapping(experiment(CHANGES))
LONG_TEST = SMALL.with_overrides({"data.validation_start": 0.1, "data.test_start": 0.2})
MARKETS = {"a": random_walk(800)}
SHORT = {"a": random_walk(200)}


def measured_with(monkeypatch, policy_of, strength=0.5, seeds=(0, 1, 2)):
    """What is measured where training gives a policy that is known."""
    monkeypatch.setattr(recovery, "trained_on", policy_of)
    (found,) = measure_planted(LONG_TEST, MARKETS, strengths=[strength], seeds=seeds)
    return found


def test_the_best_policy_recovers_all(monkeypatch):
    bars_of = {}

    def best(experiment, bars):
        made = bars_of["made"]
        return BestPolicy(made, experiment.env)

    def remembered(*arguments, **options):
        bars_of["made"] = planted(*arguments, **options)
        return bars_of["made"]

    monkeypatch.setattr(recovery, "planted", remembered)
    found = measured_with(monkeypatch, best)
    assert found.reached == found.recoverable
    assert found.share == 1.0
    assert found.interval == (1.0, 1.0)
    assert min(found.recoverable) > 2.0
    assert np.mean(found.measured) == pytest.approx(0.5, abs=0.06)


def test_holding_recovers_nothing(monkeypatch):
    found = measured_with(monkeypatch, lambda *_: BuyAndHold(), seeds=range(5))
    assert found.reached == found.held
    assert abs(found.share) < 0.12
    low, high = found.interval
    assert low < 0 < high


def test_doing_nothing_recovers_nothing(monkeypatch):
    found = measured_with(monkeypatch, lambda *_: Flat())
    assert (found.share, found.interval) == (0.0, (0.0, 0.0))


def test_an_agent_finds_a_strong_signal_out_of_sample():
    learning = SMALL.with_overrides(
        {
            "data.validation_start": 0.5,
            "data.test_start": 0.6,
            "env.episode_bars": 100,
            "env.random_start": True,
            "agent.learning_rate": 0.003,
            "agent.gamma": 0.9,
            "agent.n_steps": 32,
            "agent.batch_size": 256,
            "train": {"total_timesteps": 20_480, "n_envs": 32, "evaluate_every": 20_480},
        }
    )
    (found,) = measure_planted(learning, MARKETS, strengths=[0.6], seeds=[0])
    assert found.share > 0.7
    assert found.reached[0] > 2.0
    assert found.agent == "ppo (mlp)"


def test_the_seed_decides_and_every_training_is_watched():
    seen = []
    options = {"strengths": [0.2, 0.4], "seeds": [0, 1]}
    found = measure_planted(SMALL, SHORT, **options, watch=lambda key, _: seen.append(key))
    assert seen == [("a", 0.2, 0), ("a", 0.2, 1), ("a", 0.4, 0), ("a", 0.4, 1)]
    again = measure_planted(SMALL, SHORT, strengths=[0.4], seeds=[1])[0]
    assert again.reached == (found[1].reached[1],)
    assert again.recoverable == (found[1].recoverable[1],)
    assert found[0].reached[0] != found[0].reached[1]
    written = found[0].to_mapping()
    assert (written["market"], written["strength"], len(written["measured"])) == ("a", 0.2, 2)
    assert written["share"] == found[0].share


def test_what_cannot_be_planted_is_refused_before_anything_is_trained(monkeypatch):
    monkeypatch.setattr(recovery, "trained_on", lambda *_: pytest.fail("trained"))
    with pytest.raises(ConfigError, match=r"was 0\.9"):
        measure_planted(SMALL, MARKETS, strengths=[0.2, 0.9], seeds=[0])


def test_a_share_is_a_ratio_of_means():
    assert share_of([1.0, 3.0], [2.0, 8.0]) == pytest.approx(0.4)
    assert math.isnan(share_of([1.0], [-1.0]))
    low, high = share_interval([1.0, 3.0], [2.0, 8.0])
    assert (low, high) == (0.375, 0.5)  # twice the second, twice the first
    assert all(map(math.isnan, share_interval([1.0, 1.0], [-1.0, 3.0])))
