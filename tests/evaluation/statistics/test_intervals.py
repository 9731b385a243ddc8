from __future__ import annotations

import math

import pytest

from dltrader.errors import ConfigError
from dltrader.evaluation.statistics.intervals import Interval, unknown, wilson_interval


@pytest.mark.parametrize(
    ("share", "trials", "interval"),
    [(0.0, 40, (0.0, 0.0876)), (0.05, 40, (0.0138, 0.1650)), (0.5, 10, (0.2366, 0.7634)), (1.0, 5, (0.5655, 1.0))],
)
def test_wilson_intervals(share, trials, interval):
    found = wilson_interval(share, trials)
    assert found.estimate == share
    assert (found.low, found.high) == pytest.approx(interval, abs=1e-4)
    assert found.holds(share)


def test_without_a_trial_nothing_is_known():
    assert wilson_interval(0.0, 0).why == "there was no trial"
    with pytest.raises(ConfigError, match="level must be above 0 and below 1"):
        wilson_interval(0.5, 10, level=1.0)


def test_an_interval_holds_its_ends_and_an_unknown_one_holds_nothing():
    assert Interval(0.5, 0.0, 1.0).holds(0.0)
    assert not Interval(0.5, 0.0, 1.0).holds(1.1)
    assert not unknown("too few").holds(0.0)
    assert math.isnan(unknown("too few").estimate)
