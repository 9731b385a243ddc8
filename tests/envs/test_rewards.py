from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from dltrader.config import NamedConfig
from dltrader.envs.contract import EnvConfig
from dltrader.envs.records import Step
from dltrader.envs.rewards import REWARDS, RUIN_FRACTION, DifferentialSharpe, DrawdownPenalised, Sortino, log_growth
from dltrader.errors import ConfigError


def rewards_of(reward, equity):
    memory: dict = {}
    return [reward(Step(before, after, [0.0], memory)) for before, after in pairwise(equity)]


def make(name):
    reward = REWARDS[name]
    return reward() if isinstance(reward, type) and issubclass(reward, NamedConfig) else reward


@pytest.mark.parametrize("name", REWARDS)
def test_lanes_get_what_single_accounts_get(name):
    generator = np.random.default_rng(3)
    equity = 1000 * np.exp(np.cumsum(generator.normal(0, 0.02, (60, 5)), axis=0))
    together = np.array(rewards_of(make(name), list(equity)))
    alone = np.array([rewards_of(make(name), [float(e) for e in equity[:, lane]]) for lane in range(5)]).T
    np.testing.assert_allclose(together, alone, rtol=1e-12)


@pytest.mark.parametrize("name", REWARDS)
def test_an_account_that_stands_still_earns_nothing(name):
    assert rewards_of(make(name), [100.0] * 5) == [0.0] * 4


@pytest.mark.parametrize("name", REWARDS)
def test_ruin_is_finite(name):
    assert all(math.isfinite(reward) for reward in rewards_of(make(name), [100.0, 90.0, 95.0, -5.0]))


def test_log_growth_sums_to_the_growth_of_the_episode():
    assert sum(rewards_of(log_growth, [100.0, 80.0, 130.0])) == pytest.approx(math.log(1.3), abs=1e-15)


def test_log_growth_at_ruin_is_the_floor():
    assert rewards_of(log_growth, [100.0, -1.0]) == [math.log(RUIN_FRACTION)]


def test_profit_is_money():
    assert rewards_of(REWARDS["profit"], [100.0, 80.0, 130.0]) == [-20.0, 50.0]


def test_differential_sharpe_is_the_derivative_of_the_weighted_sharpe_ratio():
    # Moody and Saffell expand the ratio of the weighted moments to first order in the rate.
    rate, returns = 1e-6, [0.01, -0.02, 0.015]
    mean, square = 0.004, 0.0003
    reward = DifferentialSharpe(rate=rate)
    for change in returns:
        memory = {"mean": mean, "square": square}
        found = reward(Step(100.0, 100.0 * (1 + change), [0.0], memory))
        before = mean / math.sqrt(square - mean**2)
        after = memory["mean"] / math.sqrt(memory["square"] - memory["mean"] ** 2)
        assert found == pytest.approx((after - before) / rate, rel=1e-3)


def test_sortino_is_the_derivative_of_the_weighted_downside_ratio():
    rate, mean, downside = 1e-7, 0.004, 0.0002
    reward = Sortino(rate=rate)
    for change in (0.01, -0.02):
        memory = {"mean": mean, "downside": downside}
        found = reward(Step(100.0, 100.0 * (1 + change), [0.0], memory))
        after = memory["mean"] / math.sqrt(memory["downside"])
        assert found == pytest.approx((after - mean / math.sqrt(downside)) / rate, rel=1e-3)


def test_drawdown_penalised_charges_new_depth_only():
    found = rewards_of(DrawdownPenalised(penalty=2.0), [100.0, 90.0, 95.0, 92.0, 88.0])
    fall, new_depth = math.log(0.9), math.log(88 / 90)
    assert found[0] == pytest.approx(3 * fall)
    assert found[1] == pytest.approx(math.log(95 / 90))
    # From 95 to 92 the drawdown grows again: what was recovered counts as new depth.
    assert found[2] == pytest.approx(3 * math.log(92 / 95))
    assert found[3] == pytest.approx(3 * math.log(88 / 92))
    assert new_depth < 0


def test_a_callable_is_a_reward():
    config = EnvConfig(reward=lambda step: step.equity - 1.0)
    assert config.reward(Step(1.0, 3.0, [0.0], {})) == 2.0


def test_parameters_come_from_a_mapping():
    assert EnvConfig(reward={"name": "sortino", "rate": 0.5}).reward == Sortino(rate=0.5)


@pytest.mark.parametrize(
    ("reward", "message"),
    [
        ("log_grwth", "unknown reward 'log_grwth'; did you mean 'log_growth'?"),
        ({"name": "sortino", "rat": 1}, "unknown key 'reward.rat'; did you mean 'reward.rate'?"),
        ({"name": "profit", "rate": 1}, "reward 'profit' takes no parameters, found \\['rate'\\]"),
        ({"name": "sortino", "rate": 2}, "rate must be less than 1, was 2"),
        (5, "a reward is a name, a mapping with a name, or a callable, was 5; known: log_growth, "),
        (None, "or a callable, was None"),
        ({"rate": 0.5}, "or a callable, was {'rate': 0.5}"),
    ],
)
def test_a_wrong_reward_is_refused(reward, message):
    with pytest.raises(ConfigError, match=message):
        EnvConfig(reward=reward)


def test_an_unregistered_callable_cannot_be_saved():
    with pytest.raises(ConfigError, match="register it first"):
        EnvConfig(reward=lambda step: 0.0).to_yaml()


def test_a_registered_callable_is_saved_by_name():
    def bonus(step):
        return 1.0

    REWARDS.register("bonus_for_test", bonus)
    config = EnvConfig(reward=bonus)
    assert config.to_mapping()["reward"] == "bonus_for_test"
    assert EnvConfig.from_mapping(config.to_mapping()).reward is bonus
