from __future__ import annotations

import re
from collections import namedtuple

import numpy as np
import psutil
import pytest
import torch
from stable_baselines3.common.vec_env import VecNormalize

from dltrader.agents.bars import BarSpace
from dltrader.agents.lanes import LanesVecEnv
from dltrader.agents.learning import learn
from dltrader.agents.shared import BarEncoder
from dltrader.errors import ConfigError
from dltrader.workflows.train import train
from small_runs import action_of, agent_of, experiment_of, makers, market_of

AGENTS = "sac", "dqn", "qrdqn"


def lanes_of(name, n_lanes=4, **env):
    market, config = market_of(random_start=True, episode_bars=20, action=action_of(name), **env)
    return LanesVecEnv(market, config, n_lanes, windows=False)


def learner_of(name, n_lanes=4, *, seed=0, **changes):
    agent = agent_of(name=name, **changes)
    env = VecNormalize(lanes_of(name, n_lanes), norm_obs=False, norm_reward=True, gamma=agent.gamma)
    return agent.learner(env, seed=seed, device="cpu")


@pytest.mark.parametrize(
    ("per_bar", "n_envs", "expected"),
    [
        (0.25, 1, (4, 1)),
        (0.25, 3, (4, 3)),
        (0.25, 64, (1, 16)),
        (0.0625, 64, (1, 4)),
        (0.0625, 24, (2, 3)),
        (1, 7, (1, 7)),
        (2, 8, (1, 16)),
        (0.3333, 3, (1, 1)),
        (0.001, 1, (1000, 1)),
    ],
)
def test_the_pace_is_the_same_for_any_number_of_environments(per_bar, n_envs, expected):
    agent = agent_of(name="dqn", gradient_steps_per_bar=per_bar)
    assert agent.pace(n_envs) == expected
    steps, gradient_steps = expected
    assert gradient_steps / (steps * n_envs) == pytest.approx(per_bar, rel=2e-4)


@pytest.mark.parametrize("n_lanes", [1, 3, 8])
@pytest.mark.parametrize("name", AGENTS)
def test_so_many_gradient_steps_are_made(name, n_lanes):
    learner = learner_of(name, n_lanes, gradient_steps_per_bar=0.125, learning_starts=48)
    learner.learn(240)
    assert learner.num_timesteps == 240
    # A rollout that ends with the last random bar is not yet learned from.
    assert learner._n_updates == (240 - 48) / 8


@pytest.mark.parametrize("name", AGENTS)
def test_the_replay_holds_bars_by_name_and_rewards_as_they_came(name):
    learner = learner_of(name, gradient_steps_per_bar=0.125)
    learner.learn(200)
    replay = learner.replay_buffer
    assert isinstance(learner.observation_space["market"], BarSpace)
    assert replay.observations["market"].shape == (125, 4, 2)
    assert replay.buffer_size * replay.n_envs == 500
    scale = np.sqrt(learner.env.ret_rms.var + learner.env.epsilon)
    assert scale < 0.2
    np.random.seed(0)  # noqa: NPY002 - it is the global generator that the replay draws from
    scaled = replay.sample(64, env=learner.env).rewards
    np.random.seed(0)  # noqa: NPY002
    raw = replay.sample(64).rewards
    torch.testing.assert_close(scaled, raw / scale)
    assert raw.abs().max() > 0


@pytest.mark.parametrize("name", AGENTS)
def test_the_end_of_time_is_no_end_of_values(name):
    learner = learner_of(name)
    learner.learn(200)
    replay = learner.replay_buffer
    ended = replay.dones[: replay.pos] == 1
    assert ended.sum() >= 8
    assert (replay.timeouts[: replay.pos][ended] == 1).all()
    # What was seen last is the end of the old episode, and not the beginning of the next.
    after = replay.next_observations["market"][: replay.pos] @ [4096, 1]
    np.testing.assert_array_equal(after, replay.observations["market"][: replay.pos] @ [4096, 1] + 1)


@pytest.mark.parametrize("name", AGENTS)
def test_encodings_are_never_frozen(name, monkeypatch):
    frozen = []
    monkeypatch.setattr(BarEncoder, "freeze", lambda *_: frozen.append(True))
    learn(agent_of(name=name), lanes_of(name), total_timesteps=64, seed=0)
    assert frozen == []


