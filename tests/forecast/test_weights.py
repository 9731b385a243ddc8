from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from dltrader.errors import BarsError, ConfigError
from dltrader.forecast.scores import log_loss
from dltrader.forecast.voting import VoteConfig, Weighting, calibrated, pooled_probabilities
from dltrader.forecast.weights import GAP, fit_calibration, fit_temperature, fit_weights, weighting_of


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def drawn(generator, probabilities):
    return (generator.random(len(probabilities))[:, np.newaxis] > probabilities.cumsum(axis=1)).sum(axis=1)


def two_halves(n=4000, seed=0):
    """Two models that know one half each of what there is to know, their classes, and what who knew both would say."""
    generator = np.random.default_rng(seed)
    signals = generator.normal(0, 0.7, (2, n))
    signs = np.array([1.0, -1.0, 0.0])
    halves = [softmax(np.outer(signal, signs)) for signal in signals]
    whole = softmax(np.outer(signals.sum(axis=0), signs))
    return {"first": halves[0], "second": halves[1]}, drawn(generator, whole), whole


def loss_of(probabilities, weights, classes):
    return log_loss(pooled_probabilities(probabilities, Weighting(weights=weights)), classes)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.sampled_from([0.1, 1.0, 10.0]))
def test_on_its_bars_the_pool_is_no_worse_than_any_model(seed, n_models, sureness):
    generator = np.random.default_rng(seed)
    probabilities = {f"m{i}": generator.dirichlet(np.full(3, sureness), 60) for i in range(n_models)}
    probabilities["certain"] = np.eye(3)[generator.integers(0, 3, 60)]
    classes = generator.integers(0, 3, 60)
    best = min(log_loss(one, classes) for one in probabilities.values())
    assert loss_of(probabilities, fit_weights(probabilities, classes), classes) <= best + 1e-12
    fitted = weighting_of(VoteConfig(), probabilities, classes)
    assert log_loss(pooled_probabilities(probabilities, fitted), classes) <= best + 1e-12


def test_no_weights_have_a_lower_loss():
    generator = np.random.default_rng(3)
    probabilities = {f"m{i}": generator.dirichlet((2, 2, 2), 300) for i in range(3)}
    classes = drawn(generator, 0.5 * probabilities["m0"] + 0.3 * probabilities["m1"] + 0.2 * probabilities["m2"])
    weights = fit_weights(probabilities, classes)

    def loss(logits):
        return loss_of(probabilities, dict(zip(probabilities, softmax(logits[np.newaxis])[0], strict=True)), classes)

    other = minimize(loss, np.zeros(3), method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12, "maxiter": 4000})
    found = loss_of(probabilities, weights, classes)
    assert found <= other.fun + GAP
    np.testing.assert_allclose(list(weights.values()), softmax(other.x[np.newaxis])[0], atol=1e-3)
    assert sum(weights.values()) == pytest.approx(1.0, abs=1e-12)


def test_a_model_that_knows_nothing_weighs_nothing():
    halves, classes, _ = two_halves()
    noise = np.random.default_rng(9).dirichlet((1, 1, 1), len(classes))
    assert fit_weights(halves | {"noise": noise}, classes)["noise"] < 0.03
    worthless = np.eye(3)[(classes + 1) % 3]
    assert fit_weights(halves | {"wrong": worthless}, classes)["wrong"] == 0.0


def test_the_only_model_has_all_the_weight():
    halves, classes, _ = two_halves(200)
    assert fit_weights({"first": halves["first"]}, classes) == {"first": 1.0}


def test_a_pool_of_two_halves_is_sharpened_towards_the_whole():
    halves, classes, _ = two_halves()
    fitted = weighting_of(VoteConfig(), halves, classes)
    fresh, new_classes, new_whole = two_halves(seed=1)
    plain = loss_of(fresh, {"first": 0.5, "second": 0.5}, new_classes)
    reached = log_loss(pooled_probabilities(fresh, fitted), new_classes)
    best = log_loss(new_whole, new_classes)
    assert 0.3 < fitted.temperature < 0.7
    assert best < reached < plain
    assert (plain - reached) / (plain - best) > 0.65


