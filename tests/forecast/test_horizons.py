from __future__ import annotations

import pandas as pd
import pytest

from dltrader.errors import ConfigError
from dltrader.forecast.horizons import horizon_bars, horizon_name


@pytest.mark.parametrize(
    ("bars", "interval", "name"),
    [
        (5, "1min", "5m"),
        (30, "1min", "30m"),
        (5, "15min", "75m"),
        (5, "90s", "450s"),
        (24, "1h", "24h"),
        (5, "1D", "5d"),
        (2, "7D", "14d"),
        (4, "250ms", "1000ms"),
        (5, "3us", "15us"),
        (5, "10ns", "50ns"),
    ],
)
def test_a_horizon_is_told_in_the_longest_unit_of_the_interval(bars, interval, name):
    assert horizon_name(bars, pd.Timedelta(interval)) == name
    assert horizon_bars(name, pd.Timedelta(interval)) == bars


def test_horizons_over_the_same_bars_share_a_unit_and_differ():
    names = [horizon_name(bars, pd.Timedelta("1h")) for bars in range(1, 100)]
    assert len(set(names)) == 99
    assert {name[-1] for name in names} == {"h"}


@pytest.mark.parametrize(("bars", "interval"), [(0, "1D"), (-5, "1D"), (5, "0s"), (5, "-1D")])
def test_what_is_no_horizon_is_refused(bars, interval):
    with pytest.raises(ConfigError, match="was"):
        horizon_name(bars, pd.Timedelta(interval))


@pytest.mark.parametrize("name", ["", "5", "d", "0d", "-5d", "5.5d", "5w", "7h"])
def test_what_is_no_name_of_a_horizon_has_no_bars(name):
    assert horizon_bars(name, pd.Timedelta("1D")) is None
