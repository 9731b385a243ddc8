from __future__ import annotations

import numpy as np
import pytest
import torch

from dltrader.agents.learning import learn
from dltrader.agents.trained import TrainedPolicy
from dltrader.errors import BundleError
from small_runs import agent_of, makers, market_of, observations, untrained


@pytest.mark.parametrize("name", ["ppo", "recurrent_ppo"])
@pytest.mark.parametrize("deterministic", [True, False])
def test_it_decides_what_its_learner_would(name, deterministic):
    market, config = market_of()
    agent = agent_of(name=name)
    network = learn(agent, makers(2), total_timesteps=128, seed=5)
    built = TrainedPolicy.build(agent, config, market.pipeline, market.instruments, network.state_dict())
    batch = observations(built, 32)
    starts = np.ones(32, bool)
    torch.manual_seed(0)
    expected, _ = network.predict(batch, None, starts, deterministic)
    torch.manual_seed(0)
    found, _ = built.predict(batch, None, starts, deterministic)
    np.testing.assert_array_equal(found, expected)
    assert len(set(found.tolist())) > 1 or deterministic


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"market": (4, 3)}, "the policy observes 'market' of shape (4, 2), was given (4, 3); use the environment"),
        ({"market": (7, 5, 2)}, "the policy observes 'market' of shape (4, 2), was given (7, 5, 2); use"),
        ({"account": (4,)}, "the policy observes 'account' of shape (2,), was given (4,); use the environment"),
        ({"account": None}, "the policy observes 'account' of shape (2,), was given none; use the environment"),
    ],
)
def test_another_observation_is_refused(change, message):
    policy = untrained()
    shapes = {"market": (4, 2), "account": (2,)} | change
    observation = {key: np.zeros(shape, np.float32) for key, shape in shapes.items() if shape is not None}
    with pytest.raises(BundleError) as caught:
        policy.predict(observation)
    assert str(caught.value).startswith(message)
    assert str(caught.value).endswith("use the environment, features and instruments of its run")


@pytest.mark.parametrize(
    ("alter", "message"),
    [
        (
            lambda weights: weights.pop("value_net.bias"),
            "the weights do not fit the network: value_net.bias should have shape (1,), found no such tensor",
        ),
        (
            lambda weights: weights.update({"value_net.bias": torch.zeros(2)}),
            "the weights do not fit the network: value_net.bias should have shape (1,), found (2,)",
        ),
        (
            lambda weights: weights.update({"zzz": torch.zeros(2)}),
            "the weights do not fit the network: zzz should have shape no such tensor, found (2,)",
        ),
    ],
)
def test_weights_of_another_network_are_refused(alter, message):
    policy = untrained()
    weights = policy.weights()
    alter(weights)
    with pytest.raises(BundleError) as caught:
        TrainedPolicy.build(policy.agent, policy.env_config, policy.pipeline, policy.instruments, weights)
    assert str(caught.value) == message


def test_weights_are_a_copy():
    policy = untrained()
    weights = policy.weights()
    before = weights["value_net.bias"].clone()
    with torch.no_grad():
        policy.network.value_net.bias.add_(1.0)
    assert torch.equal(weights["value_net.bias"], before)


def test_its_name_says_agent_and_extractor():
    assert untrained().name == "ppo (mlp)"
    assert untrained(agent={"name": "recurrent_ppo", "extractor": "gru"}).name == "recurrent_ppo (gru)"


def test_predicting_uses_one_thread_and_gives_the_others_back(monkeypatch):
    policy, seen = untrained(), []
    predict = policy.network.predict

    def watched(*arguments):
        seen.append(torch.get_num_threads())
        return predict(*arguments)

    monkeypatch.setattr(policy.network, "predict", watched)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        policy.predict(observations(policy, 1))
        assert (seen, torch.get_num_threads()) == ([1], 2)
    finally:
        torch.set_num_threads(before)
