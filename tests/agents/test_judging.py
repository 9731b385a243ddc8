from __future__ import annotations

import numpy as np
import pytest
import torch

from dltrader.agents import AGENTS
from dltrader.agents.config import AgentConfig
from dltrader.agents.judgement import Gaussian
from dltrader.errors import BundleError, ConfigError
from small_runs import action_of, agent_of, observations, untrained

BY_NUMBERS = ["ppo", "recurrent_ppo", "a2c", "sac"]
EACH = [(name, action_of(name)) for name in AGENTS] + [(name, "target_weight") for name in BY_NUMBERS[:3]]


def seen(policy, n=12):
    batch = observations(policy, n)
    tensors = {key: torch.as_tensor(part) for key, part in batch.items()}
    return batch, tensors


@pytest.mark.parametrize(("name", "action"), EACH)
def test_its_action_is_the_one_that_is_predicted(name, action):
    policy = untrained(agent={"name": name}, action=action)
    batch, _ = seen(policy)
    expected, _ = policy.predict(batch, deterministic=True)
    np.testing.assert_array_equal(policy.judge(batch).action, expected)


@pytest.mark.parametrize("name", AGENTS)
def test_every_agent_has_a_value_for_each_bar(name):
    policy = untrained(agent={"name": name})
    batch, _ = seen(policy)
    value = policy.judge(batch).value
    assert (value.shape, value.dtype) == ((12,), np.float64)
    assert np.isfinite(value).all()
    assert len(set(value.tolist())) > 1


@pytest.mark.parametrize("name", AGENTS)
def test_only_those_that_remember_give_a_state(name):
    policy = untrained(agent={"name": name})
    batch, _ = seen(policy, 3)
    assert (policy.judge(batch).state is not None) == policy.agent.remembers
    assert policy.agent.remembers == (name == "recurrent_ppo")


@pytest.mark.parametrize("name", ["ppo", "a2c"])
def test_odds_and_value_are_those_of_actor_and_critic(name):
    policy = untrained(agent={"name": name})
    batch, tensors = seen(policy)
    said = policy.judge(batch)
    with torch.no_grad():
        probabilities = policy.network.get_distribution(tensors).distribution.probs.numpy()
        values = policy.network.predict_values(tensors)[:, 0].numpy()
    np.testing.assert_allclose(said.odds, probabilities, rtol=1e-6)
    np.testing.assert_allclose(said.odds.sum(axis=1), 1.0, rtol=1e-15)
    np.testing.assert_array_equal(said.value, values.astype(np.float64))


def test_numbers_of_an_actor_come_with_their_deviation():
    policy = untrained(action="target_weight")
    batch, tensors = seen(policy)
    odds = policy.judge(batch).odds
    with torch.no_grad():
        distribution = policy.network.get_distribution(tensors).distribution
    np.testing.assert_array_equal(odds.mean, distribution.mean.double().numpy())
    np.testing.assert_array_equal(odds.deviation, distribution.stddev.double().numpy())
    assert not odds.squashed


def test_a_soft_actor_is_squashed_and_the_more_cautious_critic_judges():
    policy = untrained(agent={"name": "sac"})
    batch, tensors = seen(policy)
    said = policy.judge(batch)
    assert isinstance(said.odds, Gaussian)
    assert said.odds.squashed
    np.testing.assert_allclose(np.tanh(said.odds.mean), said.action, atol=1e-6)
    with torch.no_grad():
        first, second = policy.network.critic(tensors, torch.as_tensor(said.action))
    np.testing.assert_array_equal(said.value, np.minimum(first[:, 0].numpy(), second[:, 0].numpy()))
    assert (first < second).any()
    assert (first > second).any()


