from __future__ import annotations

import math

import gymnasium
import numpy as np
import pytest

from dltrader.envs.cerebro import TradingEnv
from dltrader.envs.contract import EnvConfig
from dltrader.envs.vector import TradingVectorEnv
from dltrader.errors import ActionError, ConfigError, EnvironmentStateError
from market_bars import flat_then, random_walk


def test_gymnasium_makes_it():
    envs = gymnasium.make_vec(
        "dltrader/Trading-v0", num_envs=5, vectorization_mode="vector_entry_point", bars="sample:AAPL"
    )
    observation, info = envs.reset(seed=0)
    assert observation["market"].shape == (5, 32, 16)
    assert envs.observation_space.contains(observation)
    assert info["equity"].tolist() == [100_000.0] * 5
    assert envs.metadata["autoreset_mode"] == gymnasium.vector.AutoresetMode.SAME_STEP


def test_a_lane_that_ends_begins_again_in_the_same_step(free):
    envs = TradingVectorEnv(flat_then(100, 110, 121, warmup=3), 2, free)
    first, _ = envs.reset()
    envs.step(np.array([2, 0]))
    observation, rewards, terminated, truncated, info = envs.step(np.array([2, 0]))
    np.testing.assert_allclose(rewards, np.log([1.1, 79_000 / 90_000]), rtol=1e-12)
    assert truncated.all()
    assert not terminated.any()
    np.testing.assert_array_equal(info["final_info"]["equity"], [121_000.0, 79_000.0])
    np.testing.assert_array_equal(info["equity"], [100_000.0, 100_000.0])
    np.testing.assert_allclose(info["final_obs"]["account"][:, 0], [1.0, -121_000 / 79_000], rtol=1e-6)
    np.testing.assert_array_equal(observation["account"], first["account"])
    assert envs.lanes.equity.tolist() == [100_000.0, 100_000.0]


def test_only_the_lane_that_is_ruined_begins_again(free):
    envs = TradingVectorEnv(flat_then(100, 100, 250, 250, 250, warmup=3), 2, free)
    envs.reset()
    envs.step(np.array([0, 2]))
    *_, terminated, truncated, info = envs.step(np.array([0, 2]))
    assert terminated.tolist() == [True, False]
    assert truncated.tolist() == [False, False]
    assert info["_final_obs"].tolist() == [True, False]
    assert envs.lanes.equity.tolist() == [100_000.0, 250_000.0]
    assert envs.lanes.bar.tolist() == [3, 5]


def test_random_starts_are_seeded_bounded_and_spread(quick):
    config = quick.model_copy(update={"random_start": True, "episode_bars": 10})
    envs = TradingVectorEnv(random_walk(400), 300, config)
    starts = []
    for seed in (1, 2, 1):
        envs.reset(seed=seed)
        starts.append(envs.lanes.bar.copy())
    np.testing.assert_array_equal(starts[0], starts[2])
    assert (starts[0] != starts[1]).any()
    assert starts[0].min() >= 3
    assert starts[0].max() <= 389
    assert len(set(starts[0].tolist())) > 150
    np.testing.assert_array_equal(envs.lanes.last - envs.lanes.bar, 10)


def test_lanes_may_begin_episodes_together(quick):
    config = quick.model_copy(update={"random_start": True, "episode_bars": 10})
    envs = TradingVectorEnv(random_walk(400), 10, config, together=4)
    envs.reset(seed=1)
    for _ in range(25):
        first = envs.lanes.bar.reshape(-1)
        assert len(set(first[:4])) == len(set(first[4:8])) == len(set(first[8:])) == 1
        assert len(set(first.tolist())) == 3
        envs.step(np.zeros(10, int))
    with pytest.raises(ConfigError, match="together must be at least 1, was 0"):
        TradingVectorEnv(random_walk(40), 2, quick, together=0)


def test_first_episodes_may_be_staggered(quick):
    config = quick.model_copy(update={"random_start": True, "episode_bars": 10})
    envs = TradingVectorEnv(random_walk(400), 6, config, together=2)
    envs.reset(seed=1, options={"stagger": True})
    assert (envs.lanes.last - envs.lanes.bar).tolist() == [3, 3, 6, 6, 10, 10]
    ends = [envs.step(np.ones(6, int))[3].tolist() for _ in range(20)]
    assert [i for i, ended in enumerate(ends) if ended[0]] == [2, 12]
    assert [i for i, ended in enumerate(ends) if ended[5]] == [9, 19]


