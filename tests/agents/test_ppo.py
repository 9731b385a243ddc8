from __future__ import annotations

import numpy as np
import pytest
import torch
from gymnasium import spaces

from dltrader.agents.learning import learn
from dltrader.errors import ConfigError
from small_runs import agent_of, makers, observations, untrained


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


@pytest.mark.parametrize("name", ["ppo", "recurrent_ppo"])
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


def test_a_network_that_is_only_asked_has_no_optimizer():
    network = agent_of().network(observations_space(), spaces.Discrete(3))
    assert not isinstance(network.optimizer, torch.optim.Optimizer)


def observations_space():
    return makers(1)[0]().observation_space
