from __future__ import annotations

import numpy as np
import pytest
import torch
from gymnasium import spaces

from dltrader.agents import AGENTS
from dltrader.agents.learning import learn
from dltrader.agents.trained import TrainedPolicy
from dltrader.errors import ConfigError
from small_runs import agent_of, makers, market_of, observations, untrained

EXTRACTORS = "mlp", "lstm", "attention"


@pytest.mark.parametrize("extractor", EXTRACTORS)
@pytest.mark.parametrize("name", AGENTS)
def test_every_agent_learns_on_every_extractor(name, extractor):
    agent = agent_of(name=name, extractor=extractor, n_epochs=1)
    weights = {}
    for steps in (1, 129):
        network = learn(agent, makers(2), total_timesteps=steps, seed=3)
        weights[steps] = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    assert all(torch.isfinite(tensor).all() for tensor in weights[129].values())
    assert any(not torch.equal(weights[1][key], weights[129][key]) for key in weights[1])


@pytest.mark.parametrize("extractor", EXTRACTORS)
@pytest.mark.parametrize("name", AGENTS)
def test_the_network_to_be_loaded_is_that_of_the_learner(name, extractor):
    market, config = market_of()
    agent = agent_of(name=name, extractor=extractor)
    learned = learn(agent, makers(1), total_timesteps=64, seed=0).state_dict()
    empty = TrainedPolicy.network_for(agent, config, market.pipeline, 1).state_dict()
    assert {key: tensor.shape for key, tensor in learned.items()} == {
        key: tensor.shape for key, tensor in empty.items()
    }


@pytest.mark.parametrize("extractor", EXTRACTORS)
@pytest.mark.parametrize("name", AGENTS)
@pytest.mark.parametrize("action", ["target_position", "buy_sell_hold", "target_weight"])
@pytest.mark.parametrize("n_instruments", [1, 2])
def test_one_observation_and_a_batch_of_them(name, extractor, action, n_instruments):
    policy = untrained(agent={"name": name, "extractor": extractor}, n_instruments=n_instruments, action=action)
    batch = observations(policy, 6)
    starts = np.ones(6, bool)
    actions, _ = policy.predict(batch, None, starts, deterministic=True)
    assert np.shape(actions) == (6, *policy.action_space.shape)
    for i in range(6):
        one = {key: value[i] for key, value in batch.items()}
        action_i, state = policy.predict(one, None, starts[:1], deterministic=True)
        assert np.shape(action_i) == policy.action_space.shape
        assert policy.action_space.contains(policy.action_space.dtype.type(action_i))
        np.testing.assert_allclose(action_i, actions[i], atol=1e-5)
        assert (state is None) == (name == "ppo")


def test_a_recurrent_policy_remembers_and_forgets():
    policy = untrained(agent={"name": "recurrent_ppo"}, action="target_weight")
    batch = observations(policy, 2)
    first, second = ({key: value[i] for key, value in batch.items()} for i in range(2))
    fresh, _ = policy.predict(second, None, np.array([True]), deterministic=True)
    _, state = policy.predict(first, None, np.array([True]), deterministic=True)
    after, _ = policy.predict(second, state, np.array([False]), deterministic=True)
    again, _ = policy.predict(second, state, np.array([True]), deterministic=True)
    assert not np.allclose(after, fresh, atol=1e-4)
    np.testing.assert_allclose(again, fresh)


@pytest.mark.parametrize("name", AGENTS)
def test_batches_must_be_whole(name):
    agent = agent_of(name=name, n_steps=64, batch_size=100)
    message = r"^agent.batch_size must divide the 192 bars of an update \(agent.n_steps 64 x train.n_envs 3\), was 100$"
    with pytest.raises(ConfigError, match=message):
        learn(agent, makers(3), total_timesteps=64, seed=0)


@pytest.mark.parametrize(("schedule", "expected"), [("linear", [5.5e-4, 1e-4]), ("constant", [1e-3, 1e-3])])
def test_the_learning_rate_follows_its_schedule(schedule, expected):
    agent, found = agent_of(learning_rate=1e-3, schedule=schedule), []
    learn(agent, makers(1), total_timesteps=128, seed=0, on_rollout=lambda rollout: found.append(rollout.learning_rate))
    assert found == pytest.approx(expected)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("gamma", 1.5, "gamma must be less than or equal to 1, was 1.5; Discount per bar"),
        ("clip_range", 0, "clip_range must be greater than 0, was 0"),
        ("n_step", 5, "unknown key 'n_step'; did you mean 'n_steps'?"),
        ("extractor", "lstn", "extractor: unknown extractor 'lstn'; did you mean 'lstm'?"),
    ],
)
def test_a_wrong_value_is_refused(key, value, message):
    with pytest.raises(ConfigError) as caught:
        agent_of(**{key: value})
    assert str(caught.value).startswith(message)


def test_agents_are_read_from_what_they_write():
    for name in AGENTS:
        agent = agent_of(name=name, extractor={"name": "attention", "width": 8, "heads": 2})
        assert AGENTS[name].from_mapping(agent.to_mapping()) == agent


def test_a_network_that_is_only_asked_has_no_optimizer():
    network = agent_of().network(observations_space(), spaces.Discrete(3))
    assert not isinstance(network.optimizer, torch.optim.Optimizer)


def observations_space():
    return makers(1)[0]().observation_space