@pytest.mark.parametrize("name", [*AGENTS, "a2c"])
def test_reports_come_every_so_many_bars_and_in_the_end(name):
    reports = []
    learn(agent_of(name=name), lanes_of(name), total_timesteps=230, seed=0, report_every=96, on_rollout=reports.append)
    assert [report.steps for report in reports] == [96, 192, 256 if name == "a2c" else 232]
    for report in reports:
        assert report.value_loss >= 0
        assert 2.9e-5 < report.learning_rate <= 7e-4
        assert np.isfinite(report.episode_growth)
        assert np.isfinite(report.policy_entropy) == (name == "a2c")


@pytest.mark.parametrize("name", AGENTS)
def test_nothing_is_known_before_the_first_update(name):
    reports = []
    agent = agent_of(name=name, learning_starts=100)
    learn(agent, lanes_of(name), total_timesteps=120, seed=0, report_every=60, on_rollout=reports.append)
    assert [np.isnan(report.value_loss) for report in reports] == [True, False]


@pytest.mark.parametrize("name", AGENTS)
def test_reporting_changes_nothing(name):
    def predicting(rollout):
        rollout.network.predict(rollout.network.observation_space.sample(), deterministic=True)

    options = {"total_timesteps": 128, "seed": 1, "report_every": 16}
    quiet, loud = (
        learn(agent_of(name=name), makers(2, action=action_of(name)), on_rollout=each, **options).state_dict()
        for each in (lambda _: None, predicting)
    )
    assert all(torch.equal(quiet[key], loud[key]) for key in quiet)


@pytest.mark.parametrize("name", AGENTS)
@pytest.mark.parametrize(("engine", "hint"), [("vector", ""), ("cerebro", ", and many more with train.engine: vector")])
def test_a_replay_larger_than_memory_is_refused_and_nothing_is_written(tmp_path, monkeypatch, name, engine, hint):
    memory = namedtuple("memory", "available")
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory(2**30))
    bars = 10**8
    with pytest.raises(ConfigError) as caught:
        train(experiment_of(name, {"train.engine": engine, "agent.replay_bars": bars}), out=tmp_path / "run")
    found = re.fullmatch(
        rf"a replay of agent.replay_bars {bars} takes about (\d+\.\d) GiB, and 1.0 GiB are free; "
        rf"at most (\d+) bars fit{hint}",
        str(caught.value),
    )
    assert found
    # Twice (a named bar or a window of 4 bars with 2 features, and 2 numbers of the account), an action, and 3 numbers.
    seen = 2 if engine == "vector" else 4 * 2
    each = 2 * 4 * (seen + 2) + (4 if name == "sac" else 8) + 12
    assert found[1] == f"{bars * each / 2**30:.1f}"
    assert int(found[2]) == 2**30 // each
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", AGENTS)
def test_a_replay_takes_what_was_reckoned(name, monkeypatch):
    learner = learner_of(name, replay_bars=4000)
    replay = learner.replay_buffer
    seen = sum(part.nbytes for part in (*replay.observations.values(), *replay.next_observations.values()))
    held = seen + sum(part.nbytes for part in (replay.actions, replay.rewards, replay.dones, replay.timeouts))
    memory = namedtuple("memory", "available")
    for available, fits in ((held, True), (held - 1, False)):
        monkeypatch.setattr(psutil, "virtual_memory", lambda free=available: memory(free))
        agent = agent_of(name=name, replay_bars=4000)
        if fits:
            agent.require_room(4, learner.observation_space, learner.action_space)
        else:
            with pytest.raises(ConfigError, match=r"at most 3999 bars fit$"):
                agent.require_room(4, learner.observation_space, learner.action_space)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"agent.learning_starts": 256},
            "agent.learning_starts must be below the 256 bars of train.total_timesteps, or nothing is ever learned",
        ),
        (
            {"agent.replay_bars": 1},
            "agent.replay_bars must be at least 2, one for every environment of train.n_envs, was 1",
        ),
        ({"agent.gradient_steps_per_bar": 0}, "agent.gradient_steps_per_bar must be greater than or equal to 0.001"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(tmp_path, change, message):
    with pytest.raises(ConfigError) as caught:
        train(experiment_of("dqn", change), out=tmp_path / "run")
    assert str(caught.value).startswith(message)
    assert list(tmp_path.iterdir()) == []
