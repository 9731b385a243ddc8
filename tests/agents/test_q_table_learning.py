from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from stable_baselines3.common.vec_env import VecNormalize

from dltrader.agents.lanes import LanesVecEnv
from dltrader.agents.learning import learn
from dltrader.agents.vector import VectorLanes
from dltrader.benchmarks.oracle.environment import OracleVectorEnv
from dltrader.benchmarks.oracle.tasks import Discrete
from dltrader.errors import ConfigError
from small_runs import agent_of, market_of

MEANS = {"schedule": "visits", "learning_rate": 1.0, "learning_rate_end": 1e-6, "visits_power": 1.0}


def lanes(n_lanes=4, **env):
    market, config = market_of(random_start=True, episode_bars=20, **env)
    return LanesVecEnv(market, config, n_lanes, windows=False)


def learner_of(env=None, **changes):
    env = VecNormalize(lanes() if env is None else env, norm_obs=False)
    return agent_of(name="q_table", **changes).learner(env, seed=0, device="cpu")


def oracle(psi=1.0, n_lanes=64, steps=32):
    return VectorLanes(OracleVectorEnv(Discrete(psi=psi), n_lanes, window_bars=1, episode_steps=steps))


def test_without_a_discount_values_are_mean_rewards():
    # p q - abs(q - held): of a position from a level, in a bin of p, the reward is known but for the mean of p there.
    learner = learner_of(oracle(n_lanes=512), bins=4, gamma=0.0, epsilon_end=1.0, learning_starts=16_384, **MEANS)
    learner.learn(163_840)
    network = learner.policy
    means = 1.026 * np.array([-1.271, -0.325, 0.325, 1.271])  # of a standard normal within its quarters
    levels = np.array([-1.0, 0.0, 1.0])
    moves = np.abs(levels[:, None] - levels)  # (held, taken)
    expected = means[:, None, None] * levels - moves  # (bins, held, taken)
    found = learner.scale * network.values.reshape(4, 3, 3)
    np.testing.assert_allclose(found, expected, atol=0.06)
    assert network.counts.sum() == learner.num_timesteps - 16_384


@pytest.mark.parametrize("options", [{}, {"double": True}, {"trace_decay": 0.8}, {"double": True, "trace_decay": 0.5}])
def test_with_a_discount_values_are_those_of_the_optimal_policy(options):
    # Without costs what is held does not matter, as long as it is no sign of where p has been: so it is at random.
    agent = MEANS | {"visits_power": 0.8, "epsilon_end": 1.0, "learning_starts": 16_384} | options
    learner = learner_of(oracle(psi=0.0, n_lanes=512), bins=2, gamma=0.5, **agent)
    learner.learn(163_840)
    best = learner.scale * learner.policy.values.mean(axis=0).max(axis=1)
    # E|p| = 0.8187 in every state, so the optimal values are all E|p| / (1 - 0.5).
    np.testing.assert_allclose(best, 0.8187 / 0.5, rtol=0.05)
    assert learner.policy.best(np.arange(6)).tolist() == [0, 0, 0, 2, 2, 2]
    assert learner.policy.counts.any(axis=(1, 2)).all()


def test_the_end_of_time_is_no_end_of_values_and_ruin_is():
    learner = learner_of(gamma=0.9)
    seen = learner.env.reset()
    last = {name: part[0] for name, part in seen.items()} | {"account": np.array([1.0, 0.0], np.float32)}
    infos = [
        {},
        {"terminal_observation": last, "TimeLimit.truncated": True},
        {"terminal_observation": last, "TimeLimit.truncated": False},
        {},
    ]
    after, discount = learner._led_to(seen, np.array([False, True, True, False]), infos)
    assert discount.tolist() == [0.9, 0.9, 0.0, 0.9]
    # New episodes begin without a position, which is level 1 of three; the last bar of the old one was long.
    assert (after % 3).tolist() == [1, 2, 2, 1]


