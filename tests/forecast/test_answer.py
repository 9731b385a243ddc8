from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from dltrader.errors import ConfigError
from dltrader.forecast.answer import answer_of
from dltrader.forecast.trading import Decision
from dltrader.forecast.vote import Vote
from dltrader.forecast.voting import Weighting, pool

VOTES = {
    "lgb_5m": Vote(np.array([[0.5, 0.2, 0.3]]), 5, win=np.array([0.65])),
    "lgb_30m": Vote(np.array([[0.4, 0.3, 0.3]]), 30, win=np.array([0.58])),
    "lstm": Vote(np.array([[0.45, 0.20, 0.35]]), 5, movement=np.array([0.0025]), risk=np.array([0.15])),
    "ppo": Vote(np.array([[0.55, 0.10, 0.35]]), value=np.array([102.5])),
}


def answer(votes=VOTES, interval="1min", **failed):
    weights = {**dict.fromkeys(VOTES, 1.0), **dict.fromkeys(failed, 1.0)}
    opinion = pool(votes, Weighting(weights=weights), failed=failed)
    decision = Decision(0.25, "BUY", "buy with confidence 0.47")
    return answer_of("AAPL", "2024-01-01T12:00:00Z", opinion, decision, interval and pd.Timedelta(interval))


def test_an_answer_says_what_every_model_and_the_ensemble_say():
    told = json.loads(answer().to_json())
    confidence, agreement = told.pop("confidence_score"), told.pop("agreement_score")
    assert told == {
        "symbol": "AAPL",
        "timestamp": "2024-01-01T12:00:00Z",
        "models_used": ["lgb_5m", "lgb_30m", "lstm", "ppo"],
        "models_missing": [],
        "models_failed": {},
        "win_5m_prob": 0.65,
        "win_30m_prob": 0.58,
        "lgb_5m_buy_prob": 0.5,
        "lgb_5m_sell_prob": 0.2,
        "lgb_5m_hold_prob": 0.3,
        "lgb_30m_buy_prob": 0.4,
        "lgb_30m_sell_prob": 0.3,
        "lgb_30m_hold_prob": 0.3,
        "lstm_buy_prob": 0.45,
        "lstm_sell_prob": 0.20,
        "lstm_hold_prob": 0.35,
        "lstm_expected_movement": 0.0025,
        "lstm_risk_score": 0.15,
        "ppo_buy_prob": 0.55,
        "ppo_sell_prob": 0.10,
        "ppo_hold_prob": 0.35,
        "ppo_state_value": 102.5,
        "ensemble_recommendation": "BUY",
        "action": "BUY",
        "target_weight": 0.25,
        "reason": "buy with confidence 0.47",
    }
    assert 0.9 < agreement < 1.0
    assert confidence == pytest.approx(0.475 * agreement)


def test_the_order_is_who_was_asked_then_models_then_the_ensemble():
    keys = list(json.loads(answer().to_json()))
    assert keys[:3] == ["symbol", "timestamp", "models_used"]
    assert keys[5] == "win_5m_prob"
    assert keys[-6:] == [
        "ensemble_recommendation", "confidence_score", "agreement_score", "action", "target_weight", "reason"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("interval", "keys"), [("1D", {"win_5d_prob", "win_30d_prob"}), ("1h", {"win_5h_prob", "win_30h_prob"})]
)
def test_horizons_are_named_by_the_interval(interval, keys):
    told = answer(interval=interval).to_mapping()
    assert {key for key in told if key.startswith("win_")} == keys


def test_models_that_failed_or_are_missing_are_named():
    rest = {name: vote for name, vote in VOTES.items() if name in {"ppo", "lstm"}}
    told = answer(rest, lgb_5m="RuntimeError: out of luck")
    assert told.models_used == ["lstm", "ppo"]
    assert told.models_failed == {"lgb_5m": "RuntimeError: out of luck"}
    assert told.models_missing == ["lgb_30m"]
    assert told.failed


def test_what_is_no_number_is_refused():
    broken = VOTES | {"lstm": Vote(np.array([[0.45, 0.20, 0.35]]), 5, movement=np.array([np.nan]))}
    with pytest.raises(ConfigError, match="lstm_expected_movement must be a finite number"):
        answer(broken)
