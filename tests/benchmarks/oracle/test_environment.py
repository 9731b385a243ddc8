from __future__ import annotations

import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode

from dltrader.benchmarks.oracle.environment import OracleVectorEnv
from dltrader.benchmarks.oracle.observation import OptimalPolicy
from dltrader.benchmarks.oracle.ritter import Ritter
from dltrader.benchmarks.oracle.solver import solve
from dltrader.benchmarks.oracle.tasks import TASKS, Discrete, Hidden, LinearCapped, Quadratic
from dltrader.errors import ActionError, ConfigError, EnvironmentStateError

EVERY = [TASKS[name]() for name in TASKS]


def label(task):
    return task.label


def play(env, steps, seed):
    """Observations, rewards and positions of random actions."""
    env.action_space.seed(seed)
    seen = [env.reset(seed=seed)]
    actions = [env.action_space.sample() for _ in range(steps)]
    return seen, actions, [env.step(action) for action in actions]


@pytest.mark.parametrize("task", EVERY, ids=label)
def test_observations_lie_in_their_space_and_rewards_are_the_tasks(task):
    env = OracleVectorEnv(task, 5, window_bars=4, episode_steps=30)
    (((first, info),), actions, steps) = play(env, 29, 1)
    # The same paths, drawn once more.
    paths = task.sample(np.random.Generator(np.random.PCG64(1)), 5, 30, 4)
    held = info["position"]
    assert env.observation_space.contains(first)
    for step, (observation, rewards, terminated, truncated, info) in enumerate(steps):
        assert env.observation_space.contains(observation)
        position = task.position_of(actions[step], held)
        np.testing.assert_array_equal(info["position"], position)
        np.testing.assert_allclose(observation["account"][:, 0], position / task.largest, rtol=1e-6)
        shown = paths.shown[:, step + 1 : step + 5] / task.shown_unit
        np.testing.assert_allclose(observation["market"][..., 0], shown, rtol=1e-6)
        np.testing.assert_allclose(rewards, task.rewards(paths.paid[:, step], held, position))
        assert not terminated.any()
        assert not truncated.any()
        held = position


def test_spaces_fit_the_tasks():
    assert OracleVectorEnv(Discrete(), 2).single_action_space == spaces.Discrete(3)
    assert OracleVectorEnv(Ritter(), 2).single_action_space == spaces.Discrete(11)
    box = OracleVectorEnv(Quadratic(), 2, window_bars=8)
    assert box.single_action_space == spaces.Box(-1.0, 1.0, (1,), np.float32)
    assert {name: space.shape for name, space in box.single_observation_space.items()} == {
        "market": (8, 1),
        "account": (1,),
    }


def test_an_action_of_one_takes_the_largest_position():
    env = OracleVectorEnv(LinearCapped(), 2)
    env.reset(seed=0)
    assert env.step(np.array([[1.0], [-0.5]], np.float32))[-1]["position"].tolist() == [2.0, -1.0]


def test_an_episode_is_cut_after_its_steps_and_the_next_begins_at_once():
    env = OracleVectorEnv(Discrete(), 3, window_bars=2, episode_steps=4)
    assert env.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    env.reset(seed=0)
    long = np.full(3, 2)
    for _ in range(3):
        observation, _, _, truncated, info = env.step(long)
        assert not truncated.any()
        assert "final_obs" not in info
    last = observation["market"].copy()
    observation, rewards, terminated, truncated, info = env.step(long)
    assert truncated.all()
    assert not terminated.any()
    # The last step earned what was seen before it, and the final observation goes on from there.
    np.testing.assert_allclose(rewards, last[:, -1, 0], rtol=1e-6)
    np.testing.assert_array_equal(info["final_obs"]["market"][:, 0], last[:, 1])
    assert info["final_info"]["position"].tolist() == [1.0, 1.0, 1.0]
    assert info["final_obs"]["account"].tolist() == [[1.0]] * 3
    assert observation["account"].tolist() == [[0.0]] * 3
    assert info["position"].tolist() == [0.0, 0.0, 0.0]
    assert not np.isin(observation["market"], info["final_obs"]["market"]).any()


@pytest.mark.parametrize("task", EVERY, ids=label)
def test_equal_seeds_give_equal_episodes_over_many_resets(task):
    runs = [play(OracleVectorEnv(task, 3, window_bars=3, episode_steps=5), 17, 9) for _ in range(2)]
    for one, other in zip(runs[0][2], runs[1][2], strict=True):
        np.testing.assert_array_equal(one[0]["market"], other[0]["market"])
        np.testing.assert_array_equal(one[1], other[1])
    other_seed = play(OracleVectorEnv(task, 3, window_bars=3, episode_steps=5), 17, 10)
    assert (runs[0][2][-1][0]["market"] != other_seed[2][-1][0]["market"]).all()


