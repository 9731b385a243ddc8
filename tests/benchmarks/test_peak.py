from __future__ import annotations

import pytest

from dltrader.benchmarks.lanes_speed import market_of
from dltrader.benchmarks.peak import config_of, peak_of_training
from dltrader.errors import ConfigError


@pytest.mark.parametrize("features", [2, 5, 16])
def test_there_are_as_many_features_as_asked_for(features):
    assert market_of(400, config_of(features)).features.shape == (400, features)


def test_the_peak_of_a_small_training_is_that_of_torch_and_little_more():
    assert 50e6 < peak_of_training(bars=1_000, features=4, lanes=4, n_steps=8) < 3e9


def test_a_training_that_fails_says_why_in_one_line():
    with pytest.raises(ConfigError, match=r"^cannot measure .* on 3 bars with 4 features .*Error: .*; measure a sma"):
        peak_of_training(bars=3, features=4, lanes=4, n_steps=8)
