from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from dltrader.evaluation.forecast_scores import COLUMNS, mean_scores, scores_of
from dltrader.forecast.samples import Samples
from dltrader.forecast.vote import Vote
from dltrader.forecast.voting import Weighting


def samples(side, win):
    n = len(side)
    return Samples(
        features=np.zeros((n, 1), np.float32),
        names=("x",),
        rows=np.arange(n),
        times=pd.date_range("2024-01-01", periods=n, tz="UTC"),
        side=np.array(side),
        movement=np.zeros(n),
        risk=np.zeros(n),
        wins={5: np.array(win)},
    )


def test_every_model_is_scored_on_what_it_answers_beside_the_base_rate():
    train = samples([0, 0, 1, 2], [1, 1, 0, 0])
    scored = samples([0, 1], [1, 0])
    votes = {
        "a": Vote(np.array([[0.5, 0.25, 0.25], [0.25, 0.5, 0.25]])),
        "b_5": Vote(np.array([[0.25, 0.5, 0.25], [0.25, 0.5, 0.25]]), horizon_bars=5, win=np.array([0.8, 0.2])),
    }
    found = scores_of(votes, Weighting(weights={"a": 1.0, "b_5": 1.0}), scored, train, fold=2)
    assert tuple(found.columns) == COLUMNS
    assert list(zip(found["model"], found["question"], strict=True)) == [
        ("a", "side"), ("b_5", "side"), ("b_5", "win_5"), ("ensemble", "side"),
    ]  # fmt: skip
    a, b, win, both = found["log_loss"]
    assert a == pytest.approx(math.log(2))
    assert b == pytest.approx((math.log(4) + math.log(2)) / 2)
    assert win == pytest.approx(-math.log(0.8))
    assert both == pytest.approx((-math.log(0.375) - math.log(0.5)) / 2)
    assert list(found["base_rate"]) == pytest.approx([1.5 * math.log(2)] * 2 + [math.log(2), 1.5 * math.log(2)])
    assert found["brier"][2] == pytest.approx(0.04)
    assert found["calibration_error"][2] == pytest.approx(0.2)
    assert list(found["weight"]) == [0.5, 0.5, 0.5, 1.0]
    assert set(found["bars"]) == {2}


def test_over_folds_bars_weigh_alike_and_validation_bars_do_not_count():
    rows = [
        (0, "a", "side", 50, 9.0, 9.0, 9.0, 9.0, 1.0),
        (1, "a", "side", 10, 1.0, 2.0, 0.0, 0.0, 1.0),
        (2, "a", "side", 30, 2.0, 4.0, 0.0, 0.1, 0.0),
    ]
    (mean,) = mean_scores(pd.DataFrame(rows, columns=list(COLUMNS))).to_dict("records")
    assert (mean["model"], mean["bars"]) == ("a", 40)
    assert (mean["log_loss"], mean["base_rate"], mean["weight"]) == (1.75, 3.5, 0.25)
    assert mean["calibration_error"] == pytest.approx(0.075)
    assert mean_scores(pd.DataFrame(rows[:1], columns=list(COLUMNS))).empty