@pytest.mark.parametrize("name", ["dqn", "qrdqn"])
def test_a_learner_of_values_is_sure_of_the_best_choice_and_worth_as_much(name):
    policy = untrained(agent={"name": name})
    batch, tensors = seen(policy)
    said = policy.judge(batch)
    with torch.no_grad():
        worth = policy.network.q_net(tensors) if name == "dqn" else policy.network.quantile_net(tensors).mean(dim=1)
    np.testing.assert_array_equal(said.value, worth.max(dim=1).values.numpy())
    np.testing.assert_array_equal(said.odds.argmax(axis=1), worth.argmax(dim=1).numpy())
    assert set(np.unique(said.odds)) == {0.0, 1.0}


def test_a_table_is_worth_its_best_choice_that_was_tried():
    policy = untrained(agent={"name": "q_table"})
    network = policy.network
    batch, _ = seen(policy, 1)
    state = int(network.numbers(batch)[0])
    with torch.no_grad():
        network.table[:, state] = torch.tensor([3.0, 1.0, 2.0], dtype=torch.float64)
        network.visits[:, state] = torch.tensor([0, 5, 5])
    said = policy.judge(batch)
    assert (said.odds.tolist(), said.value.tolist(), said.action.tolist()) == ([[0.0, 0.0, 1.0]], [2.0], [2])


def test_a_memory_is_carried_from_bar_to_bar_as_in_predicting():
    policy = untrained(agent={"name": "recurrent_ppo"})
    batch, _ = seen(policy, 20)
    mine = theirs = None
    for bar in range(20):
        one = {key: part[bar : bar + 1] for key, part in batch.items()}
        start = np.array([bar in {0, 9}])
        said = policy.judge(one, mine, start)
        mine = said.state
        action, theirs = policy.predict(one, theirs, start, deterministic=True)
        np.testing.assert_array_equal(said.action, action)
        np.testing.assert_array_equal(mine[0], theirs[0])
        np.testing.assert_array_equal(mine[1], theirs[1])


def test_the_critic_has_a_memory_of_its_own():
    policy = untrained(agent={"name": "recurrent_ppo"})
    batch, tensors = seen(policy, 2)
    first = policy.judge(batch)
    second = policy.judge(batch, first.state, np.zeros(2, bool))
    states = tuple(torch.as_tensor(part) for part in first.state[2:])
    with torch.no_grad():
        expected = policy.network.predict_values(tensors, states, torch.zeros(2))[:, 0].numpy()
    np.testing.assert_array_equal(second.value, expected)
    assert not np.array_equal(second.value, first.value)


def test_a_memory_forgets_where_an_episode_begins():
    policy = untrained(agent={"name": "recurrent_ppo"})
    batch, _ = seen(policy, 2)
    fresh = policy.judge(batch)
    again = policy.judge(batch, fresh.state, np.array([True, False]))
    assert again.value[0] == fresh.value[0]
    assert again.value[1] != fresh.value[1]
    np.testing.assert_array_equal(again.odds[0], fresh.odds[0])


def test_an_agent_that_does_not_tell_is_sure_of_its_action():
    policy = untrained()
    batch, _ = seen(policy)
    said = AgentConfig.judge(agent_of(), policy.network, batch, None, None)
    np.testing.assert_array_equal(said.odds.argmax(axis=1), policy.judge(batch).action)
    assert said.value is None


def test_actions_without_probabilities_are_refused():
    policy = untrained(n_instruments=2)
    batch, _ = seen(policy)
    with pytest.raises(ConfigError, match="actions are drawn from a MultiCategoricalDistribution, of which no prob"):
        policy.judge(batch)


def test_another_observation_is_refused():
    policy = untrained()
    batch, _ = seen(policy)
    with pytest.raises(BundleError, match="observes 'market' of shape"):
        policy.judge(batch | {"market": batch["market"][:, 1:]})


def test_windows_that_must_not_be_written_to_are_taken():
    policy = untrained()
    batch, _ = seen(policy)
    expected = policy.judge(batch).value
    for part in batch.values():
        part.flags.writeable = False
    np.testing.assert_array_equal(policy.judge(batch).value, expected)
