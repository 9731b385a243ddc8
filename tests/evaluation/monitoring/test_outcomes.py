from __future__ import annotations

import numpy as np
import pandas as pd

from dltrader.envs.contract import Costs
from dltrader.evaluation.monitoring.outcomes import outcomes
from dltrader.forecast.labels import LabelsConfig
from market_bars import flat_then

FREE = Costs(commission=0.0, slippage=0.0)
BARS = flat_then(100, 101, 103, 103, 99, 98)
"""A label of one bar ahead runs from its open, the close before, to its close: up, up, flat, down, down, unknown."""


def predictions(rows, words, confidence=0.3, agreement=0.5):
    return pd.DataFrame(
        {
            "bar": BARS.index[list(rows)],
            "recommendation": list(words),
            "confidence_score": confidence,
            "agreement_score": agreement,
        }
    )


def judged(given, **changes):
    return outcomes(given, BARS, LabelsConfig(horizon_bars=1), changes.get("costs", FREE), {"win_2d": 2})


def test_what_became_of_each_prediction():
    found = judged(predictions(range(6), ["BUY", "SELL", "HOLD", "BUY", "SELL", "SELL"]))
    assert list(found["standing"]) == ["known"] * 5 + ["pending"]
    assert list(found["side"][:5]) == ["BUY", "BUY", "HOLD", "SELL", "SELL"]
    assert found["side"].isna()[5]
    np.testing.assert_array_equal(found["hit"], [1, 0, 1, 0, 1, np.nan])
    np.testing.assert_array_equal(found["win_2d_came"], [1, 1, 0, 0, np.nan, np.nan])
    np.testing.assert_allclose(found["said"], 0.6)
    assert list(found["row"]) == list(range(6))


def test_costs_decide_what_paid():
    dear = judged(predictions([0, 1], ["HOLD", "HOLD"]), costs=Costs(commission=0.008, slippage=0.0))
    assert list(dear["side"]) == ["HOLD", "BUY"]


def test_a_prediction_a_little_after_the_close_is_of_that_bar_and_no_other_is():
    given = predictions([0, 1, 2], ["BUY"] * 3)
    given["bar"] += pd.to_timedelta([0.0, 5.9, 6.1], unit="h")
    found = judged(given)
    assert list(found["standing"]) == ["known", "known", "unmatched"]
    assert list(found["bar"][:2]) == list(BARS.index[:2])
    assert list(found["row"]) == [0, 1, -1]


def test_what_is_later_than_all_bars_is_pending_and_what_is_earlier_unmatched():
    given = predictions([0, 5], ["BUY", "BUY"])
    given["bar"] = [BARS.index[0] - pd.Timedelta(days=3), BARS.index[-1] + pd.Timedelta(days=3)]
    found = judged(given)
    assert list(found["standing"]) == ["unmatched", "pending"]
    assert found["hit"].isna().all()


def test_without_any_agreement_nothing_is_known_of_what_was_said():
    assert np.isnan(judged(predictions([0], ["HOLD"], confidence=0.0, agreement=0.0)).loc[0, "said"])
