from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.stats import norm

from dltrader.agents import AGENTS, BASELINES
from dltrader.agents import probabilities as sides
from dltrader.agents.judgement import Gaussian
from dltrader.agents.probabilities import (
    LEAST_CHANGE,
    consult,
    require_consultable,
    sides_of_choices,
    sides_of_weights,
)
from dltrader.envs.actions import ACTIONS
from dltrader.envs.contract import EnvConfig
from dltrader.errors import ConfigError
from dltrader.features import Pipeline
from dltrader.forecast import vote
from small_runs import observations, untrained

SCHEMES = ["target_position", "buy_sell_hold", "target_weight"]


def fits(name, action):
    space = EnvConfig(action=action).action_space(1)
    return AGENTS[name].takes(space)


PAIRS = [(name, action) for name in AGENTS for action in SCHEMES if fits(name, action)]


def seen(policy, n=16, held=None):
    """Observations of a policy; with what is held by all of them."""
    batch = observations(policy, n)
    batch["account"] = np.random.default_rng(0).uniform(-1, 1, (n, 2)).astype(np.float32)
    if held is not None:
        batch["account"][:, 0] = held
    return batch


def told(action, held, scheme, leverage=1.0):
    """The side of one action of one who holds a whole position or none: by hand."""
    if scheme == "target_weight":
        change = float(action[0]) * leverage - held
        return vote.HOLD if abs(change) <= LEAST_CHANGE else vote.BUY if change > 0 else vote.SELL
    step = {"target_position": int(action) - 1 - held, "buy_sell_hold": (0, 1, -1)[int(action)]}[scheme]
    step = max(-1 - held, min(1 - held, step))
    return vote.HOLD if step == 0 else vote.BUY if step > 0 else vote.SELL


def test_the_columns_are_those_of_votes():
    assert (sides.BUY, sides.SELL, sides.HOLD) == (vote.BUY, vote.SELL, vote.HOLD)


@pytest.mark.parametrize(("name", "action"), PAIRS)
def test_every_learner_gives_probabilities_and_a_value(name, action):
    policy = untrained(agent={"name": name}, action=action)
    batch = seen(policy)
    said = consult(policy, batch)
    assert (said.probabilities.shape, said.probabilities.dtype) == ((16, 3), np.float64)
    assert (said.probabilities >= 0).all()
    np.testing.assert_allclose(said.probabilities.sum(axis=1), 1.0, atol=1e-12)
    assert said.value.shape == (16,)
    expected, _ = policy.predict(batch, deterministic=True)
    np.testing.assert_array_equal(said.action, expected)


@pytest.mark.parametrize("held", [-1, 0, 1])
@pytest.mark.parametrize(("name", "action"), PAIRS)
def test_probabilities_are_how_often_it_buys_sells_and_holds(name, action, held):
    draws = 3000
    policy = untrained(seed=1, agent={"name": name}, action=action)
    with torch.no_grad():
        for tensor in policy.network.parameters():
            tensor.mul_(0.5)  # less sure of itself
    one = {key: part[:1] for key, part in seen(policy, held=held).items()}
    many = {key: np.repeat(part, draws, axis=0) for key, part in one.items()}
    torch.manual_seed(0)
    # Learners of values explore in training only; whoever has an actor draws.
    drawn, _ = policy.predict(many, deterministic=False)
    counts = np.bincount([told(each, held, action) for each in drawn], minlength=3)
    np.testing.assert_allclose(consult(policy, one).probabilities[0], counts / draws, atol=0.035)


@pytest.mark.parametrize("name", ["ppo", "recurrent_ppo", "q_table"])
def test_a_single_observation_is_a_batch_of_one(name):
    policy = untrained(agent={"name": name})
    batch = seen(policy, 1)
    single = consult(policy, {key: part[0] for key, part in batch.items()})
    np.testing.assert_array_equal(single.probabilities, consult(policy, batch).probabilities)
    assert single.value.shape == (1,)


