"""Judging: what each kind of Stable-Baselines3 policy says of observations, in one pass through its networks.

Every function takes a policy, a batch of observations, the state and where episodes begin, as `predict` does, and gives
a `Judgement`, whose action is to the bit that of `predict(..., deterministic=True)`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from sb3_contrib.common.recurrent.policies import RecurrentActorCriticPolicy
from sb3_contrib.qrdqn.policies import QRDQNPolicy
from stable_baselines3.common.distributions import CategoricalDistribution, DiagGaussianDistribution, Distribution
from stable_baselines3.common.policies import ActorCriticPolicy, BasePolicy
from stable_baselines3.dqn.policies import DQNPolicy
from stable_baselines3.sac.policies import SACPolicy

from dltrader.agents.judgement import Array, Gaussian, Judgement, certain
from dltrader.errors import ConfigError

Observations = Mapping[str, Any]


@torch.no_grad()
def judge_actor_critic(
    policy: ActorCriticPolicy, observation: Observations, state: Any, episode_start: Any
) -> Judgement:
    """The odds of the actor and the value of the critic (PPO, A2C)."""
    del state, episode_start
    for_actor, for_critic = _features(policy, observation)
    distribution = _distribution(policy, for_actor)
    value = _value(policy, for_critic)
    return Judgement(_action(policy, distribution.mode()), _odds(distribution), value)


@torch.no_grad()
def judge_recurrent(
    policy: RecurrentActorCriticPolicy, observation: Observations, state: Any, episode_start: Any
) -> Judgement:
    """The same of networks with a memory each (RecurrentPPO).

    The state is another one than that of `predict`, which never asks the critic: four arrays (layers, n, units), hidden
    and cell of the actor, hidden and cell of the critic.
    """
    for_actor, for_critic = _features(policy, observation)
    assert policy.lstm_critic is not None
    if state is None:
        layers, _, units = policy.lstm_hidden_state_shape
        state = (np.zeros((layers, len(for_actor), units), np.float32),) * 4
    carried: Any = policy._process_sequence  # noqa: SLF001 - and annotated as if it gave a tensor where it gives two
    actor, critic = _tensors(policy, state[:2]), _tensors(policy, state[2:])
    begins = np.zeros(len(for_actor)) if episode_start is None else np.asarray(episode_start, np.float32)
    (starts,) = _tensors(policy, (begins,))
    for_actor, actor = carried(for_actor, actor, starts, policy.lstm_actor)
    for_critic, critic = carried(for_critic, critic, starts, policy.lstm_critic)
    distribution = _distribution(policy, for_actor)
    value = _value(policy, for_critic)
    kept = tuple(part.cpu().numpy() for part in (*actor, *critic))
    return Judgement(_action(policy, distribution.mode()), _odds(distribution), value, kept)


@torch.no_grad()
def judge_soft(policy: SACPolicy, observation: Observations, state: Any, episode_start: Any) -> Judgement:
    """The odds of the actor, and what the more cautious of the critics expects of its likeliest action (SAC)."""
    del state, episode_start
    seen = _seen(policy, observation)
    mean, log_deviation, _ = policy.actor.get_action_dist_params(seen)
    likeliest = torch.tanh(mean)
    value = torch.stack(policy.critic(seen, likeliest)).amin(dim=0)  # (n, 1)
    odds = Gaussian(_numbers(mean), _numbers(log_deviation.exp()), squashed=True)
    return Judgement(_action(policy, likeliest), odds, _numbers(value)[:, 0])


@torch.no_grad()
def judge_q(policy: DQNPolicy | QRDQNPolicy, observation: Observations, state: Any, episode_start: Any) -> Judgement:
    """The best choice for certain, as it is taken outside of training, and its worth (DQN, QR-DQN by the mean)."""
    del state, episode_start
    seen = _seen(policy, observation)
    worth = policy.q_net(seen) if isinstance(policy, DQNPolicy) else policy.quantile_net(seen).mean(dim=1)
    best = worth.argmax(dim=1)
    return Judgement(_action(policy, best), certain(best.cpu().numpy(), worth.shape[1]), _numbers(worth.amax(dim=1)))


def _features(policy: ActorCriticPolicy, observation: Observations) -> tuple[torch.Tensor, torch.Tensor]:
    """What the actor and what the critic makes of observations: (n, features_dim) each, encoded once if shared."""
    seen = _seen(policy, observation)
    features = policy.extract_features(seen)
    return features if isinstance(features, tuple) else (features, features)


def _distribution(policy: ActorCriticPolicy, for_actor: torch.Tensor) -> Distribution:
    # `get_distribution` would encode once more what the critic needs, too.
    latent = policy.mlp_extractor.forward_actor(for_actor)
    return policy._get_action_dist_from_latent(latent)  # noqa: SLF001


def _value(policy: ActorCriticPolicy, for_critic: torch.Tensor) -> Array:
    """(n,)."""
    return _numbers(policy.value_net(policy.mlp_extractor.forward_critic(for_critic)))[:, 0]


def _odds(distribution: Distribution) -> Array | Gaussian:
    """The odds of choices, or the distribution of numbers."""
    if isinstance(distribution, CategoricalDistribution):
        odds = _numbers(distribution.distribution.probs)
        return np.asarray(odds / odds.sum(axis=1, keepdims=True))  # single precision leaves it at about 1
    if isinstance(distribution, DiagGaussianDistribution):
        return Gaussian(_numbers(distribution.distribution.mean), _numbers(distribution.distribution.stddev))
    raise ConfigError(
        f"actions are drawn from a {type(distribution).__name__}, of which no probabilities can be told; trade one "
        "instrument with env.action: target_position, buy_sell_hold or target_weight"
    )


def _action(policy: BasePolicy, actions: torch.Tensor) -> Any:
    """Actions within the space, as `predict` gives them: (n, …)."""
    space = policy.action_space
    array = actions.cpu().numpy().reshape((-1, *(space.shape or ())))
    if not isinstance(space, spaces.Box):
        return array
    return policy.unscale_action(array) if policy.squash_output else np.clip(array, space.low, space.high)


def _seen(policy: BasePolicy, observation: Observations) -> dict[str, torch.Tensor]:
    """A batch of observations as tensors; `obs_to_tensor` looks for images, too, which takes as long as the network."""
    device = policy.device
    return {name: torch.tensor(part, device=device) for name, part in observation.items()}


def _tensors(policy: BasePolicy, arrays: Any) -> tuple[torch.Tensor, ...]:
    return tuple(torch.as_tensor(array, dtype=torch.float32, device=policy.device) for array in arrays)


def _numbers(tensor: torch.Tensor) -> Array:
    return tensor.double().cpu().numpy()