def test_staggered_episodes_end_one_after_the_other_and_then_last_their_whole_length():
    env = OracleVectorEnv(Discrete(), 4, window_bars=1, episode_steps=8)
    env.reset(seed=0, options={"stagger": True})
    ends = np.array([env.step(np.ones(4, int))[3] for _ in range(16)])
    assert [np.flatnonzero(lane).tolist() for lane in ends.T] == [[1, 9], [3, 11], [5, 13], [7, 15]]


def test_a_mask_begins_only_its_lanes():
    env = OracleVectorEnv(Discrete(), 2, window_bars=3)
    env.reset(seed=0)
    observation = env.step(np.array([2, 2]))[0]
    again, info = env.reset(options={"reset_mask": np.array([True, False])})
    assert info["position"].tolist() == [0.0, 1.0]
    np.testing.assert_array_equal(again["market"][1], observation["market"][1])
    assert (again["market"][0] != observation["market"][0]).all()


def test_what_was_handed_out_does_not_change():
    env = OracleVectorEnv(Discrete(), 2, window_bars=3, episode_steps=2)
    observation, info = env.reset(seed=0)
    kept = observation["market"].copy(), info["position"].copy()
    for _ in range(5):
        env.step(np.array([2, 0]))
    np.testing.assert_array_equal(observation["market"], kept[0])
    np.testing.assert_array_equal(info["position"], kept[1])


@pytest.mark.parametrize("actions", [[3, 0], [-1, 0], [0], [0.5, 1.0], [[0, 1]], None])
def test_an_action_outside_the_space_is_refused_and_nothing_happens(actions):
    env = OracleVectorEnv(Discrete(), 2, window_bars=2)
    twin = OracleVectorEnv(Discrete(), 2, window_bars=2)
    env.reset(seed=0)
    twin.reset(seed=0)
    with pytest.raises(ActionError, match=r"integer\(s\) from 0 to 2|one row a lane"):
        env.step(actions)
    np.testing.assert_array_equal(env.step(np.array([0, 2]))[1], twin.step(np.array([0, 2]))[1])


@pytest.mark.parametrize("actions", [[[1.5], [0.0]], [[np.nan], [0.0]], [[0.0]]])
def test_a_weight_outside_the_box_is_refused(actions):
    env = OracleVectorEnv(Quadratic(), 2)
    env.reset(seed=0)
    with pytest.raises(ActionError, match=r"in \[-1, 1\]|one row a lane"):
        env.step(np.array(actions))


def test_wrong_sizes_seeds_and_order_are_refused():
    with pytest.raises(ConfigError, match="window_bars must be at least 1, was 0"):
        OracleVectorEnv(Discrete(), window_bars=0)
    env = OracleVectorEnv(Discrete(), 2)
    with pytest.raises(EnvironmentStateError, match="reset"):
        env.step(np.zeros(2, int))
    with pytest.raises(ConfigError, match="one seed"):
        env.reset(seed=[1, 2])


@pytest.mark.parametrize("task", [Discrete(psi=4), Quadratic(), Hidden()], ids=label)
def test_the_optimal_policy_earns_its_value_in_the_environment(task):
    solution = solve(task)
    env = OracleVectorEnv(task, 256, window_bars=32, episode_steps=400)
    policy, state, start = OptimalPolicy(solution), None, np.ones(256, bool)
    observation, _ = env.reset(seed=7)
    rewards = []
    for _ in range(800):  # two episodes: the policy's memory has to begin anew
        actions, state = policy.predict(observation, state=state, episode_start=start, deterministic=True)
        observation, reward, _, start, _ = env.step(actions)
        rewards.append(reward)
    earned = np.mean(rewards, axis=0)
    assert abs(earned.mean() - solution.value) < 2.5 * earned.std(ddof=1) / 16.0


def test_costs_rise_over_the_cheap_steps_to_the_tasks():
    task = Discrete(psi=4)
    cheap = OracleVectorEnv(task, 2, window_bars=1, episode_steps=50, cheap_steps=40)
    plain = OracleVectorEnv(task, 2, window_bars=1, episode_steps=50)
    cheap.reset(seed=1)
    plain.reset(seed=1)
    spared = []
    for step in range(25):
        actions = np.full(2, 2 * (step % 2))  # long and short in turn: two units moved, but for the first
        spared.append(cheap.step(actions)[1] - plain.step(actions)[1])
    moved = np.array([1.0] + [2.0] * 24)
    share = np.minimum(np.arange(25) * 2 / 40, 1.0)
    np.testing.assert_allclose(spared, np.column_stack([4.0 * moved * (1.0 - share)] * 2), atol=1e-12)
