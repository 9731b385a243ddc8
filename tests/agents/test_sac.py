from __future__ import annotations

import numpy as np
import pytest
from stable_baselines3.common.vec_env import VecNormalize

from dltrader.agents.lanes import LanesVecEnv
from small_runs import agent_of, market_of, observations, untrained


def learner_of(*, n_instruments=1, **changes):
    market, config = market_of(n_instruments, random_start=True, episode_bars=20, action="target_weight")
    env = VecNormalize(LanesVecEnv(market, config, 4, windows=False), norm_obs=False)
    return agent_of(name="sac", **changes).learner(env, seed=0, device="cpu")


def test_the_weight_of_entropy_is_tuned_from_its_start():
    learner = learner_of(entropy_bonus=0.25, learning_rate=0.01)
    assert learner.log_ent_coef.exp().item() == pytest.approx(0.25)
    learner.learn(120)
    # A fresh policy has more entropy than is asked for, so its weight falls.
    assert 0.0 < learner.log_ent_coef.exp().item() < 0.24


def test_the_weight_of_entropy_may_be_fixed():
    learner = learner_of(entropy_bonus=0.25, tune_entropy=False)
    learner.learn(64)
    assert learner.log_ent_coef is None
    assert learner.ent_coef_tensor.item() == 0.25


@pytest.mark.parametrize("bonus", [1e-5, 0.1, 12.0])
def test_any_weight_can_be_started_from(bonus):
    assert learner_of(entropy_bonus=bonus).log_ent_coef.exp().item() == pytest.approx(bonus)


@pytest.mark.parametrize(("asked", "n_instruments", "expected"), [(None, 1, -1.0), (None, 2, -2.0), (-0.5, 2, -0.5)])
def test_the_entropy_to_come_to_is_one_nat_below_zero_for_every_instrument(asked, n_instruments, expected):
    assert learner_of(n_instruments=n_instruments, target_entropy=asked).target_entropy == expected


def test_the_target_critic_follows_by_tau():
    learner = learner_of(tau=1.0)
    learner.learn(64)
    assert learner._n_updates > 0
    for online, target in zip(learner.critic.parameters(), learner.critic_target.parameters(), strict=True):
        np.testing.assert_array_equal(online.detach(), target.detach())


def test_weights_stay_within_the_box_and_differ_when_drawn():
    policy = untrained(agent={"name": "sac"})
    batch = observations(policy, 200)
    surest, _ = policy.predict(batch, deterministic=True)
    drawn, _ = policy.predict(batch, deterministic=False)
    for weights in (surest, drawn):
        assert weights.shape == (200, 1)
        assert np.abs(weights).max() <= 1.0
        assert weights.std() > 0.1
    assert not np.array_equal(surest, drawn)
