"""Both engines can be left in the midst of an episode, and gone on with in fresh objects."""

from __future__ import annotations

import backtrader as bt
import numpy as np
import pytest

from dltrader.envs.arrays import to_numpy
from dltrader.envs.cerebro import TradingEnv
from dltrader.envs.contract import EnvConfig
from dltrader.envs.markets import Markets
from dltrader.envs.rewards import log_growth
from dltrader.envs.vector import TradingVectorEnv
from dltrader.errors import EnvironmentStateError
from dltrader.runs.state import load_state, save_state
from market_bars import random_walk

BARS = {name: random_walk(n, seed) for seed, (name, n) in enumerate({"a": 60, "b": 50, "c": 40}.items())}
ENV = {
    "window_bars": 4,
    "features": ["log_return", "gap"],
    "scaling": {"name": "rolling", "window_bars": 8},
    "action": "target_weight",
    "reward": {"name": "differential_sharpe", "rate": 0.1},
    "episode_bars": 9,
    "random_start": True,
}


def config(**changes):
    return EnvConfig.from_mapping(ENV | changes)


def kept(env, folder):
    """The state as it comes back from a disk."""
    save_state(folder, env.state(), 1)
    return load_state(folder)


def lanes(**changes):
    options = {name: changes.pop(name) for name in ("arrays", "together") if name in changes}
    chosen = config(**changes)
    return TradingVectorEnv(Markets.build(BARS, chosen), 6, chosen, **options)


def single(**changes):
    chosen = config(**changes)
    return TradingEnv(Markets.build(BARS, chosen), chosen)


def weights(n, shape):
    return np.random.default_rng(5).uniform(-1, 1, (n, *shape)).astype(np.float32)


def stepped(env, actions):
    """Everything that steps told, as NumPy's."""
    told = []
    for action in actions:
        observation, reward, terminated, truncated, info = env.step(action)
        told += [to_numpy(part) for part in (*observation.values(), reward, terminated, truncated)]
        told += [to_numpy(info[name]) for name in ("time", "equity", "cash", "position", "market")]
        if isinstance(env, TradingEnv) and (terminated or truncated):
            env.reset()
    return told


def assert_equal(one, other):
    for part, same in zip(one, other, strict=True):
        np.testing.assert_array_equal(part, same)


@pytest.mark.parametrize("options", [{}, {"arrays": "torch"}, {"together": 3}, {"leverage": 2.0, "sizing": "at_close"}])
def test_lanes_go_on_where_others_stood(options, tmp_path):
    actions = weights(40, (6, 1))
    env = lanes(**options)
    env.reset(seed=3, options={"stagger": True})
    stepped(env, actions[:13])
    state = kept(env, tmp_path)
    other = lanes(**options)
    other.load_state(state)
    assert other.lanes.closes[0].tolist() == env.lanes.closes[0].tolist()
    assert_equal(stepped(other, actions[13:]), stepped(env, actions[13:]))


def test_an_episode_in_cerebro_goes_on_where_another_stood(tmp_path):
    actions = weights(40, (1,))
    env = single()
    env.reset(seed=3)
    stepped(env, actions[:13])
    state = kept(env, tmp_path)
    assert state["actions"].shape == (13 - 9, 1)
    other = single()
    begun = other.load_state(state)
    assert (begun["equity"], begun["market"]) == (100_000.0, state["market"])
    assert_equal(stepped(other, actions[13:]), stepped(env, actions[13:]))


def test_an_episode_that_has_just_begun_goes_on_too(tmp_path):
    env, other = single(), single()
    env.reset(seed=3)
    other.load_state(kept(env, tmp_path))
    actions = weights(20, (1,))
    assert_equal(stepped(other, actions), stepped(env, actions))


@pytest.mark.parametrize("make", [lanes, single])
def test_without_an_episode_there_is_no_state(make):
    with pytest.raises(EnvironmentStateError, match=r"^state\(\) was called .*; call reset\(\) first$"):
        make().state()


def test_an_action_that_is_changed_afterwards_is_kept_as_it_was_done():
    env = single()
    env.reset(seed=0)
    action = np.array([0.5], np.float32)
    env.step(action)
    action[:] = -1.0
    assert env.state()["actions"].tolist() == [[0.5]]


def test_a_hook_that_does_something_else_is_noticed(tmp_path):
    markets = Markets.build(BARS, config())
    env, other = (
        TradingEnv(
            markets, config(), prepare=lambda cerebro, stake=stake: cerebro.addsizer(bt.sizers.FixedSize, stake=stake)
        )
        for stake in (3, 7)
    )
    env.reset(seed=0)
    stepped(env, weights(3, (1,)))
    with pytest.raises(EnvironmentStateError, match=r"^the episode was stepped again and came to an equity of "):
        other.load_state(kept(env, tmp_path))
    other.reset(seed=0)
    other.step(np.array([0.5], np.float32))


def test_a_reward_that_keeps_what_is_no_number_is_named():
    def hoarding(step):
        step.memory["words"] = "many"
        return log_growth(step)

    env = lanes(reward=hoarding)
    env.reset(seed=0)
    env.step(weights(1, (6, 1))[0])
    with pytest.raises(EnvironmentStateError) as caught:
        env.state()
    assert "hoarding keeps 'words', which is no array of numbers and cannot be saved; keep numbers, or set" in str(
        caught.value
    )
