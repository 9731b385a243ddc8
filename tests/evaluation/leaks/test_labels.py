from __future__ import annotations

import pytest

from dltrader.envs.contract import Costs
from dltrader.errors import ConfigError
from dltrader.evaluation.leaks import Plan, check_labels
from dltrader.forecast.labels import win
from market_bars import random_walk

BARS = random_walk(200, 8)


def series(values):
    return lambda bars: values(bars).rename("label").to_frame()


def wins(bars, horizon, shift=0):
    table = bars[["close"]].assign(label=win(bars, horizon, Costs()))
    return table["label"].shift(shift).dropna().to_frame()


@pytest.mark.parametrize("seed", range(6))
def test_a_class_that_mostly_stays_what_it_is_is_looked_at_until_it_moves(seed):
    part = check_labels(lambda bars: wins(bars, 20), BARS, 20, plan=Plan(sample=1, seed=seed))
    assert part.findings == []
    assert part.checked[0].bars <= 2


def test_a_class_that_stands_a_bar_too_late_never_moves():
    (finding,) = check_labels(lambda bars: wins(bars, 4, shift=1), BARS, 5, plan=Plan(sample=1)).findings
    assert finding.feature == "label"
    assert finding.reason.startswith("is the same whatever the bar 5 later")


def test_a_label_that_is_always_the_same_tells_of_nothing():
    (finding,) = check_labels(series(lambda bars: bars["close"] * 0.0), BARS, 5, plan=Plan(cuts=2)).findings
    assert "its horizon is shorter" in finding.reason


def test_a_horizon_longer_than_the_bars_is_refused():
    with pytest.raises(ConfigError, match="200 bars are too few for labels with a horizon of 250 bars"):
        check_labels(series(lambda bars: bars["close"]), BARS, 250)
    with pytest.raises(ConfigError, match="counts bars from 1 on, was 0"):
        check_labels(series(lambda bars: bars["close"]), BARS, 0)
