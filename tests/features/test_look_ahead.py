"""The guard that every feature of users and of other libraries passes at a fit."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dltrader.errors import FeatureError, LookAheadError
from dltrader.features import Pipeline

from .samples import make_bars, registered

BARS = make_bars(200)


def full_sample_score(bars):
    return (bars["close"] - bars["close"].mean()) / bars["close"].std()


def tomorrow(bars):
    return bars["close"].shift(-1).ffill()


def end_of_week(bars):
    weeks = np.arange(len(bars)) // 7
    return bars["close"].groupby(weeks).transform("last")


def centred_mean(bars):
    return bars["close"].rolling(5, center=True, min_periods=1).mean()


@pytest.mark.parametrize("cheat", [full_sample_score, tomorrow, end_of_week, centred_mean])
@pytest.mark.parametrize("n_bars", [150, 175, 176, 200])
def test_feature_that_looks_ahead_is_refused_at_the_fit(cheat, n_bars):
    with registered("cheat", cheat), pytest.raises(LookAheadError, match="cheat looks ahead: at 2001-"):
        Pipeline(["log_return", "cheat"], "none").fit(BARS.iloc[:n_bars])


def test_first_time_that_differs_is_named():
    def from_may(bars):
        return bars["close"] + (bars.index >= pd.Timestamp("2001-04-01", tz="UTC")) * bars["close"].iloc[-1]

    with registered("from_may", from_may), pytest.raises(LookAheadError, match="at 2001-04-01 00:00 it is"):
        Pipeline(["from_may"], "none").fit(BARS)


def test_causal_feature_of_a_user_is_fitted():
    def drawdown(bars, *, window: int = 10):
        return bars["close"] / bars["close"].rolling(window).max() - 1

    with registered("drawdown", drawdown):
        table = Pipeline([{"name": "drawdown", "window": 20}], "none").fit(BARS).transform(BARS)
        assert list(table.columns) == ["drawdown_20"]
        assert table.index[0] == BARS.index[19]
        assert table.to_numpy().max() == 0


def test_look_ahead_is_a_feature_error():
    assert issubclass(LookAheadError, FeatureError)
