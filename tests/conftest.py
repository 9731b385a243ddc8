"""What all tests share."""

from __future__ import annotations

import os

# Before anything imports matplotlib or torch: no screen, and no thread beside the test's own.
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("OMP_NUM_THREADS", "1")
# No test writes to the ledger of whoever runs it: what sets up modules has none, and each test one of its own.
os.environ["DLTRADER_LEDGER"] = "off"

import hypothesis
import pytest

from dltrader.envs.contract import Costs, EnvConfig

hypothesis.settings.register_profile(
    "dltrader", deadline=None, derandomize=True, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("dltrader")


@pytest.fixture(autouse=True)
def ledger(tmp_path_factory, monkeypatch):
    """The trial ledger of a test: a file of its own, in the processes that it starts too."""
    file = tmp_path_factory.mktemp("ledger") / "trials.db"
    monkeypatch.setenv("DLTRADER_LEDGER", str(file))
    return file


@pytest.fixture
def quick() -> EnvConfig:
    """An environment with one cheap feature and a short window, for tests of what happens to money."""
    return EnvConfig(window_bars=3, features=["log_return"], scaling="none")


@pytest.fixture
def free(quick: EnvConfig) -> EnvConfig:
    """The same without costs."""
    return quick.model_copy(update={"costs": Costs(commission=0, slippage=0)})
