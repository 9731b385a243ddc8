from __future__ import annotations

import numpy as np
import pytest

from dltrader.agents.baselines import BuyAndHold
from dltrader.benchmarks.planted.bars import planted
from dltrader.benchmarks.planted.best import BestPolicy, levels_of
from dltrader.benchmarks.planted.trainings import growth_of
from dltrader.envs.contract import Costs, EnvConfig
from dltrader.errors import ConfigError
from dltrader.evaluation.backtest import backtest
from market_bars import random_walk

FREE = Costs(commission=0, slippage=0)


@pytest.fixture(scope="module")
def made():
    return planted(random_walk(2000), 0.3, 20, np.random.default_rng(1))


def level(policy, made, signal, held=None):
    """The exposure that it asks for where the gap shows a signal."""
    gap = signal / made.persistence**2 - 0.5 * made.scale**2
    return (-1.0, 0.0, 1.0)[policy.predict({"market": np.array([[gap]])}, held)[0]]


def test_without_costs_it_takes_what_earns_more_than_half_its_variance(made):
    policy = BestPolicy(made, EnvConfig(costs=FREE))
    switch = 0.5 * made.variance
    assert [level(policy, made, switch * part) for part in (-1.05, -0.95, 0.0, 0.95, 1.05)] == [-1, 0, 0, 0, 1]


def test_with_costs_it_keeps_what_it_holds_where_little_speaks_against_it(made):
    policy = BestPolicy(made, EnvConfig())
    assert [level(policy, made, 0.0, held) for held in (0, 1, 2)] == [-1, 0, 1]
    assert [level(policy, made, 3 * made.law.sd, held) for held in (0, 1, 2)] == [1, 1, 1]
    assert [level(policy, made, -3 * made.law.sd, held) for held in (0, 1, 2)] == [-1, -1, -1]


def growth(policy, made, config):
    return growth_of(backtest(policy, made.bars, config, benchmark=False))


class Sign(BestPolicy):
    """Long or short as the signal says, at whatever cost."""

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        return (2 if self._planted.signal_of(float(observation["market"][-1, 0])) > 0 else 0), None


def test_in_cerebro_it_grows_as_was_computed_and_more_than_others(made):
    config = EnvConfig(lot_size=0, costs=Costs(commission=0.005))
    best, sign = growth(BestPolicy(made, config), made, config), growth(Sign(made, config), made, config)
    steps = len(made.bars) - 2
    noise = np.sqrt(made.variance * steps)
    assert best == pytest.approx(BestPolicy(made, config).gain * steps, abs=2 * noise)
    assert best > 6 * noise
    assert best > 1.05 * sign
    assert abs(growth(BuyAndHold(), made, config)) < 3 * noise


def test_twice_as_many_nodes_change_next_to_nothing(made, monkeypatch):
    coarse = BestPolicy(made, EnvConfig()).gain
    monkeypatch.setattr("dltrader.benchmarks.planted.best.PER_SD", 40)
    assert BestPolicy(made, EnvConfig()).gain == pytest.approx(coarse, rel=1e-3)


@pytest.mark.parametrize(
    ("config", "levels"),
    [
        ({}, (-1, 0, 1)),
        ({"allow_short": False}, (0, 1)),
        ({"action": {"name": "target_position", "levels": [-0.5, 0, 0.5]}}, (-0.5, 0, 0.5)),
        ({"action": {"name": "buy_sell_hold", "max_units": 2}}, (-1, -0.5, 0, 0.5, 1)),
        ({"action": "buy_sell_hold", "allow_short": False}, (0, 1)),
    ],
)
def test_it_chooses_among_the_exposures_of_the_agent(config, levels):
    assert levels_of(EnvConfig.from_mapping(config)) == levels


def test_where_any_exposure_may_be_held_it_has_many():
    levels = levels_of(EnvConfig.from_mapping({"action": "target_weight", "leverage": 2}))
    assert (levels[0], levels[20], levels[-1], len(levels)) == (-2, 0, 2, 41)
    assert levels_of(EnvConfig.from_mapping({"action": "target_weight", "allow_short": False}))[0] == 0


def test_costs_of_another_kind_are_refused(made):
    with pytest.raises(ConfigError, match=r"costs\.per_unit 0\.01 and env\.costs\.impact 0; set both to 0"):
        BestPolicy(made, EnvConfig(costs=Costs(per_unit=0.01)))


def test_so_are_actions_that_are_units(made):
    with pytest.raises(ConfigError, match="action trade_units, which counts in units; take target_pos"):
        BestPolicy(made, EnvConfig.from_mapping({"action": "trade_units"}))
