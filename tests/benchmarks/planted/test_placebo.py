from __future__ import annotations

import numpy as np
import pytest

from dltrader.agents.baselines import RandomTrader
from dltrader.benchmarks.planted import placebo
from dltrader.benchmarks.planted.placebo import Dose, Placebo, measure_placebo, shuffled
from dltrader.envs.actions import TargetPosition
from dltrader.errors import ConfigError
from dltrader.runs import ExperimentConfig
from market_bars import random_walk
from small_runs import experiment

CHANGES = {"env.costs": {"commission": 0, "slippage": 0}, "env.lot_size": 0, "train.total_timesteps": 128}
SMALL = ExperimentConfig.from_mapping(experiment(CHANGES))
MARKETS = {"a": random_walk(300, 1), "b": random_walk(300, 2)}


class Prophet:
    """Knows the opens to come, which is cheating."""

    name = "prophet"

    def __init__(self, experiment, bars):
        start = experiment.data.cut({"asset": bars}).test[1]
        opened = np.log(bars["open"].to_numpy())
        first = bars.index.searchsorted(start)
        self._choices = np.append(np.where(np.diff(opened[first + 1 :]) > 0, 2, 0), 1)

    def adapt(self, config):
        return RandomTrader().adapt(config).model_copy(update={"action": TargetPosition(levels=(-0.5, 0.0, 0.5))})

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        step = 0 if state is None else state
        return int(self._choices[step]), step + 1


def test_a_cheat_is_found_out(monkeypatch):
    monkeypatch.setattr(placebo, "trained_on", Prophet)
    found = measure_placebo(SMALL, MARKETS, shuffles=4)
    assert (found.false_positives, found.rate) == (4, 1.0)
    assert max(max(row) for row in found.p_values) < 1e-6
    assert found.interval == pytest.approx((0.5101, 1.0), abs=1e-4)
    assert found.too_many


def test_one_who_guesses_is_not(monkeypatch):
    monkeypatch.setattr(placebo, "trained_on", lambda experiment, _: RandomTrader(seed=experiment.seed))
    found = measure_placebo(SMALL, MARKETS, shuffles=30)
    assert found.rate <= 0.1
    assert not found.too_many
    assert abs(found.growth) < 4 * found.growth_error
    assert found.in_market > 0.4


def test_trainings_take_turns_with_markets_and_seeds():
    seen = []
    found = measure_placebo(SMALL, MARKETS, shuffles=2, seeds=2, watch=lambda key, _: seen.append(key))
    assert seen == [(shuffle, seed) for shuffle in range(2) for seed in range(2)]
    assert np.shape(found.p_values) == (2, 2)
    assert found.trainings == 4
    assert len({growth for row in found.growths for growth in row}) == 4
    assert found.markets == ("a", "b")
    assert measure_placebo(SMALL, MARKETS, shuffles=1).growths[0] == found.growths[0][:1]
    assert found.to_mapping()["rate"] == found.rate


def test_seeds_share_the_bars_of_their_shuffle():
    one, same, other = (shuffled(Dose(SMALL, MARKETS["a"], shuffle, 20)) for shuffle in (0, 0, 1))
    assert one.equals(same)
    assert not one.equals(other)


def record(p_values):
    return Placebo("x", ("a",), tuple(tuple(0.0 for _ in row) for row in p_values), p_values, 0.5, 0.1, 10, 1.0)


def test_the_rate_is_judged_by_shuffles():
    many = record(tuple((0.01,) if shuffle < 5 else (0.5,) for shuffle in range(40)))
    assert (many.false_positives, many.rate, many.too_many) == (5, 0.125, True)
    assert not record(tuple((0.01,) if shuffle < 4 else (0.5,) for shuffle in range(40))).too_many
    # Ten seeds that all do the same on four shuffles are four trials, not forty.
    alike = record(((0.01,) * 10,) + ((0.5,) * 10,) * 3)
    assert (alike.false_positives, alike.rate) == (10, 0.25)
    assert not alike.too_many


def test_bad_numbers_are_refused():
    with pytest.raises(ConfigError, match="at least 1 shuffle and 1 seed, was 0 and 1"):
        measure_placebo(SMALL, MARKETS, shuffles=0)
    with pytest.raises(ConfigError, match="block_bars must be from 1 to 298"):
        measure_placebo(SMALL, MARKETS, shuffles=1, block_bars=700)