def test_a_mask_resets_only_its_lanes(quick):
    envs = TradingVectorEnv(random_walk(40), 3, quick)
    envs.reset(seed=0)
    envs.step(np.array([2, 2, 2]))
    envs.reset(options={"reset_mask": np.array([False, True, False])})
    assert envs.lanes.bar.tolist() == [4, 3, 4]


@pytest.mark.parametrize("n_instruments", [1, 3])
def test_many_lanes_are_many_environments(n_instruments):
    config = EnvConfig(window_bars=3, features=["log_return"], scaling="none", action="target_weight")
    bars = {f"i{i}": random_walk(60, i) for i in range(n_instruments)}
    envs, single = TradingVectorEnv(bars, 4, config), [TradingEnv(bars, config) for _ in range(4)]
    envs.action_space.seed(0)
    envs.reset()
    for env in single:
        env.reset()
    for _ in range(50):
        actions = envs.action_space.sample()
        observation, rewards, *_ = envs.step(actions)
        for lane, env in enumerate(single):
            alone, reward, *_ = env.step(actions[lane])
            np.testing.assert_array_equal(observation["market"][lane], alone["market"])
            np.testing.assert_array_equal(observation["account"][lane], alone["account"])
            assert rewards[lane] == pytest.approx(reward, rel=1e-12, abs=1e-14)


def test_a_step_before_the_reset_is_refused(quick):
    with pytest.raises(EnvironmentStateError, match="before reset"):
        TradingVectorEnv(random_walk(40), 2, quick).step(np.array([0, 0]))


@pytest.mark.parametrize(
    ("action", "actions", "message"),
    [
        (
            "target_position",
            np.array([0, 3]),
            r"every action must be 1 integer\(s\) from 0 to 2, was int64 from 0 to 3",
        ),
        ("target_position", np.array([0, -1]), "from -1 to 0"),
        ("target_position", np.array([0.0, 1.0]), "was float64"),
        ("target_position", np.array([0, 1, 2]), r"shape \(2, 1\), one row a lane, was \(3,\)"),
        ("target_weight", np.array([[0.0], [np.nan]]), r"1 number\(s\) in \[-1, 1\], was nan"),
        ("target_weight", np.array([[0.0], [1.5]]), "was 1.5"),
        ("buy_sell_hold", np.array([[0, 1], [1, 2]]), r"was \(2, 2\)"),
    ],
)
def test_wrong_actions_are_refused_and_nothing_happens(quick, action, actions, message):
    envs = TradingVectorEnv(random_walk(40), 2, EnvConfig.from_mapping(quick.to_mapping() | {"action": action}))
    envs.reset()
    with pytest.raises(ActionError, match=message):
        envs.step(actions)
    assert envs.lanes.bar.tolist() == [3, 3]


def test_lanes_and_seeds_are_checked(quick):
    with pytest.raises(ConfigError, match="num_envs must be at least 1, was 0"):
        TradingVectorEnv(random_walk(40), 0, quick)
    with pytest.raises(ConfigError, match="pass one seed"):
        TradingVectorEnv(random_walk(40), 2, quick).reset(seed=[1, 2])


def test_a_reward_for_floats_alone_is_refused_by_its_name(quick):
    def of_floats(step):
        return math.log(step.equity / step.equity_before)

    envs = TradingVectorEnv(random_walk(40), 2, quick.model_copy(update={"reward": of_floats}))
    envs.reset()
    with pytest.raises(EnvironmentStateError, match=r"the reward .*of_floats failed on arrays of 2 lanes: .*: cerebro"):
        envs.step(np.array([0, 2]))


def test_a_hook_on_cerebro_is_refused(quick):
    with pytest.raises(ConfigError, match="a prepare hook changes a Cerebro, and lanes are stepped without one"):
        TradingVectorEnv(random_walk(40), 2, quick, prepare=lambda cerebro: None)


@pytest.mark.parametrize("reward", [lambda step: 1.0, lambda step: step.equity * np.nan])
def test_a_reward_that_is_no_number_a_lane_is_refused(quick, reward):
    envs = TradingVectorEnv(random_walk(40), 2, quick.model_copy(update={"reward": reward}))
    envs.reset()
    with pytest.raises(EnvironmentStateError, match=r"one finite number a lane, .* for 2 lanes; .*engine: cerebro"):
        envs.step(np.array([0, 2]))
