from __future__ import annotations

import re

import pytest

from dltrader.envs import memory
from dltrader.envs.contract import EnvConfig
from dltrader.envs.memory import lane_bytes, require_memory
from dltrader.envs.vector import TradingVectorEnv
from dltrader.errors import ConfigError
from market_bars import random_walk


def test_more_lanes_than_fit_are_refused_with_the_number_that_fits(quick):
    with pytest.raises(ConfigError, match=r"at most \d+ lanes fit") as caught:
        TradingVectorEnv(random_walk(40), 10**12, quick)
    fitting = int(re.search(r"at most (\d+)", str(caught.value))[1])
    assert 10**4 < fitting < 10**12


def test_the_message_counts_in_gibibytes(monkeypatch):
    monkeypatch.setattr(memory, "free_bytes", lambda _: 3 * 2**30)
    require_memory(3, 2**30)
    with pytest.raises(ConfigError, match=r"^4 lanes take about 4.0 GiB, and 3.0 GiB are free; at most 3 lanes fit$"):
        require_memory(4, 2**30)


def test_windows_are_most_of_a_lane():
    config = EnvConfig(window_bars=32)
    without = lane_bytes(config, 1, 16, windows=False)
    assert lane_bytes(config, 1, 16, windows=True) - without == 2 * 32 * 16 * 4
    assert lane_bytes(config, 3, 16, windows=False) == 3 * without
