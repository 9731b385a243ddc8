from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dltrader.evaluation.monitoring.scoring import Question, error_by_chance, questions, rolling_table, score_table
from dltrader.forecast.scores import calibration_error, reliability

TIMES = pd.date_range("2024-01-01", periods=4, freq="D", tz="UTC")


def known():
    return pd.DataFrame(
        {
            "bar": TIMES,
            "side": ["BUY", "SELL", "HOLD", "BUY"],
            "hit": [1.0, 0.0, 1.0, 1.0],
            "said": [0.9, 0.6, 0.5, np.nan],
            "win_5d_prob": [0.8, 0.3, np.nan, 0.6],
            "win_5d_came": [1.0, 1.0, 0.0, np.nan],
            "lstm_buy_prob": [0.7, 0.2, 0.1, np.nan],
            "lstm_sell_prob": [0.2, 0.3, 0.1, np.nan],
            "lstm_hold_prob": [0.1, 0.5, 0.8, np.nan],
        }
    )


def test_each_question_is_asked_where_there_is_an_answer():
    recommendation, win, side = questions(known(), ["lstm"], {"win_5d": 5})
    np.testing.assert_array_equal(recommendation.probabilities, [0.9, 0.6, 0.5])
    np.testing.assert_array_equal(recommendation.classes, [1, 0, 1])
    np.testing.assert_array_equal(win.probabilities, [0.8, 0.3])
    np.testing.assert_array_equal(win.classes, [1, 1])
    np.testing.assert_array_equal(side.classes, [0, 1, 2])


def test_scores_by_hand():
    table = score_table(list(questions(known(), ["lstm"], {"win_5d": 5}))).set_index("question")
    recommendation = table.loc["recommendation"]
    assert recommendation["hit_rate"] == pytest.approx(2 / 3)
    assert recommendation["said"] == pytest.approx(2 / 3)
    assert recommendation["brier"] == pytest.approx((0.01 + 0.36 + 0.25) / 3)
    assert recommendation["base_brier"] == pytest.approx(2 / 9)
    win = table.loc["win_5d"]
    assert win["hit_rate"] == 0.5  # 0.3 said that it would not come
    assert win["said"] == pytest.approx(0.75)
    side = table.loc["side"]
    assert side["hit_rate"] == pytest.approx(2 / 3)
    assert side["brier"] == pytest.approx((0.14 + (0.04 + 0.49 + 0.25) + 0.06) / 3)
    assert side["base_brier"] == pytest.approx(2 / 3)


def test_nothing_known_gives_no_numbers():
    table = score_table(list(questions(known().iloc[:0], ["lstm"], {"win_5d": 5})))
    assert list(table["bars"]) == [0, 0, 0]
    assert table[["hit_rate", "brier", "calibration_error"]].isna().all(axis=None)


def test_rolling_numbers_look_back_only():
    table = rolling_table(known(), 2)
    assert list(table.index) == list(TIMES[1:])
    np.testing.assert_allclose(table["hit_rate"], [0.5, 0.5, 1.0])
    np.testing.assert_allclose(table["brier"][:2], [(0.01 + 0.36) / 2, (0.36 + 0.25) / 2])
    np.testing.assert_allclose(table["always"], [0.5, 0.5, 0.5])
    later = known()
    later.loc[3, "hit"] = 0.0
    assert rolling_table(later, 2)["hit_rate"].iloc[:2].equals(table["hit_rate"].iloc[:2])


def test_chance_alone_makes_about_the_error_that_it_is_said_to_make():
    random = np.random.default_rng(0)
    found, expected = [], []
    for _ in range(60):
        said = random.uniform(0.2, 0.8, 400)
        came = (random.uniform(size=400) < said).astype(int)
        found.append(calibration_error(said, came))
        expected.append(error_by_chance(reliability(said, came), 1))
    assert np.mean(found) == pytest.approx(np.mean(expected), rel=0.1)
    curve = reliability(said, came)
    assert error_by_chance(curve, 4) == pytest.approx(2 * error_by_chance(curve, 1))
    nothing = Question("ensemble", "win_5d", np.empty(0), np.empty(0, int))
    assert np.isnan(error_by_chance(reliability(nothing.probabilities, nothing.classes), 1))
