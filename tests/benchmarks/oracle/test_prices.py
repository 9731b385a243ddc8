from __future__ import annotations

import numpy as np
import pytest

from dltrader.benchmarks.oracle.observation import OptimalPolicy
from dltrader.benchmarks.oracle.prices import bars_of, env_config, play_priced
from dltrader.benchmarks.oracle.ritter import Ritter
from dltrader.benchmarks.oracle.score import common_paths, play, score
from dltrader.benchmarks.oracle.solver import solve
from dltrader.benchmarks.oracle.tasks import TASKS, Discrete, Hidden, LinearRisk, Quadratic, before
from dltrader.errors import ConfigError

EVERY = [TASKS[name]() for name in TASKS] + [LinearRisk(band=True), Discrete(psi=4, band=True)]


def label(task):
    return f"{task.label}{' band' if task.band else ''}"


class Restless:
    """Does what comes to its mind, whatever it sees."""

    def __init__(self, task, n_lanes):
        self.space, self.n_lanes = task.action_space, n_lanes
        self.space.seed(3)

    def predict(self, observation, state=None, episode_start=None, deterministic=False):
        return np.stack([self.space.sample() for _ in range(self.n_lanes)]), state


@pytest.mark.parametrize("engine", ["vector", "cerebro"])
@pytest.mark.parametrize("task", EVERY, ids=label)
def test_positions_and_money_are_those_of_the_array_environment(task, engine):
    paths = common_paths(task, n_paths=3, steps=40)
    positions = play(Restless(task, 3), task, paths, window_bars=4)
    played = play_priced(Restless(task, 3), task, paths, window_bars=4, engine=engine)
    np.testing.assert_allclose(played.positions, positions, rtol=0, atol=1e-12)
    money = task.money(paths.paid, before(positions), positions)
    np.testing.assert_allclose(played.money, money, rtol=0, atol=1e-8)
    assert np.abs(np.diff(positions)).max() > 0.5


@pytest.mark.parametrize("engine", ["vector", "cerebro"])
@pytest.mark.parametrize("task", [Hidden(), Quadratic(), Ritter()], ids=label)
def test_a_policy_has_the_same_score_through_prices(task, engine):
    policy, paths = OptimalPolicy(solve(task)), common_paths(task, n_paths=4, steps=60)
    plain = score(policy, task, window_bars=16, paths=paths)
    priced = score(policy, task, window_bars=16, paths=paths, engine=engine)
    np.testing.assert_allclose(priced.reached, plain.reached, rtol=1e-8, atol=1e-9)
    assert priced.fraction == pytest.approx(plain.fraction, abs=1e-8)


def test_a_unit_held_over_a_bar_earns_the_signal_and_the_volume_shows_it():
    task = Discrete()
    paths = common_paths(task, n_paths=2, steps=5)
    bars = bars_of(task, paths, 3)[0]
    assert len(bars) == 1 + 3 + 5
    np.testing.assert_allclose((bars["close"] - bars["open"]).iloc[4:], paths.paid[0], atol=1e-9)
    np.testing.assert_array_equal(bars["open"].iloc[1:], bars["close"].iloc[:-1])
    shown = np.diff(np.log(bars["volume"]))
    np.testing.assert_allclose(shown[:3], paths.shown[0, paths.history - 3 : paths.history], atol=1e-9)


def test_ritters_prices_are_its_own():
    task = Ritter()
    paths = common_paths(task, n_paths=2, steps=5)
    close = bars_of(task, paths, 1)[1]["close"].iloc[1:]
    np.testing.assert_allclose(close, 50.0 * np.exp(paths.shown[1, paths.history - 1 :]), rtol=1e-12)


def test_the_rules_charge_the_tasks_costs_and_nothing_else():
    config = env_config(Ritter(), 1, price=50.0)
    assert (config.costs.per_unit, config.costs.impact) == (0.1, 0.001)
    assert (config.costs.commission, config.costs.slippage, config.lot_size) == (0.0, 0.0, 0.0)
    assert config.cash == 100 * 1000 * 50


def test_prices_below_nothing_and_long_windows_are_refused():
    wild = Hidden(noise=100)
    paths = wild.sample(np.random.default_rng(0), 2, 40_000, 8)
    with pytest.raises(ConfigError, match=r"hidden\(100, 1\) leads to a price of -"):
        bars_of(wild, paths, 1)
    with pytest.raises(ConfigError, match="window_bars must be from 1 to 8, the history of the paths, was 9"):
        play_priced(OptimalPolicy(solve(wild)), wild, paths, window_bars=9)
