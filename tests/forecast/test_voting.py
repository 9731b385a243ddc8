from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dltrader.errors import ConfigError, VoteError
from dltrader.forecast.vote import BUY, HOLD, SELL, Vote
from dltrader.forecast.voting import (
    VoteConfig,
    Weighting,
    agreement_of,
    calibrated,
    pool,
    pooled_probabilities,
    recommended,
)

CERTAIN = np.eye(3)


def said(*probabilities, **more):
    return Vote(np.array([probabilities]), **{name: value for name, value in more.items() if value is not None})


def weighting(**weights):
    return Weighting(weights=weights)


def entropy(*probabilities):
    return -sum(p * math.log(p) for p in probabilities if p > 0)


VOTES = {"lstm": said(0.5, 0.2, 0.3), "ppo": said(0.7, 0.1, 0.2)}


def test_the_pool_is_the_weighted_mean():
    opinion = pool(VOTES, weighting(lstm=3.0, ppo=1.0))
    np.testing.assert_allclose(opinion.probabilities, [0.55, 0.175, 0.275], rtol=1e-12)
    assert opinion.weights == {"lstm": 0.75, "ppo": 0.25}
    assert (opinion.recommendation, opinion.failed, opinion.missing) == ("buy", {}, ())
    assert opinion.votes == VOTES


def test_confidence_is_the_pooled_probability_times_the_agreement():
    opinion = pool(VOTES, weighting(lstm=1.0, ppo=1.0))
    divergence = entropy(0.6, 0.15, 0.25) - (entropy(0.5, 0.2, 0.3) + entropy(0.7, 0.1, 0.2)) / 2
    assert opinion.agreement == pytest.approx(1 - divergence / math.log(3), rel=1e-12)
    assert opinion.confidence == pytest.approx(0.6 * opinion.agreement, rel=1e-12)
    assert opinion.confidence == pytest.approx(0.5881, abs=1e-4)


def test_a_temperature_below_one_makes_the_pool_surer_around_the_base_rates():
    cold = Weighting(weights={"lstm": 1.0}, temperature=0.5)
    squares = np.array([0.25, 0.04, 0.09])
    np.testing.assert_allclose(pool({"lstm": VOTES["lstm"]}, cold).probabilities, squares / squares.sum(), rtol=1e-12)
    # Whoever says what always is, knows nothing, at whatever temperature.
    around = Weighting(weights={"lstm": 1.0}, temperature=0.5, base=(0.5, 0.2, 0.3))
    np.testing.assert_allclose(pool({"lstm": VOTES["lstm"]}, around).probabilities, [0.5, 0.2, 0.3], rtol=1e-12)


def test_models_are_taken_at_their_own_temperature_and_told_as_they_spoke():
    hot = Weighting(weights={"lstm": 1.0, "ppo": 1.0}, temperatures={"ppo": 1e9})
    each = calibrated({model: vote.probabilities for model, vote in VOTES.items()}, hot)
    np.testing.assert_allclose(each["ppo"], [[1 / 3, 1 / 3, 1 / 3]], rtol=1e-8)
    assert each["lstm"] is VOTES["lstm"].probabilities
    opinion = pool(VOTES, hot)
    np.testing.assert_allclose(opinion.probabilities, [5 / 12, 4 / 15, 19 / 60], rtol=1e-8)
    assert opinion.votes["ppo"] is VOTES["ppo"]


def test_one_bar_is_pooled_as_many_are():
    rows = np.random.default_rng(0).dirichlet((1, 1, 1), (2, 7))
    whole = Weighting(weights={"a": 0.3, "b": 0.7}, temperature=0.8, temperatures={"a": 2.0}, base=(0.2, 0.3, 0.5))
    many = {"a": rows[0], "b": rows[1]}
    pooled, agreement = pooled_probabilities(many, whole), agreement_of(many, whole)
    for bar in range(7):
        opinion = pool({model: Vote(one[bar : bar + 1]) for model, one in many.items()}, whole)
        np.testing.assert_allclose(opinion.probabilities, pooled[bar], rtol=1e-13)
        assert opinion.agreement == pytest.approx(agreement[bar], rel=1e-13)


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ({"a": 1.0}, 1.0),
        ({"a": 1.0, "b": 1.0}, 1 - math.log(2) / math.log(3)),
        ({"a": 1.0, "b": 1.0, "c": 1.0}, 0.0),
        ({"a": 1.0, "b": 0.0, "c": 0.0}, 1.0),
    ],
)
def test_agreement_of_opposite_certainties(weights, expected):
    each = {model: CERTAIN["abc".index(model)][np.newaxis] for model in weights}
    assert agreement_of(each, Weighting(weights=weights))[0] == pytest.approx(expected, abs=1e-12)


@given(st.integers(0, 2**32 - 1), st.integers(1, 5))
def test_opinions_keep_their_bounds(seed, n_models):
    generator = np.random.default_rng(seed)
    probabilities = generator.dirichlet(np.full(3, 0.3), n_models)
    votes = {f"m{i}": Vote(probabilities[i : i + 1]) for i in range(n_models)}
    whole = Weighting(
        weights={model: generator.uniform(0.01, 1) for model in votes}, temperature=generator.uniform(0.3, 3)
    )
    opinion = pool(votes, whole)
    assert opinion.probabilities.sum() == pytest.approx(1.0)
    assert 0.0 <= opinion.agreement <= 1.0
    assert 0.0 <= opinion.confidence <= opinion.probabilities.max() + 1e-15
    assert sum(opinion.weights.values()) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("probabilities", "side"),
    [
        ((0.5, 0.2, 0.3), BUY),
        ((0.2, 0.5, 0.3), SELL),
        ((0.2, 0.3, 0.5), HOLD),
        ((0.4, 0.4, 0.2), HOLD),
        ((0.4, 0.2, 0.4), HOLD),
        ((1 / 3, 1 / 3, 1 / 3), HOLD),
    ],
)
def test_what_no_side_is_likeliest_for_is_to_hold(probabilities, side):
    assert recommended(np.array(probabilities)) == side


