"""Weights: how much each model's vote ought to count, by what it said of bars that it has not learned from.

Three things are fitted, none of which makes the log-loss on these bars worse: how sure each model may be taken to be,
the weights, and how sure their pool may be. So the pool is no worse there than any of its models. The first is what
lets policies vote: odds of actions tell what an actor would do, not how often that pays, and a learner of values is
always certain.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from dltrader.errors import BarsError, ConfigError
from dltrader.forecast.calibration import Temperature, logits_of
from dltrader.forecast.scores import LEAST_PROBABILITY, Classes, base_rates
from dltrader.forecast.vote import SIDES, Array
from dltrader.forecast.voting import VoteConfig, Weighting, calibrated, pooled_probabilities
from dltrader.registry import did_you_mean

GAP = 1e-7
"""Weights are fitted until no others could have a log-loss lower by more, nats."""

ROUNDS = 5_000
"""Rounds of that at most."""

LEAST_WEIGHT = 1e-9
"""A smaller weight is none."""


def weighting_of(config: VoteConfig, probabilities: Mapping[str, Array], classes: Classes) -> Weighting:
    """The weighting that a configuration asks for, fitted as far as it says so.

    Args:
        config: What is asked for.
        probabilities: Model -> (n, 3), what it said of validation bars.
        classes: (n,) what paid on them.

    Raises:
        ConfigError: Weights are given for other models than there are.
        BarsError: There is nothing to fit on.
    """
    equal = dict.fromkeys(probabilities, 1 / len(probabilities))
    given = equal if isinstance(config.weights, str) else given_weights(config.weights, probabilities)
    weighting = Weighting(weights=given)
    if config.temperature == "fit":
        weighting = fit_calibration(weighting, probabilities, classes)
    if config.weights == "fit":
        weights = fit_weights(calibrated(probabilities, weighting), classes)
        weighting = weighting.model_copy(update={"weights": weights})
    if config.temperature == "fit":
        return fit_temperature(weighting, probabilities, classes)
    return weighting.model_copy(update={"temperature": config.temperature})


def fit_weights(probabilities: Mapping[str, Array], classes: Classes) -> dict[str, float]:
    """The weights with which the pool has the lowest log-loss: model -> weight, shares that sum to 1.

    On these bars the pool is no worse than any of the models, for each of them alone is among the weights looked at.
    Every round multiplies a weight by the mean of what its model's probability of what came is in shares of the pool's.
    That never makes it worse, and the largest of these means tells how far from the best it can still be.

    Source: Cover 1984, "An algorithm for maximizing expected log investment return", IEEE Transactions on Information
    Theory 30: a pool is a portfolio, and its log-likelihood the growth of it.

    Args:
        probabilities: Model -> (n, 3), what it said of bars that it has not learned from.
        classes: (n,) what paid on them.

    Raises:
        BarsError: There are no bars, or not as many for each model.
    """
    _require_same_bars(probabilities, classes)
    rows = np.arange(len(classes))
    said = np.stack([one[rows, classes] for one in probabilities.values()]).clip(LEAST_PROBABILITY)  # (models, n)
    weights = np.full(len(said), 1.0 / len(said))
    for _ in range(ROUNDS):
        gains = (said / (weights @ said)).mean(axis=1)  # (models,)
        if gains.max() - 1.0 <= GAP:
            break
        weights = weights * gains
        weights /= weights.sum()
    weights = np.where(weights < LEAST_WEIGHT, 0.0, weights)
    weights /= weights.sum()
    alone = np.log(said).mean(axis=1)
    if alone.max() >= np.log(weights @ said).mean():
        weights = np.eye(len(said))[alone.argmax()]
    return dict(zip(probabilities, weights.tolist(), strict=True))


def fit_calibration(weighting: Weighting, probabilities: Mapping[str, Array], classes: Classes) -> Weighting:
    """A weighting with the temperature of each model with which it has the lowest log-loss by itself.

    Args:
        weighting: Its weights are kept.
        probabilities: Model -> (n, 3), what it said of bars that it has not learned from.
        classes: (n,) what paid on them.

    Raises:
        BarsError: There are no bars, or not as many for each model.
    """
    _require_same_bars(probabilities, classes)
    base = _base(classes)
    each = {model: Temperature.fit(logits_of(one), classes, base=base).value for model, one in probabilities.items()}
    return weighting.model_copy(update={"temperatures": each, "base": base})


def fit_temperature(weighting: Weighting, probabilities: Mapping[str, Array], classes: Classes) -> Weighting:
    """A weighting with the temperature with which its pool has the lowest log-loss.

    Args:
        weighting: All else is kept, but for a base that is not there.
        probabilities: Model -> (n, 3), what it said of bars that it has not learned from.
        classes: (n,) what paid on them.

    Raises:
        BarsError: There are no bars, or not as many for each model.
    """
    _require_same_bars(probabilities, classes)
    plain = weighting.model_copy(update={"temperature": 1.0, "base": weighting.base or _base(classes)})
    pooled = pooled_probabilities(probabilities, plain)
    found = Temperature.fit(logits_of(pooled), classes, base=plain.base)
    return plain.model_copy(update={"temperature": found.value})


def _base(classes: Classes) -> tuple[float, ...]:
    """How often each side came; one that never did as if it would on the next bar."""
    rates = base_rates(classes, len(SIDES)).clip(min=1.0 / (len(classes) + 1))
    return tuple((rates / rates.sum()).tolist())


def _require_same_bars(probabilities: Mapping[str, Array], classes: Classes) -> None:
    if not len(classes) or not probabilities:
        raise BarsError(
            "there are no votes on validation bars to fit weights on; give more bars, or set vote.weights and "
            "vote.temperature"
        )
    other = next((name for name, one in probabilities.items() if one.shape != (len(classes), len(SIDES))), None)
    if other is not None:
        raise BarsError(
            f"weights are fitted on {len(classes)} bars, and {other} gives probabilities of the shape "
            f"{probabilities[other].shape}; let every model vote on the same bars"
        )


def given_weights(weights: Mapping[str, float], models: Iterable[str]) -> dict[str, float]:
    """Weights given for exactly these models, as shares of their sum.

    Raises:
        ConfigError: A model has none, or there is no such model.
    """
    there = list(models)
    unknown = next((model for model in weights if model not in there), None)
    if unknown is not None:
        raise ConfigError(f"vote.weights names {unknown!r}, which is no model here{did_you_mean(unknown, there)}")
    silent = next((model for model in there if model not in weights), None)
    if silent is not None:
        raise ConfigError(f"vote.weights says nothing of the model {silent!r}; give it a weight, or 0 to leave it out")
    total = sum(weights.values())
    return {model: weights[model] / total for model in there}
