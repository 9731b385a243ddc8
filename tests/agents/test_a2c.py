from __future__ import annotations

import pytest
import torch
from stable_baselines3.common.vec_env import VecNormalize

from dltrader.agents.lanes import LanesVecEnv
from dltrader.agents.learning import learn
from dltrader.envs import memory
from dltrader.errors import ConfigError
from dltrader.workflows.train import train
from small_runs import agent_of, experiment_of, makers, market_of


def test_an_update_is_one_gradient_step_on_one_rollout():
    market, config = market_of(random_start=True, episode_bars=20)
    env = VecNormalize(LanesVecEnv(market, config, 4, windows=False), norm_obs=False)
    learner = agent_of(name="a2c", n_steps=16).learner(env, seed=0, device="cpu")
    learner.learn(128)
    assert (learner.num_timesteps, learner._n_updates) == (128, 2)
    (group,) = learner.policy.optimizer.param_groups
    assert isinstance(learner.policy.optimizer, torch.optim.Adam)
    assert (group["eps"], group["fused"]) == (1e-5, True)


def test_the_step_size_falls_to_a_tenth():
    reports = []
    agent = agent_of(name="a2c", n_steps=32, learning_rate=1e-3)
    learn(agent, makers(1), total_timesteps=128, seed=0, report_every=1, on_rollout=reports.append)
    assert [report.learning_rate for report in reports] == pytest.approx([7.75e-4, 5.5e-4, 3.25e-4, 1e-4])


def test_an_update_may_be_of_few_bars():
    reports = []
    agent = agent_of(name="a2c", n_steps=2, normalize_advantage=True)
    network = learn(agent, makers(1), total_timesteps=8, seed=0, report_every=2, on_rollout=reports.append)
    assert [report.steps for report in reports] == [2, 4, 6, 8]
    assert all(torch.isfinite(tensor).all() for tensor in network.state_dict().values())


@pytest.mark.parametrize("engine", ["vector", "cerebro"])
@pytest.mark.parametrize("name", ["a2c", "ppo", "recurrent_ppo"])
def test_a_rollout_larger_than_memory_is_refused_and_nothing_is_written(tmp_path, monkeypatch, name, engine):
    monkeypatch.setattr(memory, "free_bytes", lambda _: 2**20)
    changes = {"train.engine": engine, "agent.n_steps": 2**16}
    with pytest.raises(ConfigError, match=r"^2 lanes of a rollout take about 0.0 GiB, and 0.0 GiB are free; at most 0"):
        train(experiment_of(name, changes), out=tmp_path / "run")
    assert list(tmp_path.iterdir()) == []