def test_a_model_that_is_too_sure_is_cooled_down_and_gains_weight():
    halves, classes, _ = two_halves()
    boastful = halves | {"second": softmax(8.0 * np.log(halves["second"]))}
    plain = Weighting(weights={"first": 0.5, "second": 0.5})
    fitted = fit_calibration(plain, boastful, classes)
    assert fitted.temperatures["second"] == pytest.approx(8.0 * fitted.temperatures["first"], rel=0.1)
    before, after = fit_weights(boastful, classes), fit_weights(calibrated(boastful, fitted), classes)
    assert before["second"] < 0.35
    assert after["second"] == pytest.approx(0.5, abs=0.1)


def test_a_model_that_is_always_certain_can_vote():
    halves, classes, _ = two_halves()
    greedy = {"greedy": np.eye(3)[halves["first"].argmax(axis=1)], "second": halves["second"]}
    fitted = weighting_of(VoteConfig(), greedy, classes)
    assert fitted.weights["greedy"] > 0.2
    pooled = log_loss(pooled_probabilities(greedy, fitted), classes)
    assert pooled < log_loss(halves["second"], classes) - 0.03


def test_base_rates_are_those_of_the_bars_and_never_zero():
    halves, classes, _ = two_halves(400)
    never_hold = np.where(classes == 2, 0, classes)
    base = fit_temperature(Weighting(weights={"first": 1.0, "second": 1.0}), halves, never_hold).base
    rates = np.array([np.mean(never_hold == 0), np.mean(never_hold == 1), 1 / 401])
    np.testing.assert_allclose(base, rates / rates.sum(), rtol=1e-12)


@pytest.mark.parametrize(
    ("values", "weights", "temperature"),
    [
        ({"weights": "equal", "temperature": 1.0}, [0.5, 0.5], 1.0),
        ({"weights": {"second": 3, "first": 1}, "temperature": 0.5}, [0.25, 0.75], 0.5),
        ({"weights": {"first": 1, "second": 0}, "temperature": 1.0}, [1.0, 0.0], 1.0),
    ],
)
def test_what_is_given_is_not_fitted(values, weights, temperature):
    halves, classes, _ = two_halves(200)
    found = weighting_of(VoteConfig(**values), halves, classes)
    assert found == Weighting(weights=dict(zip(halves, weights, strict=True)), temperature=temperature)
    assert list(found.weights) == list(halves)


def test_weights_can_be_given_and_temperatures_fitted():
    halves, classes, _ = two_halves()
    found = weighting_of(VoteConfig(weights="equal"), halves, classes)
    assert found.weights == {"first": 0.5, "second": 0.5}
    assert set(found.temperatures) == {"first", "second"}
    assert found.temperature < 0.7


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"first": 1, "secnd": 1}, "vote.weights names 'secnd', which is no model here; did you mean 'second'?"),
        ({"first": 1}, "vote.weights says nothing of the model 'second'; give it a weight, or 0 to leave it out"),
    ],
)
def test_weights_of_other_models_are_refused(weights, message):
    halves, classes, _ = two_halves(50)
    with pytest.raises(ConfigError) as caught:
        weighting_of(VoteConfig(weights=weights), halves, classes)
    assert str(caught.value) == message


def test_there_must_be_bars_to_fit_on_and_as_many_for_each_model():
    halves, classes, _ = two_halves(50)
    with pytest.raises(BarsError, match="there are no votes on validation bars to fit weights on; give more bars"):
        weighting_of(VoteConfig(), {"first": np.empty((0, 3))}, np.empty(0, np.int64))
    with pytest.raises(BarsError, match=r"fitted on 50 bars, and second gives probabilities of the shape \(49, 3\)"):
        fit_weights(halves | {"second": halves["second"][:-1]}, classes)


def test_the_same_votes_give_the_same_weighting():
    halves, classes, _ = two_halves(500)
    assert weighting_of(VoteConfig(), halves, classes) == weighting_of(VoteConfig(), dict(halves), classes.copy())