def test_what_is_untried_is_tried_if_thought_to_be_good_and_not_otherwise():
    tried = {}
    for optimism in (-20.0, 20.0):
        agent = {"epsilon_start": 0.0, "epsilon_end": 0.0, "optimism": optimism, "learning_rate": 0.5}
        learner = learner_of(oracle(), **agent)
        learner.learn(20_000)
        counts = learner.policy.counts[0]
        tried[optimism] = (counts[counts.any(axis=1)] > 0).mean()
    assert tried[-20.0] < 0.5
    assert tried[20.0] == 1.0


def test_rewards_have_one_scale_for_the_whole_training():
    learner = learner_of(oracle(), learning_starts=512)
    learner.learn(512)
    assert learner.settled
    scale, wrapper = learner.scale, learner.env
    assert scale == pytest.approx(np.sqrt(wrapper.ret_rms.var), rel=1e-3)
    assert learner.policy.counts.sum() == 0
    learner.learn(4096)
    assert learner.scale == scale != np.sqrt(wrapper.ret_rms.var)


def test_edges_come_from_the_training_bars_or_else_from_what_is_seen_first():
    market, _ = market_of()
    found = learner_of(bins=4).policy.edges.numpy().reshape(2, 3)
    quartiles = np.quantile(market.features[market.first :], [0.25, 0.5, 0.75], axis=0).T
    np.testing.assert_allclose(found, quartiles, atol=0.05)
    learner = learner_of(oracle(), bins=4, learning_starts=8_192)
    assert not learner.policy.edges.any()
    learner.learn(8_192)
    np.testing.assert_allclose(learner.policy.edges.numpy(), 1.026 * np.array([-0.674, 0.0, 0.674]), atol=0.15)
    assert learner.seen == []


def test_a_constant_number_that_is_shown_is_refused_once_it_is_known():
    env = oracle()
    env.shown = lambda seen: seen | {"market": np.zeros_like(seen["market"])}
    with pytest.raises(ConfigError, match=r"the feature column 0 cannot be cut into 2 bins, for it is constant: 0"):
        learner_of(env).learn(256)


def test_features_by_name_are_those_that_are_binned():
    learner = learner_of(lanes(features=["log_return", "gap", "range"]), features=["range", "log_return_1"])
    assert learner.policy.columns.tolist() == [2, 0]
    with pytest.raises(
        ConfigError, match=r"agent.features is \['gap'\], and the columns of these environments have no"
    ):
        learner_of(oracle(), features=["gap"])


@pytest.mark.parametrize("env", [lanes, oracle])
def test_lanes_without_a_scaling_wrapper_will_do(env):
    learner = agent_of(name="q_table").learner(env(), seed=0, device="cpu")
    learner.learn(640)
    assert learner.scale == 1.0
    assert learner.policy.values.any()


@pytest.mark.parametrize("stopped_at", [64, 2_048])
def test_it_goes_on_where_another_stood(stopped_at):
    # Before and after it has settled. The state shares memory with its learner until it is copied.
    agent = agent_of(name="q_table", bins=4, trace_decay=0.8, double=True, learning_starts=512)
    saved, whole = [], []

    def keep(report):
        whole.append({name: part.clone() for name, part in report.network.state_dict().items()})
        if report.state is not None and not saved and report.steps >= stopped_at:
            saved.append(copy.deepcopy(report.state()))

    fresh = {"total_timesteps": 3_072, "seed": 5, "report_every": 64}
    learn(agent, lanes(), on_rollout=keep, **fresh)
    resumed = learn(agent, lanes(), state=saved[0], **fresh).state_dict()
    assert whole[-1]["visits"].sum() == 3_072 - 512
    for name, part in whole[-1].items():
        assert torch.equal(resumed[name], part)


def test_a_state_of_other_lanes_is_refused():
    state = learner_of(lanes(4)).resume_state()
    with pytest.raises(ValueError, match=r"^trails have the shape \(1, 3\), those saved \(1, 4\)$"):
        learner_of(lanes(3)).load_resume_state(state)
