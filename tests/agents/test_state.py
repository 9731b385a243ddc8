from __future__ import annotations

import random

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.wrappers import TimeLimit
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from dltrader.agents import AGENTS
from dltrader.agents.lanes import LanesVecEnv
from dltrader.agents.learning import learn
from dltrader.agents.state import state_of
from dltrader.errors import EnvironmentStateError, RunError
from dltrader.runs.state import load_state, save_state
from small_runs import action_of, agent_of, makers, market_of

STEPS, STOP = 256, 128
ROLLOUT = {"n_steps": 16, "batch_size": 32, "n_epochs": 2}
SIZES = {
    "ppo": ROLLOUT,
    "recurrent_ppo": ROLLOUT | {"lstm_hidden": 4},
    "q_table": {"learning_starts": 100, "trace_decay": 0.5},
} | {name: {"gradient_steps_per_bar": 0.125} for name in ("sac", "dqn", "qrdqn")}


def environments(name, engine, **env):
    options = {"action": action_of(name), "random_start": True, "episode_bars": 20} | env
    if engine == "cerebro":
        return makers(2, **options)
    market, config = market_of(**options)
    return LanesVecEnv(market, config, 4, windows=False)


def learned(name, engine, *, state=None, keep=None, seed=3, agent=None, **env):
    """Final weights, what was reported, and where every generator stands in the end; `keep` gets the state at STOP."""
    reports = []

    def report(rollout):
        reports.append((rollout.steps, rollout.episode_growth, rollout.value_loss, rollout.learning_rate))
        if rollout.steps == STOP and keep is not None:
            save_state(keep, rollout.state(), rollout.steps)

    network = learn(
        agent_of(**{"name": name} | SIZES.get(name, {}) | (agent or {})),
        environments(name, engine, **env),
        total_timesteps=STEPS,
        seed=seed,
        report_every=64,
        on_rollout=report,
        state=state,
    )
    drawn = random.random(), np.random.random(), torch.rand(1).item()  # noqa: NPY002
    return {key: tensor.clone() for key, tensor in network.state_dict().items()}, reports, drawn


def assert_equal(found, whole):
    assert found[0].keys() == whole[0].keys()
    assert all(torch.equal(found[0][key], whole[0][key]) for key in whole[0])
    rest = [report for report in whole[1] if report[0] > STOP]
    np.testing.assert_array_equal(np.array(found[1]), np.array(rest))
    assert found[2] == whole[2]


@pytest.mark.parametrize("engine", ["vector", "cerebro"])
@pytest.mark.parametrize("name", AGENTS)
def test_a_resumed_training_equals_the_uninterrupted_one_bit_for_bit(name, engine, tmp_path):
    whole = learned(name, engine, keep=tmp_path)
    random.seed(9), np.random.seed(9), torch.manual_seed(9)  # noqa: NPY002
    # Another seed: whatever it would decide is decided by the state.
    found = learned(name, engine, state=load_state(tmp_path), seed=8)
    assert len(whole[1]) > len(found[1]) > 1
    assert_equal(found, whole)


def test_taking_the_state_changes_nothing(tmp_path):
    agent = {"extractor": {"name": "lstm", "hidden": 4}}
    watched, alone = (learned("ppo", "vector", keep=keep, agent=agent) for keep in (tmp_path, None))
    assert all(torch.equal(watched[0][key], alone[0][key]) for key in alone[0])
    assert watched[2] == alone[2]


@pytest.mark.parametrize("engine", ["vector", "cerebro"])
@pytest.mark.parametrize("reward", [{"name": "differential_sharpe", "rate": 0.1}, {"name": "drawdown_penalised"}])
def test_what_a_reward_remembers_is_resumed(reward, engine, tmp_path):
    whole = learned("ppo", engine, keep=tmp_path, reward=reward)
    assert_equal(learned("ppo", engine, state=load_state(tmp_path), reward=reward), whole)


def test_a_replay_that_has_come_round_is_resumed(tmp_path):
    agent = {"replay_bars": 100}
    whole = learned("sac", "vector", keep=tmp_path, agent=agent)
    replay = load_state(tmp_path)["replay"]
    assert (replay["full"], replay["position"]) == (True, (STOP // 4) % 25)
    assert replay["parts"]["rewards"].shape == (25, 4)
    assert_equal(learned("sac", "vector", state=load_state(tmp_path), agent=agent), whole)


def test_only_the_filled_part_of_a_replay_is_kept(tmp_path):
    learned("dqn", "vector", keep=tmp_path)
    replay = load_state(tmp_path)["replay"]
    assert (replay["full"], replay["position"]) == (False, STOP // 4)
    assert {array.shape[:2] for array in replay["parts"]["observations"].values()} == {(STOP // 4, 4)}


def test_the_state_is_plain(tmp_path):
    learned("sac", "vector", keep=tmp_path)

    def leaves(value):
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
        return [value] if inner is None else [leaf for part in inner for leaf in leaves(part)]

    kinds = {type(leaf) for leaf in leaves(load_state(tmp_path))}
    assert kinds <= {np.ndarray, int, float, bool, str, type(None)}


def test_a_state_of_another_training_is_refused(tmp_path):
    learned("ppo", "vector", keep=tmp_path)
    for name, agent in {"ppo": {"hidden": [9]}, "dqn": {}}.items():
        with pytest.raises(RunError, match=r"^the saved state does not fit this training \(\w+: "):
            learned(name, "vector", state=load_state(tmp_path), agent=agent)


class Plain(gymnasium.Env):
    """An environment of somebody else's."""

    observation_space, action_space = (getattr(makers(1)[0](), name) for name in ("observation_space", "action_space"))

    def reset(self, *, seed=None, options=None):
        return self.observation_space.sample(), {}


@pytest.mark.parametrize("engine", ["vector", "cerebro"])
def test_environments_without_a_state_are_named(engine):
    stepped = environments("a2c", engine) if engine == "vector" else DummyVecEnv([Plain])
    environment = VecNormalize(stepped, norm_obs=False)
    learner = agent_of(name="a2c").learner(environment, seed=0, device="cpu")
    if engine == "vector":
        stepped.lanes = Plain()
    with pytest.raises(EnvironmentStateError) as caught:
        state_of(learner, environment)
    assert str(caught.value) == "Plain has no state() and load_state(), so a training in it cannot be resumed"


def test_wrappers_are_no_environments_that_can_be_resumed():
    # A wrapper has a state of its own, such as the steps that it has counted.
    environment = VecNormalize(DummyVecEnv([lambda: TimeLimit(makers(1)[0](), 10)]), norm_obs=False)
    learner = agent_of(name="a2c").learner(environment, seed=0, device="cpu")
    with pytest.raises(EnvironmentStateError, match=r"^TimeLimit has no state\(\) and load_state\(\)"):
        state_of(learner, environment)