def test_a_memory_is_carried():
    policy = untrained(agent={"name": "recurrent_ppo"})
    batch = seen(policy)
    first = consult(policy, batch)
    second = consult(policy, batch, first.state, np.zeros(16, bool))
    third = consult(policy, batch, second.state, np.ones(16, bool))
    assert not np.array_equal(first.probabilities, second.probabilities)
    np.testing.assert_array_equal(first.probabilities, third.probabilities)


def test_what_is_held_is_what_the_account_shows_unless_it_is_told():
    policy = untrained()
    batch = seen(policy, held=0.0)
    flat = consult(policy, batch).probabilities
    long = consult(policy, batch, held=np.ones(16)).probabilities
    np.testing.assert_array_equal(long[:, vote.BUY], np.zeros(16))
    np.testing.assert_allclose(long[:, vote.HOLD], flat[:, vote.BUY], atol=1e-12)


@pytest.mark.parametrize(
    ("held", "levels", "expected"),
    [
        (0.0, (-1.0, 0.0, 1.0), (0.5, 0.2, 0.3)),
        (1.0, (-1.0, 0.0, 1.0), (0.0, 0.5, 0.5)),
        (-1.0, (-1.0, 0.0, 1.0), (0.8, 0.0, 0.2)),
        (-1.3, (-1.0, 0.0, 1.0), (0.8, 0.0, 0.2)),  # a short that prices have made larger is the same
        (0.3, (-1.0, 0.0, 1.0), (0.0, 0.5, 0.5)),  # an ensemble's long is long, however small
        (0.05, (-1.0, 0.0, 1.0), (0.5, 0.2, 0.3)),  # next to nothing is nothing
        (0.6, (0.0, 0.5, 1.0), (0.5, 0.2, 0.3)),
        (0.8, (0.0, 0.5, 1.0), (0.0, 0.5, 0.5)),
        (0.0, (-1.0, 0.5, 1.0), (0.8, 0.2, 0.0)),  # no level is none: each is a trade
    ],
)
def test_levels_are_told_against_the_one_held(held, levels, expected):
    config = EnvConfig(action={"name": "target_position", "levels": levels})
    found = sides_of_choices(np.array([[0.2, 0.3, 0.5]]), np.array([held]), config)
    np.testing.assert_allclose(found, [expected], atol=1e-12)


@pytest.mark.parametrize(
    ("held", "changes", "expected"),
    [
        (0.0, {}, (0.3, 0.2, 0.5)),
        (0.4, {}, (0.3, 0.2, 0.5)),
        (1.0, {}, (0.0, 0.2, 0.8)),
        (-1.0, {}, (0.3, 0.0, 0.7)),
        (0.0, {"allow_short": False}, (0.3, 0.0, 0.7)),
        (0.5, {"action": {"name": "buy_sell_hold", "max_units": 2}}, (0.3, 0.2, 0.5)),
        (1.0, {"action": {"name": "buy_sell_hold", "max_units": 2}}, (0.0, 0.2, 0.8)),
    ],
)
def test_steps_buy_and_sell_by_name_within_what_is_allowed(held, changes, expected):
    config = EnvConfig(**{"action": "buy_sell_hold"} | changes)
    found = sides_of_choices(np.array([[0.5, 0.3, 0.2]]), np.array([held]), config)
    np.testing.assert_allclose(found, [expected], atol=1e-12)


def weights(mean, deviation, held, *, squashed=False, **changes):
    odds = Gaussian(np.array([[mean]]), np.array([[deviation]]), squashed)
    return sides_of_weights(odds, np.array([held]), EnvConfig(action="target_weight", **changes))[0]


