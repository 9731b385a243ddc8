from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from stable_baselines3.common.vec_env import DummyVecEnv

from dltrader.agents.bars import BarSpace, to_bars, windowed
from dltrader.agents.lanes import LanesVecEnv
from dltrader.envs.cerebro import TradingEnv
from dltrader.envs.market import Market
from dltrader.errors import EnvironmentStateError
from market_bars import flat_then, random_walk


def test_lanes_are_what_dummy_environments_are(quick):
    config = quick.model_copy(update={"episode_bars": 12})
    market = Market.build(random_walk(60), config)
    lanes, dummies = LanesVecEnv(market, config, 3), DummyVecEnv([partial(TradingEnv, market, config)] * 3)
    assert lanes.observation_space == dummies.observation_space
    assert lanes.action_space == dummies.action_space
    first, second = lanes.reset(), dummies.reset()
    generator, endings = np.random.default_rng(0), 0
    for _ in range(40):
        for name in ("market", "account"):
            np.testing.assert_array_equal(first[name], second[name])
        actions = generator.integers(0, 3, 3)
        first, rewards, dones, infos = lanes.step(actions)
        second, other_rewards, other_dones, other_infos = dummies.step(actions)
        np.testing.assert_allclose(rewards, other_rewards, rtol=1e-6)
        np.testing.assert_array_equal(dones, other_dones)
        for lane in np.flatnonzero(dones):
            endings += 1
            assert infos[lane]["TimeLimit.truncated"] is other_infos[lane]["TimeLimit.truncated"] is True
            assert infos[lane]["equity"] == pytest.approx(other_infos[lane]["equity"], rel=1e-12)
            for name in ("market", "account"):
                ours, theirs = (each[lane]["terminal_observation"][name] for each in (infos, other_infos))
                np.testing.assert_array_equal(ours, theirs)
    assert endings == 9
    assert [info["equity"] for info in lanes.reset_infos] == [info["equity"] for info in dummies.reset_infos]


def test_named_bars_are_those_of_the_windows(quick):
    config = quick.model_copy(update={"episode_bars": 12, "random_start": True})
    market = Market.build(random_walk(60), config)
    shown, named = (LanesVecEnv(market, config, 3, windows=windows) for windows in (True, False))
    space = named.observation_space["market"]
    assert isinstance(space, BarSpace)
    assert windowed(named.observation_space) == shown.observation_space

    def windows_of(numbers):
        bars = to_bars(torch.as_tensor(numbers)).reshape(-1).tolist()
        return np.stack([space.features[bar + 1 - config.window_bars : bar + 1] for bar in bars])

    for lanes in (shown, named):
        lanes.seed(5)
    one, other = shown.reset(), named.reset()
    generator, endings = np.random.default_rng(0), 0
    for _ in range(30):
        assert named.observation_space["market"].contains(other["market"][0])
        np.testing.assert_array_equal(one["market"], windows_of(other["market"]))
        np.testing.assert_array_equal(one["account"], other["account"])
        actions = generator.integers(0, 3, 3)
        one, rewards, dones, infos = shown.step(actions)
        other, other_rewards, other_dones, other_infos = named.step(actions)
        np.testing.assert_array_equal(rewards, other_rewards)
        np.testing.assert_array_equal(dones, other_dones)
        for lane in np.flatnonzero(dones):
            endings += 1
            ours, theirs = (each[lane]["terminal_observation"] for each in (infos, other_infos))
            np.testing.assert_array_equal(ours["market"], windows_of(theirs["market"])[0])
            np.testing.assert_array_equal(ours["account"], theirs["account"])
            assert infos[lane]["equity"] == other_infos[lane]["equity"]
    assert endings == 7  # of 4, 8 and 12 bars first, then of 12


def test_ruin_is_no_time_limit(free):
    lanes = LanesVecEnv(Market.build(flat_then(100, 100, 250, 250, 250, warmup=3), free), free, 2)
    lanes.reset()
    lanes.step(np.array([0, 1]))
    _, rewards, dones, infos = lanes.step(np.array([0, 1]))
    assert dones.tolist() == [True, False]
    assert infos[0]["TimeLimit.truncated"] is False
    assert infos[0]["equity"] == -50_000.0
    assert infos[1] == {}
    assert rewards[1] == 0.0


def test_the_seed_decides_where_random_episodes_start(quick):
    config = quick.model_copy(update={"random_start": True, "episode_bars": 10})
    lanes = LanesVecEnv(Market.build(random_walk(300), config), config, 20)
    starts = []
    for seed in (1, 2, 1):
        lanes.seed(seed)
        lanes.reset()
        starts.append(lanes.lanes.lanes.bar.tolist())
    assert starts[0] == starts[2] != starts[1]


def test_lanes_are_not_set_or_called_one_by_one(quick):
    lanes = LanesVecEnv(Market.build(random_walk(60), quick), quick, 2)
    assert lanes.get_attr("num_envs") == [2, 2]
    assert lanes.env_is_wrapped(object, [0]) == [False]
    with pytest.raises(EnvironmentStateError, match="cash cannot be set"):
        lanes.set_attr("cash", 1)
    with pytest.raises(EnvironmentStateError, match="render cannot be called"):
        lanes.env_method("render")
