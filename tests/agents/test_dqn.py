from __future__ import annotations

import numpy as np
import pytest
import torch
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecNormalize

from dltrader.agents.lanes import LanesVecEnv
from dltrader.errors import ConfigError
from small_runs import agent_of, market_of, observations, untrained

NAMES = "dqn", "qrdqn"


def learner_of(name, n_lanes=4, **changes):
    market, config = market_of(random_start=True, episode_bars=20)
    env = VecNormalize(LanesVecEnv(market, config, n_lanes, windows=False), norm_obs=False)
    return agent_of(name=name, **changes).learner(env, seed=0, device="cpu")


class Watch(BaseCallback):
    """Keeps what `look` says of the learner before every rollout."""

    def __init__(self, look):
        super().__init__()
        self.look, self.seen = look, []

    def _on_rollout_start(self):
        self.seen.append(self.look(self.model))

    def _on_step(self):
        return True


def online_and_target(learner):
    both = (getattr(learner.policy, part) for part in vars(learner.policy)["_modules"] if "net" in part)
    online, target = (torch.nn.utils.parameters_to_vector(network.parameters()).detach().clone() for network in both)
    return online, target


@pytest.mark.parametrize("name", NAMES)
def test_epsilon_falls_to_its_end_and_stays_there(name):
    watch = Watch(lambda learner: learner.exploration_rate)
    learner = learner_of(name, epsilon_start=0.9, epsilon_end=0.1, epsilon_fraction=0.5)
    learner.learn(400, callback=watch)
    # A rollout is one step of four lanes: half of the training is 50 of them.
    assert watch.seen[0] == 0.9
    assert watch.seen[25] == pytest.approx(0.5)
    assert watch.seen[50:] == pytest.approx([0.1] * 50)
    assert learner.exploration_rate == pytest.approx(0.1)


@pytest.mark.parametrize("name", NAMES)
def test_every_lane_explores_for_itself(name):
    learner = learner_of(name, n_lanes=300, learning_starts=0, epsilon_start=0.3)
    learner._last_obs = learner.env.reset()
    best, _ = learner.policy.predict(learner._last_obs, deterministic=True)
    actions, kept = learner._sample_action(0, None, 300)
    np.testing.assert_array_equal(actions, kept)
    # Of the 30 % at random a third does the best by chance.
    assert 0.1 < np.mean(actions != best) < 0.3
    learner.exploration_rate = 0.0
    np.testing.assert_array_equal(learner._sample_action(0, None, 300)[0], best)
    at_random, _ = learner._sample_action(1, None, 300)
    assert (np.bincount(at_random) > 70).all()


@pytest.mark.parametrize("name", NAMES)
def test_the_target_network_is_copied_every_so_many_bars_and_lags_between(name):
    watch = Watch(online_and_target)
    learner = learner_of(name, learning_starts=0, target_update_bars=32, schedule="constant")
    learner.learn(96, callback=watch)
    # The copy is made after 8 steps of 4 lanes, before the update that follows them.
    targets = [target for _, target in watch.seen]
    changed = [i for i in range(1, len(targets)) if not torch.equal(targets[i], targets[i - 1])]
    assert changed == [8, 16]
    assert torch.equal(targets[8], watch.seen[7][0])
    assert not torch.equal(watch.seen[8][0], targets[8])


@pytest.mark.parametrize("name", NAMES)
def test_the_target_network_may_follow_in_small_steps(name):
    watch = Watch(online_and_target)
    learner_of(name, learning_starts=0, target_update_bars=4, tau=0.25).learn(12, callback=watch)
    (online, before), (_, followed) = watch.seen[1:3]
    assert not torch.equal(online, before)
    torch.testing.assert_close(followed, 0.75 * before + 0.25 * online)


@pytest.mark.parametrize(("bars", "n_envs", "expected"), [(64, 4, 64), (64, 3, 63), (65, 3, 66), (64, 100, 100)])
def test_the_target_interval_is_whole_steps_of_all_environments(bars, n_envs, expected):
    # Stable-Baselines3 warns of more environments than bars, and warnings are errors here.
    learner = learner_of("dqn", n_lanes=n_envs, target_update_bars=bars)
    assert learner.target_update_interval == expected


def test_dqn_learns_the_values_of_what_was_done():
    # With no discount, a value is the mean scaled reward of a choice: the loss falls to its spread.
    learner = learner_of("dqn", gamma=0.0, learning_rate=0.01, batch_size=64, gradient_steps_per_bar=1)
    learner.learn(300)
    sample = learner.replay_buffer.sample(400, env=learner.env)
    with torch.no_grad():
        values = learner.q_net(sample.observations).gather(1, sample.actions.long())
    assert ((values - sample.rewards) ** 2).mean() < (sample.rewards**2).mean()
    assert float(values.std()) > 0


def test_qrdqn_has_quantiles_and_its_own_optimizer():
    learner = learner_of("qrdqn", n_quantiles=7, batch_size=20)
    assert learner.policy.quantile_net(learner.policy.obs_to_tensor(learner.env.reset())[0]).shape == (4, 7, 3)
    (group,) = learner.policy.optimizer.param_groups
    assert (group["eps"], group["fused"]) == (0.01 / 20, True)


@pytest.mark.parametrize("name", NAMES)
def test_a_policy_takes_the_most_valuable_choice_however_it_is_asked(name):
    policy = untrained(agent={"name": name}, action="buy_sell_hold")
    batch = observations(policy, 40)
    network = getattr(policy.network, "q_net", None) or policy.network.quantile_net
    values = network(policy.network.obs_to_tensor(batch)[0])
    best = (values if name == "dqn" else values.mean(dim=1)).argmax(dim=1).numpy()
    assert len(set(best.tolist())) > 1
    for deterministic in (True, False):
        np.testing.assert_array_equal(policy.predict(batch, None, np.ones(40, bool), deterministic)[0], best)


def test_epsilon_does_not_rise():
    with pytest.raises(ConfigError, match=r"^epsilon_end must not be above epsilon_start 0.1, was 0.2$"):
        agent_of(name="dqn", epsilon_start=0.1, epsilon_end=0.2)