@pytest.mark.parametrize(
    ("held", "changes", "buy", "sell"),
    [
        (0.0, {}, norm.sf((0.1 - 0.2) / 0.5), norm.cdf((-0.1 - 0.2) / 0.5)),
        (0.5, {}, norm.sf((0.6 - 0.2) / 0.5), norm.cdf((0.4 - 0.2) / 0.5)),
        (1.0, {}, 0.0, norm.cdf((0.9 - 0.2) / 0.5)),
        (-1.0, {}, norm.sf((-0.9 - 0.2) / 0.5), 0.0),
        (1.0, {"leverage": 2.0}, norm.sf((0.6 - 0.2) / 0.5), norm.cdf((0.4 - 0.2) / 0.5)),
        (0.0, {"allow_short": False}, norm.sf((0.1 - 0.2) / 0.5), 0.0),
        (1.2, {}, 0.0, 1.0),  # prices carried it beyond the largest weight: any is less
        (-1.2, {}, 1.0, 0.0),
    ],
)
def test_weights_are_told_against_the_exposure_by_their_distribution(held, changes, buy, sell):
    found = weights(0.2, 0.5, held, **changes)
    np.testing.assert_allclose(found, [buy, sell, 1 - buy - sell], atol=1e-12)


def test_squashed_weights_are_told_before_they_are_squashed():
    buy = norm.sf((math.atanh(0.6) - 0.2) / 0.5)
    sell = norm.cdf((math.atanh(0.4) - 0.2) / 0.5)
    np.testing.assert_allclose(weights(0.2, 0.5, 0.5, squashed=True), [buy, sell, 1 - buy - sell], atol=1e-12)
    np.testing.assert_allclose(weights(0.2, 0.5, 0.95, squashed=True)[0], 0.0)


@pytest.mark.parametrize(("mean", "side"), [(0.5, vote.BUY), (0.05, vote.HOLD), (-0.5, vote.SELL)])
def test_a_weight_without_deviation_is_certain(mean, side):
    np.testing.assert_array_equal(weights(mean, 0.0, 0.0), np.eye(3)[side])


@pytest.mark.parametrize("name", BASELINES)
def test_every_baseline_is_certain_and_knows_no_value(name):
    baseline = BASELINES[name].from_mapping({"name": name})
    config = baseline.adapt(EnvConfig())
    columns = len(Pipeline(config.features, config.scaling).names)
    rising = np.tile(np.arange(columns, 0, -1, dtype=np.float32), (5, 1, 1))
    said = consult(baseline, {"market": rising, "account": np.zeros((5, 2), np.float32)})
    assert (said.probabilities.max(axis=1) == 1.0).all()
    np.testing.assert_array_equal(said.probabilities.sum(axis=1), np.ones(5))
    assert said.value is None
    side = {"buy_and_hold": vote.BUY, "flat": vote.HOLD, "sma_cross": vote.BUY, "constant_exposure": vote.BUY}
    if name in side:
        np.testing.assert_array_equal(said.probabilities[:, side[name]], np.ones(5))


def test_anything_that_predicts_can_be_asked_where_its_actions_are_explained():
    policy = SimpleNamespace(predict=lambda observation, state, start, deterministic: (np.array([2]), None))
    batch = {"market": np.zeros((1, 4, 2), np.float32), "account": np.zeros((1, 2), np.float32)}
    with pytest.raises(ConfigError, match="the policy brings no configuration; pass config=EnvConfig"):
        consult(policy, batch)
    assert consult(policy, batch, config=EnvConfig()).probabilities.tolist() == [[1.0, 0.0, 0.0]]


@pytest.mark.parametrize("action", ACTIONS)
def test_every_action_scheme_is_told_or_refused(action):
    policy = SimpleNamespace(env_config=EnvConfig(action=action))
    if action in SCHEMES:
        assert require_consultable(policy) is policy.env_config
    else:
        with pytest.raises(ConfigError, match=f"of env.action {action} it cannot be told by the exposure held which"):
            require_consultable(policy)


def test_a_portfolio_is_refused():
    with pytest.raises(ConfigError, match="trades 2 instruments at once, and a side is told of one; train one that"):
        consult(untrained(n_instruments=2), {"market": np.zeros((1, 4, 4)), "account": np.zeros((1, 4))})
