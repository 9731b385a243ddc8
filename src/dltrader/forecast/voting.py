"""Voting: how many votes become one opinion.

Words:
    temperature  makes probabilities surer or less sure, around base rates (see `calibration`)
    pool         the weighted mean of probabilities, each at its model's temperature, at a temperature of its own
    weighting    the weight of each model, and the temperatures
    agreement    1 where all models say the same, 0 where their weight is spread evenly over opposite certainties
    confidence   the pooled probability of what is recommended, times the agreement

A pool of calibrated probabilities is less sure than it ought to be, for what each model knows by itself adds up; its
temperature makes up for that.

Sources: Stone 1961, "The opinion pool", Annals of Mathematical Statistics 32 (the linear pool); Ranjan and Gneiting
2010, "Combining probability forecasts", Journal of the Royal Statistical Society B 72 (why it is to be sharpened); Lin
1991, "Divergence measures based on the Shannon entropy", IEEE Transactions on Information Theory 37 (the divergence of
several weighted distributions).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BeforeValidator, Field

from dltrader.config import Config
from dltrader.errors import ConfigError, VoteError
from dltrader.forecast.calibration import HOTTEST, Temperature
from dltrader.forecast.vote import BUY, HOLD, SELL, SIDES, Array, Side, Vote
from dltrader.registry import did_you_mean


def _weights(value: Any) -> Any:
    if isinstance(value, Mapping):
        numbers = [weight for weight in value.values() if _is_number(weight) and weight >= 0]
        if len(numbers) < len(value) or not any(numbers):
            raise ConfigError(f"weights must be numbers of 0 or more, and one at least above 0, was {dict(value)}")
    elif not (isinstance(value, str) and value in {"fit", "equal"}):
        raise ConfigError(f"weights must be fit, equal, or numbers by model, was {value!r}")
    return value


def _temperature(value: Any) -> Any:
    if value != "fit" and not (_is_number(value) and 0 < value <= HOTTEST):
        raise ConfigError(f"temperature must be fit or a number in (0, {HOTTEST:g}], was {value!r}")
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


BaseRate = Annotated[float, Field(gt=0, lt=1)]
ByModel = Annotated[dict[str, float], BeforeValidator(_weights)]


class VoteConfig(Config):
    """How much the vote of each model weighs."""

    weights: Annotated[Literal["fit", "equal"] | dict[str, float], BeforeValidator(_weights)] = Field(
        "fit",
        description="fit: those with the lowest log-loss on validation bars; equal; or model -> weight, one for every "
        "model, as shares of their sum",
    )
    temperature: Annotated[Literal["fit"] | float, BeforeValidator(_temperature)] = Field(
        "fit",
        description="fit: of each model and then of their pool, those with the lowest log-loss on validation bars; or "
        "a number, of the pool alone: 1 leaves it as it is, below 1 makes it surer, above 1 less sure",
    )


class Weighting(Config):
    """What every model's vote weighs, as it is kept with an ensemble."""

    weights: ByModel = Field(description="Model -> weight, as shares of their sum")
    temperature: float = Field(1.0, gt=0, description="Of the pool: below 1 makes it surer, above 1 less sure")
    temperatures: dict[str, Annotated[float, Field(gt=0)]] = Field(
        {}, description="Of models before they are pooled; of those not named 1"
    )
    base: tuple[BaseRate, BaseRate, BaseRate] | None = Field(
        None,
        description="How often buy, sell and hold come: what probabilities turn to as a temperature grows; null: "
        "equally often",
    )

    def among(self, models: Iterable[str]) -> dict[str, float]:
        """Model -> share of the vote among some of the models, in the order of those given; shares sum to 1.

        Where all of them weigh nothing they count alike.

        Raises:
            ConfigError: A model has no weight.
        """
        given = list(models)
        unknown = next((model for model in given if model not in self.weights), None)
        if unknown is not None:
            raise ConfigError(f"the model {unknown!r} has no weight{did_you_mean(unknown, self.weights)}")
        total = sum(self.weights[model] for model in given)
        return {model: self.weights[model] / total if total > 0 else 1 / len(given) for model in given}


