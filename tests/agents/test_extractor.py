from __future__ import annotations

import re

import gymnasium
import pytest
import torch
from gymnasium import spaces
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv

from dltrader.agents.extractor import MarketExtractor
from dltrader.errors import ConfigError, UnknownNameError
from dltrader.nn import EXTRACTORS
from small_runs import makers


def observation_space():
    return makers(1)[0]().observation_space


@pytest.mark.parametrize("name", EXTRACTORS)
def test_stable_baselines_own_ppo_learns_with_every_extractor(name):
    options = {"features_extractor_class": MarketExtractor, "features_extractor_kwargs": {"extractor": name}}
    learner = PPO(
        "MultiInputPolicy", DummyVecEnv(makers(2)), n_steps=8, batch_size=16, n_epochs=1, policy_kwargs=options, seed=1
    )
    before = {key: tensor.clone() for key, tensor in learner.policy.features_extractor.state_dict().items()}
    learner.learn(16)
    after = learner.policy.features_extractor.state_dict()
    assert learner.num_timesteps == 16
    moved = [key for key in before if not torch.equal(before[key], after[key])]
    assert moved == [key for key, _ in learner.policy.features_extractor.named_parameters()]


@pytest.mark.parametrize("name", EXTRACTORS)
def test_its_width_is_what_it_says(name):
    space = observation_space()
    extractor = MarketExtractor(space, name)
    batch = {key: torch.as_tensor(space[key].sample()).expand(5, *space[key].shape) for key in space.spaces}
    encoded = extractor(batch)
    assert encoded.shape == (5, extractor.features_dim)
    assert torch.equal(encoded[:, -2:], batch["account"])


def test_names_mappings_and_configurations_are_one():
    space = observation_space()
    forms = "mlp", {"name": "mlp"}, EXTRACTORS["mlp"]()
    shapes = [{key: value.shape for key, value in MarketExtractor(space, form).state_dict().items()} for form in forms]
    assert shapes[0] == shapes[1] == shapes[2]
    assert MarketExtractor(space, {"name": "mlp", "hidden": [5]}).features_dim == 5 + 2


@pytest.mark.parametrize(
    "space",
    [
        spaces.Box(-1, 1, (4,)),
        spaces.Dict({"market": spaces.Box(-1, 1, (4, 2))}),
        spaces.Dict({key: spaces.Box(-1, 1, (4, 2)) for key in ("market", "account", "news")}),
    ],
)
def test_another_space_is_refused(space):
    message = f"the observation space must be a Dict with market and account, was {space}; do not flatten"
    with pytest.raises(ConfigError, match=re.escape(message)):
        MarketExtractor(space)


def test_a_flattened_environment_is_refused():
    flat = gymnasium.wrappers.FlattenObservation(makers(1)[0]())
    options = {"features_extractor_class": MarketExtractor}
    with pytest.raises(ConfigError, match="do not flatten the environment for this extractor"):
        PPO("MlpPolicy", flat, policy_kwargs=options)


def test_an_unknown_extractor_is_refused():
    with pytest.raises(UnknownNameError, match="unknown extractor 'atention'; did you mean 'attention'\\?"):
        MarketExtractor(observation_space(), "atention")
