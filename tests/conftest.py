"""What all tests share."""

from __future__ import annotations

import os

# Before anything imports matplotlib or torch: no screen, and no thread beside the test's own.
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import hypothesis
import pytest

from dltrader.envs.contract import Costs, EnvConfig

hypothesis.settings.register_profile(
    "dltrader", deadline=None, derandomize=True, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("dltrader")


@pytest.fixture
def quick() -> EnvConfig:
    """An environment with one cheap feature and a short window, for tests of what happens to money."""
    return EnvConfig(window_bars=3, features=["log_return"], scaling="none")


@pytest.fixture
def free(quick: EnvConfig) -> EnvConfig:
    """The same without costs."""
    return quick.model_copy(update={"costs": Costs(commission=0, slippage=0)})