def test_who_cannot_vote_leaves_the_weight_to_the_others_and_is_named():
    opinion = pool(VOTES, weighting(lstm=1.0, ppo=1.0, lgb_5d=2.0, lgb_30d=4.0), failed={"lgb_5d": "OSError: gone"})
    assert opinion.weights == {"lstm": 0.5, "ppo": 0.5}
    np.testing.assert_allclose(opinion.probabilities, [0.6, 0.15, 0.25], rtol=1e-12)
    assert (opinion.failed, opinion.missing) == ({"lgb_5d": "OSError: gone"}, ("lgb_30d",))


def test_where_all_that_are_left_weigh_nothing_they_count_alike():
    opinion = pool(VOTES, weighting(lstm=0.0, ppo=0.0, lgb=1.0))
    assert opinion.weights == {"lstm": 0.5, "ppo": 0.5}
    assert opinion.missing == ("lgb",)


def test_without_any_vote_there_is_no_opinion():
    with pytest.raises(VoteError) as caught:
        pool({}, weighting(lstm=1.0, ppo=1.0), failed={"lstm": "OSError: gone"})
    assert str(caught.value) == "no model of the ensemble could vote (lstm: OSError: gone; ppo: missing)"


def test_a_vote_without_weight_is_refused():
    with pytest.raises(ConfigError, match="the model 'pro' has no weight; did you mean 'ppo'"):
        pool({"pro": VOTES["ppo"]}, weighting(lstm=1.0, ppo=1.0))


def test_what_models_say_beside_is_the_mean_over_those_that_say_it():
    votes = {
        "lstm": said(0.5, 0.2, 0.3, horizon_bars=5, movement=np.array([0.02]), risk=np.array([0.01])),
        "gru": said(0.5, 0.2, 0.3, horizon_bars=5, movement=np.array([0.05])),
        "lgb_5d": said(0.5, 0.2, 0.3, horizon_bars=5, win=np.array([0.6])),
        "lgb_30d": said(0.5, 0.2, 0.3, horizon_bars=30, win=np.array([0.7])),
        "ppo": said(0.5, 0.2, 0.3, value=np.array([3.0])),
        "sac": said(0.5, 0.2, 0.3, value=np.array([-1.0])),
    }
    opinion = pool(votes, weighting(lstm=2.0, gru=1.0, lgb_5d=1.0, lgb_30d=1.0, ppo=3.0, sac=1.0))
    assert opinion.wins == pytest.approx({5: 0.6, 30: 0.7})
    assert opinion.movement == pytest.approx((2 * 0.02 + 0.05) / 3)
    assert opinion.risk == pytest.approx(0.01)
    assert opinion.horizon_bars == 5
    assert opinion.value == pytest.approx(2.0)


def test_movements_over_different_horizons_are_not_mixed():
    votes = {
        "short": said(0.5, 0.2, 0.3, horizon_bars=5, movement=np.array([0.02])),
        "long": said(0.5, 0.2, 0.3, horizon_bars=30, movement=np.array([0.2])),
    }
    assert pool(votes, weighting(short=1.0, long=1.0)).movement == pytest.approx(0.02)
    heavy = pool(votes, weighting(short=1.0, long=3.0))
    assert (heavy.movement, heavy.horizon_bars) == (pytest.approx(0.2), 30)


def test_what_only_models_without_weight_say_is_their_plain_mean():
    votes = {"lstm": said(0.5, 0.2, 0.3), "a": said(0.5, 0.2, 0.3, value=np.array([1.0]))}
    votes["b"] = said(0.5, 0.2, 0.3, value=np.array([2.0]))
    assert pool(votes, weighting(lstm=1.0, a=0.0, b=0.0)).value == 1.5


def test_what_nobody_says_is_none():
    opinion = pool(VOTES, weighting(lstm=1.0, ppo=1.0))
    assert (opinion.wins, opinion.movement, opinion.risk, opinion.horizon_bars, opinion.value) == ({}, *[None] * 4)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"weights": "best"}, "weights must be fit, equal, or numbers by model, was 'best'"),
        (
            {"weights": {"lstm": -1.0}},
            "weights must be numbers of 0 or more, and one at least above 0, was {'lstm': -1",
        ),
        ({"weights": ["lstm"]}, "weights must be fit, equal, or numbers by model, was ['lstm']"),
        ({"weights": {"lstm": "much"}}, "numbers of 0 or more, and one at least above 0, was {'lstm': 'much'}"),
        ({"weights": {}}, "numbers of 0 or more, and one at least above 0, was {}"),
        ({"weights": {"lstm": 0.0}}, "numbers of 0 or more, and one at least above 0, was {'lstm': 0.0}"),
        ({"temperature": 0.0}, "temperature must be fit or a number in (0, 10000], was 0.0"),
        ({"temperature": "hot"}, "temperature must be fit or a number in (0, 10000], was 'hot'"),
        ({"weight": "fit"}, "unknown key 'weight'; did you mean 'weights'?"),
    ],
)
def test_wrong_configurations_are_refused(values, message):
    with pytest.raises(ConfigError) as caught:
        VoteConfig(**values)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_weighting_is_kept_as_plain_values():
    whole = Weighting(weights={"a": 0.1 + 0.2}, temperature=0.7, temperatures={"a": 1.1}, base=(0.2, 0.3, 0.5))
    assert Weighting.from_mapping(whole.to_mapping()) == whole