@dataclass(frozen=True, eq=False)
class Opinion:
    """What an ensemble makes of the votes on one bar.

    Attributes:
        probabilities: (3,), pooled, of buy, sell and hold; they sum to 1.
        recommendation: The likeliest side; hold where none is likelier than all others.
        confidence: In [0, 1]: the pooled probability of the recommendation, times the agreement.
        agreement: In [0, 1].
        wins: Horizon in bars -> probability that a long trade over it pays for its costs.
        movement: Expected log return over `horizon_bars`; None where no model says.
        risk: Expected standard deviation of log returns, a bar, over the same; None where no model says.
        horizon_bars: The horizon of movement and risk; None where no model says.
        value: What critics expect of the rewards to come, in the units that they learned in; None without a critic.
        votes: Model -> its vote, of one row.
        weights: Model -> share that its vote had; they sum to 1.
        failed: Model -> why it could not vote.
        missing: Models that are not there.
    """

    probabilities: Array
    recommendation: Side
    confidence: float
    agreement: float
    wins: Mapping[int, float]
    movement: float | None
    risk: float | None
    horizon_bars: int | None
    value: float | None
    votes: Mapping[str, Vote]
    weights: Mapping[str, float]
    failed: Mapping[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()


def pool(votes: Mapping[str, Vote], weighting: Weighting, *, failed: Mapping[str, str] | None = None) -> Opinion:
    """One opinion from the votes on one bar; those who could not vote leave their weight to the others.

    Args:
        votes: Model -> its vote, of one row.
        weighting: Weights of these models, and of those that could not vote.
        failed: Model -> why it could not vote. What has a weight and neither votes nor failed is missing.

    Raises:
        VoteError: There is no vote.
        ConfigError: A model has no weight.
    """
    failed = dict(failed or {})
    missing = tuple(model for model in weighting.weights if model not in votes and model not in failed)
    if not votes:
        reasons = [*(f"{model}: {reason}" for model, reason in failed.items()), *(f"{one}: missing" for one in missing)]
        raise VoteError(f"no model of the ensemble could vote ({'; '.join(reasons) or 'it has none'})")
    shares = weighting.among(votes)
    each = calibrated({model: vote.probabilities for model, vote in votes.items()}, weighting)
    mixed = _mixed(each, shares)
    pooled = _at(weighting.temperature, weighting, mixed)[0]  # (3,)
    agreement = float(_agreement(each, mixed, shares)[0])
    side = recommended(pooled)
    horizon = _horizon(votes, shares)
    speaking = {model: vote for model, vote in votes.items() if vote.horizon_bars == horizon}
    return Opinion(
        probabilities=pooled,
        recommendation=SIDES[side],
        confidence=float(pooled[side]) * agreement,
        agreement=agreement,
        wins=_wins(votes, shares),
        movement=_mean({model: vote.movement for model, vote in speaking.items()}, shares),
        risk=_mean({model: vote.risk for model, vote in speaking.items()}, shares),
        horizon_bars=horizon,
        value=_mean({model: vote.value for model, vote in votes.items()}, shares),
        votes=dict(votes),
        weights=shares,
        failed=failed,
        missing=missing,
    )


def pooled_probabilities(probabilities: Mapping[str, Array], weighting: Weighting) -> Array:
    """The pool of what models say of bars: (n, 3), rows sum to 1.

    Args:
        probabilities: Model -> (n, 3), of buy, sell and hold.
        weighting: Weights of these models.

    Raises:
        ConfigError: A model has no weight.
    """
    mixed = _mixed(calibrated(probabilities, weighting), weighting.among(probabilities))
    return _at(weighting.temperature, weighting, mixed)


def calibrated(probabilities: Mapping[str, Array], weighting: Weighting) -> dict[str, Array]:
    """What each model says at its own temperature: model -> (n, 3)."""
    return {model: _at(weighting.temperatures.get(model, 1.0), weighting, one) for model, one in probabilities.items()}


def agreement_of(probabilities: Mapping[str, Array], weighting: Weighting) -> Array:
    """How far models agree on bars: (n,) in [0, 1].

    It is 1 - D / ln 3, with the Jensen-Shannon divergence D of what they say at their temperatures: the entropy of the
    weighted mean less the weighted mean of the entropies. One model agrees with itself; two of equal weight that are
    certain of opposite sides come to 1 - ln 2 / ln 3 = 0.37, three to 0.

    Args:
        probabilities: Model -> (n, 3).
        weighting: Weights of these models.
    """
    shares, each = weighting.among(probabilities), calibrated(probabilities, weighting)
    return _agreement(each, _mixed(each, shares), shares)


def recommended(probabilities: Array) -> int:
    """The likeliest side, as `vote.SIDES` counts them; hold where none is likelier than all others: (3,) -> number."""
    buy, sell, hold = probabilities
    if buy > sell and buy > hold:
        return BUY
    return SELL if sell > buy and sell > hold else HOLD


def _mixed(probabilities: Mapping[str, Array], shares: Mapping[str, float]) -> Array:
    """The weighted mean of probabilities, (n, 3)."""
    mixed = sum(share * probabilities[model] for model, share in shares.items())
    return np.asarray(mixed)


def _at(temperature: float, weighting: Weighting, probabilities: Array) -> Array:
    """Probabilities at a temperature, (n, 3); at 1 as they are, to the bit."""
    if temperature == 1.0:
        return probabilities
    return Temperature(temperature, weighting.base).of_probabilities(probabilities)


def _agreement(each: Mapping[str, Array], mixed: Array, shares: Mapping[str, float]) -> Array:
    """Of `agreement_of`, with the weighted mean of what is said: (n,)."""
    within = sum(share * _entropy(each[model]) for model, share in shares.items())
    return np.asarray(1.0 - (_entropy(mixed) - within) / np.log(len(SIDES))).clip(0.0, 1.0)


def _entropy(probabilities: Array) -> Array:
    """Shannon's entropy of each row, nats: (n, sides) -> (n,)."""
    logs = np.log(np.where(probabilities > 0, probabilities, 1.0))
    return np.asarray(-(probabilities * logs).sum(axis=1))


def _horizon(votes: Mapping[str, Vote], shares: Mapping[str, float]) -> int | None:
    """The horizon that models of the largest weight in all tell a movement or a risk of; of equal ones the shortest."""
    weight: dict[int, float] = {}
    for model, vote in votes.items():
        if vote.horizon_bars is not None and (vote.movement is not None or vote.risk is not None):
            weight[vote.horizon_bars] = weight.get(vote.horizon_bars, 0.0) + shares[model]
    return min(weight, key=lambda bars: (-weight[bars], bars)) if weight else None


def _wins(votes: Mapping[str, Vote], shares: Mapping[str, float]) -> dict[int, float]:
    """Horizon -> mean probability of a win, by the models that tell of it."""
    horizons = sorted({vote.horizon_bars for vote in votes.values() if vote.horizon_bars is not None})
    each = {
        bars: _mean({model: vote.win for model, vote in votes.items() if vote.horizon_bars == bars}, shares)
        for bars in horizons
    }
    return {bars: win for bars, win in each.items() if win is not None}


def _mean(said: Mapping[str, Array | None], shares: Mapping[str, float]) -> float | None:
    """The weighted mean of what models say of the bar, by those that say something; None where none does."""
    heard = {model: float(one[0]) for model, one in said.items() if one is not None}
    total = sum(shares[model] for model in heard)
    if not heard:
        return None
    if total <= 0:
        return sum(heard.values()) / len(heard)
    return sum(shares[model] * value for model, value in heard.items()) / total
