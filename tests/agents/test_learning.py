from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from dltrader.agents.bars import windowed
from dltrader.agents.lanes import LanesVecEnv
from dltrader.agents.learning import learn
from dltrader.agents.threads import torch_threads
from dltrader.errors import ConfigError
from small_runs import SIZES, action_of, agent_of, makers, market_of

AGENT = {"n_steps": 32, "batch_size": 64, "n_epochs": 2}


def learned(seed=0, *, steps=128, on_rollout=lambda _: None, **env):
    network = learn(agent_of(**AGENT), makers(2, **env), total_timesteps=steps, seed=seed, on_rollout=on_rollout)
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


def test_every_rollout_is_reported_after_its_update():
    reports = []
    learned(steps=200, on_rollout=reports.append, episode_bars=20, random_start=True)
    assert [report.steps for report in reports] == [64, 128, 192, 256]
    for report in reports:
        assert report.bars_per_second > 0
        # Three choices: the entropy is at most ln 3, and a fresh policy is near it.
        assert 0.8 * math.log(3) < report.policy_entropy <= math.log(3) + 1e-6
        assert report.value_loss >= 0
        assert math.isfinite(report.episode_growth)
    assert [report.learning_rate for report in reports] == sorted(
        (report.learning_rate for report in reports), reverse=True
    )


def test_growth_is_unknown_until_an_episode_ends():
    reports = []
    learned(steps=256, on_rollout=reports.append, episode_bars=100)
    assert [math.isnan(report.episode_growth) for report in reports] == [True, True, True, False]


def test_growth_is_that_of_the_episodes_that_ended():
    # Exposure 0 is all there is to choose between two levels that round to no lot: nothing is ever earned.
    reports = []
    learned(
        steps=64, on_rollout=reports.append, episode_bars=10, action={"name": "target_position", "levels": [0, 1e-9]}
    )
    assert [report.episode_growth for report in reports] == [0.0]


def test_equal_seeds_give_equal_weights():
    assert same(learned(7, random_start=True, episode_bars=30), learned(7, random_start=True, episode_bars=30))


def test_other_seeds_give_other_weights():
    assert not same(learned(7), learned(8))


def test_the_seed_decides_where_episodes_begin():
    starts = {}
    for seed in (0, 1):
        reports = []
        learned(seed, on_rollout=reports.append, random_start=True, episode_bars=10)
        starts[seed] = [report.episode_growth for report in reports]
    assert starts[0] != starts[1]


def test_reporting_changes_nothing():
    def predicting(rollout):
        space = rollout.network.observation_space
        rollout.network.predict(space.sample(), deterministic=True)

    assert same(learned(3), learned(3, on_rollout=predicting))


@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_a_device_that_is_not_there_is_refused(device, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    message = f"^train.device is {device}, but torch finds no CUDA device here; set it to cpu or auto$"
    with pytest.raises(ConfigError, match=message):
        learn(agent_of(), makers(1), total_timesteps=64, seed=0, device=device)


def test_a_device_that_is_none_is_refused():
    with pytest.raises(ConfigError, match=r"^train.device must be cpu, cuda or auto, was 'gpu'$"):
        learn(agent_of(), makers(1), total_timesteps=64, seed=0, device="gpu")


def test_what_a_report_raises_arrives_and_ends_the_training():
    seen = []

    def fail(rollout):
        seen.append(rollout.steps)
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match=r"^mine$"):
        learned(on_rollout=fail)
    assert seen == [64]


def test_what_a_reward_raises_arrives():
    def broken(step):
        raise KeyError("my reward")

    with pytest.raises(KeyError, match="my reward"):
        learned(reward=broken)


def test_environments_are_closed_when_learning_fails():
    closed = []

    def watched():
        env = makers(1)[0]()
        env.close = lambda: closed.append(True)
        return env

    with pytest.raises(ConfigError, match="batch_size must divide"):
        learn(agent_of(batch_size=999), [watched], total_timesteps=64, seed=0)
    assert closed == [True]


