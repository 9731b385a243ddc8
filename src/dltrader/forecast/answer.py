"""The answer: what an ensemble says of a snapshot, under names for other programs."""

from __future__ import annotations

import json
from typing import Any, Literal

import pandas as pd
from pydantic import ConfigDict, Field

from dltrader.config import Config
from dltrader.forecast.horizons import horizon_name
from dltrader.forecast.trading import Action, Decision
from dltrader.forecast.vote import SIDES, Vote
from dltrader.forecast.voting import Opinion

PROBABILITIES = tuple(f"{side}_prob" for side in SIDES)
NUMBERS = ("expected_movement", "risk_score", "state_value")
"""What an answer says of single models, each under MODEL_KEY."""

ASKED = ("symbol", "timestamp", "models_used", "models_missing", "models_failed")
"""What an answer begins with."""


def key_patterns(model: str = "[a-z][a-z0-9_]*") -> dict[str, Any]:
    """The schema of keys that depend on the models.

    Args:
        model: A pattern of their names.
    """
    probability = {"type": "number", "minimum": 0, "maximum": 1}
    return {
        "^win_[0-9]+[a-z]+_prob$": probability,
        f"^(?:{model})_(?:{'|'.join(PROBABILITIES)})$": probability,
        f"^(?:{model})_(?:{'|'.join(NUMBERS)})$": {"type": "number"},
    }


class Answer(Config):
    """What the ensemble recommends, what its trading rules make of that, and what every model says.

    Beside the fields below it holds MODEL_buy_prob, MODEL_sell_prob and MODEL_hold_prob of every model that has voted;
    MODEL_expected_movement, MODEL_risk_score and MODEL_state_value of those that say something of the kind; and
    win_HORIZON_prob, the probability that a long trade over the horizon pays for its costs, by those that know wins.
    """

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "patternProperties": key_patterns(),
            "additionalProperties": False,
        },
    )

    __pydantic_extra__: dict[str, float]

    symbol: str = Field(description="the snapshot's")
    timestamp: str = Field(description="the snapshot's")
    models_used: list[str] = Field(description="models that have voted")
    models_missing: list[str] = Field(
        [], description="models that the ensemble was trained with and that are not there"
    )
    models_failed: dict[str, str] = Field({}, description="models that could not vote on this snapshot, and why")
    ensemble_recommendation: Literal["BUY", "SELL", "HOLD"] = Field(description="what the vote comes to")
    confidence_score: float = Field(
        ge=0, le=1, description="pooled probability of the recommendation, times the agreement of the models"
    )
    agreement_score: float = Field(ge=0, le=1, description="1 where all models say the same")
    action: Action = Field(description="what the trading rules do: to be given back among recent_actions if followed")
    target_weight: float = Field(
        ge=-1,
        le=1,
        description="exposure to go to, a fraction of the largest allowed one, negative of a short position",
    )
    reason: str = Field(description="why that action")

    @property
    def failed(self) -> bool:
        """Whether a model could not vote."""
        return bool(self.models_failed)

    def to_mapping(self) -> dict[str, Any]:
        """Plain values: first what was asked and who has answered, then what each model says, then what it comes to."""
        said = super().to_mapping()
        last = [key for key in type(self).model_fields if key not in ASKED]
        return {key: value for key, value in said.items() if key not in last} | {key: said[key] for key in last}

    def to_json(self) -> str:
        """One line of JSON; numbers read from it are the same to the bit."""
        return json.dumps(self.to_mapping(), allow_nan=False)


def answer_of(
    symbol: str, timestamp: str, opinion: Opinion, decision: Decision, interval: pd.Timedelta | None
) -> Answer:
    """What an opinion and the decision on it come to.

    Args:
        symbol: The instrument.
        timestamp: The moment.
        opinion: What the members think.
        decision: What the trading rules make of it.
        interval: From one bar to the next; None where no model has a horizon.
    """
    said: dict[str, Any] = {}
    if interval is not None:
        said |= {f"win_{horizon_name(bars, interval)}_prob": float(win) for bars, win in opinion.wins.items()}
    for model, vote in opinion.votes.items():
        said |= {f"{model}_{key}": value for key, value in _told(vote).items()}
    return Answer(
        symbol=symbol,
        timestamp=timestamp,
        models_used=list(opinion.votes),
        models_missing=list(opinion.missing),
        models_failed=dict(opinion.failed),
        **said,
        ensemble_recommendation=opinion.recommendation.upper(),
        confidence_score=min(float(opinion.confidence), 1.0),
        agreement_score=min(float(opinion.agreement), 1.0),
        action=decision.action,
        target_weight=float(decision.weight),
        reason=decision.reason,
    )


def _told(vote: Vote) -> dict[str, float]:
    """What a vote on one bar says, under the keys of an answer."""
    probabilities = zip(PROBABILITIES, vote.probabilities[0].tolist(), strict=True)
    others = zip(NUMBERS, (vote.movement, vote.risk, vote.value), strict=True)
    return {**dict(probabilities), **{key: float(values[0]) for key, values in others if values is not None}}
