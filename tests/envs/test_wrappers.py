"""The environment under other people's checks and wrappers."""

from __future__ import annotations

import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env as check_gymnasium
from gymnasium.vector import AsyncVectorEnv
from gymnasium.wrappers import FlattenObservation
from stable_baselines3.common.env_checker import check_env as check_sb3
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv

from dltrader.envs.actions import ACTIONS
from dltrader.envs.contract import EnvConfig
from dltrader.envs.rewards import REWARDS
from market_bars import random_walk
from small_envs import make_env

# The window is a matrix, and Stable-Baselines3 recommends vectors or images to whoever brings no extractor. The same
# environment, flattened, passes without this exception.
MATRIX = "ignore:Your observation market has an unconventional shape:UserWarning"


@pytest.mark.filterwarnings(MATRIX)
@pytest.mark.parametrize("costs", [True, False])
@pytest.mark.parametrize("n_instruments", [1, 2])
@pytest.mark.parametrize("reward", REWARDS)
@pytest.mark.parametrize("action", ACTIONS)
def test_both_checkers_pass_without_a_warning(action, reward, n_instruments, costs, caplog):
    environments = [make_env(action, reward, n_instruments, costs=costs) for _ in range(3)]
    check_gymnasium(environments[0], skip_render_check=True)  # below, where the environment has a spec
    check_sb3(environments[1])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_sb3(FlattenObservation(environments[2]))
    assert caplog.records == []


@pytest.mark.filterwarnings(MATRIX)
@pytest.mark.parametrize("render_mode", ["ansi", "rgb_array"])
def test_the_checkers_pass_on_what_gymnasium_makes(render_mode):
    config = EnvConfig(window_bars=4, episode_bars=30)
    env = gymnasium.make("dltrader/Trading-v0", bars=random_walk(400), config=config, render_mode=render_mode)
    check_gymnasium(env.unwrapped)
    check_sb3(env.unwrapped)


def test_flattened_observations_hold_the_same_numbers():
    env = FlattenObservation(make_env())
    observation, _ = env.reset(seed=0)
    assert observation.shape == (4 * 2 + 2,)
    inner = env.unwrapped._observe()
    np.testing.assert_array_equal(observation, np.concatenate([inner["account"], inner["market"].ravel()]))


def growth_of(envs, actions):
    envs.seed(3)
    envs.reset()
    rewards = [envs.step(np.array([action] * 2))[1] for action in actions]
    envs.close()
    return np.array(rewards)


def test_processes_give_what_one_process_gives():
    actions = np.random.default_rng(0).integers(0, 3, 60)
    one = growth_of(DummyVecEnv([make_env] * 2), actions)
    many = growth_of(SubprocVecEnv([make_env] * 2, start_method="spawn"), actions)
    np.testing.assert_array_equal(one, many.astype(np.float32))  # DummyVecEnv keeps rewards in float32
    assert np.ptp(one) > 0.01


def test_asynchronous_environments_give_the_same_rewards():
    actions = np.random.default_rng(0).integers(0, 3, 20)
    env = make_env()
    env.reset(seed=1)
    alone = [env.step(action)[1] for action in actions]
    envs = AsyncVectorEnv([make_env] * 2, context="spawn")
    envs.reset(seed=[1, 1])
    together = [envs.step(np.array([action, action]))[1] for action in actions]
    envs.close()
    np.testing.assert_array_equal(np.array(together)[:, 0], alone)
    np.testing.assert_array_equal(np.array(together)[:, 1], alone)