def test_threads_are_given_back_even_after_an_error():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.raises(ZeroDivisionError), torch_threads():
            _ = torch.get_num_threads() / 0
        assert torch.get_num_threads() == 2
        with torch_threads():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def learned_in_lanes(name="ppo", *, windows=False, seed=0, **reports):
    market, config = market_of(random_start=True, episode_bars=20)
    lanes = LanesVecEnv(market, config, 4, windows=windows)
    agent = agent_of(**AGENT | {"name": name, "extractor": {"name": "gru", "hidden": 8}})
    return learn(agent, lanes, total_timesteps=384, seed=seed, **reports), lanes


@pytest.mark.parametrize("name", ["ppo", "recurrent_ppo"])
def test_named_bars_teach_what_windows_teach(name):
    of_windows, of_bars = (learned_in_lanes(name, windows=windows)[0] for windows in (True, False))
    expected, found = of_windows.state_dict(), of_bars.state_dict()
    assert {key: part.shape for key, part in found.items()} == {key: part.shape for key, part in expected.items()}
    fresh = agent_of(**AGENT | {"name": name, "extractor": {"name": "gru", "hidden": 8}})
    torch.manual_seed(0)
    before = fresh.network(of_windows.observation_space, of_windows.action_space).state_dict()
    moved = max(float((expected[key] - before[key]).abs().max()) for key in expected)
    assert moved > 1e-3
    for key, tensor in expected.items():
        torch.testing.assert_close(found[key], tensor, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("name", ["ppo", "recurrent_ppo"])
def test_equal_seeds_give_equal_weights_in_lanes(name):
    first, second, other = (learned_in_lanes(name, seed=seed)[0].state_dict() for seed in (3, 3, 4))
    assert same(first, second)
    assert not same(first, other)


def test_a_learner_told_bars_reports_a_network_that_is_shown_windows():
    started, reports, weights = [], [], []

    def reported(rollout):
        reports.append(rollout.network)
        weights.append({key: tensor.clone() for key, tensor in rollout.network.state_dict().items()})

    network, lanes = learned_in_lanes(on_start=started.append, on_rollout=reported)
    assert started == reports[:1]
    # One object, refreshed in place: whoever keeps it has the weights of now.
    assert all(each is network for each in started + reports)
    assert len(weights) == 3
    assert not same(weights[0], weights[1])
    assert same(weights[-1], network.state_dict())
    assert network.observation_space == windowed(lanes.observation_space)


def test_the_network_that_is_shown_windows_does_what_its_learner_would(monkeypatch):
    learners = []
    build = type(agent_of()).learner

    def kept(*arguments, **options):
        learners.append(build(*arguments, **options))
        return learners[-1]

    monkeypatch.setattr(type(agent_of()), "learner", kept)
    network, lanes = learned_in_lanes()
    named, features = lanes.reset(), lanes.observation_space["market"].features
    windows = np.stack([features[bar - 3 : bar + 1] for bar in lanes.lanes.lanes.bar])
    observation = {"market": windows, "account": named["account"]}
    (learner,) = learners
    for one, other in zip(
        network.get_distribution(network.obs_to_tensor(observation)[0]).distribution.probs,
        learner.policy.get_distribution(learner.policy.obs_to_tensor(named)[0]).distribution.probs,
        strict=True,
    ):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-5)
    actions, _ = network.predict(observation, deterministic=True)
    np.testing.assert_array_equal(actions, learner.policy.predict(named, deterministic=True)[0])


@pytest.mark.parametrize("name", SIZES)
def test_every_agent_may_begin_with_given_weights(name):
    agent, begun = agent_of(name=name), []

    def first(seed, weights=None):
        def start(network):
            begun.append({key: tensor.clone() for key, tensor in network.state_dict().items()})

        learn(
            agent,
            makers(2, action=action_of(name)),
            total_timesteps=64,
            seed=seed,
            weights=weights,
            on_start=start,
        )
        return begun[-1]

    given = {key: tensor + 1 if tensor.is_floating_point() else tensor for key, tensor in first(1).items()}
    assert same(first(2, given), given)
    assert not same(given, first(2))
