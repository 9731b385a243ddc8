"""The most memory that a training takes: of a process that does nothing else, as the operating system counts it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil

from dltrader.agents.lanes import LanesVecEnv
from dltrader.agents.learning import learn
from dltrader.agents.ppo import PPOConfig
from dltrader.benchmarks.lanes_speed import market_of
from dltrader.envs.contract import EnvConfig
from dltrader.errors import ConfigError


def peak_of_training(bars: int, features: int, lanes: int, n_steps: int) -> int:
    """Bytes that a process has at its peak which makes bars, computes features, and trains one rollout and its update.

    Args:
        bars: Bars of the market.
        features: Columns of features; at least 2.
        lanes: Accounts.
        n_steps: Bars of each in the rollout.

    Raises:
        ConfigError: The process failed; most often there is too little memory for such a training.
    """
    sizes = json.dumps([bars, features, lanes, n_steps])
    done = subprocess.run(  # noqa: S603 - this very file, in this very interpreter
        [sys.executable, "-m", __name__, sizes], check=False, capture_output=True, text=True
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"ended with {done.returncode}"])[-1]
        raise ConfigError(
            f"cannot measure the memory of a training on {bars:,} bars with {features} features and {lanes} lanes of "
            f"{n_steps} bars: {last}; measure a smaller one"
        )
    return int(done.stdout)


def config_of(features: int) -> EnvConfig:
    """A configuration with so many columns of features: returns over ever longer horizons, and strengths."""
    half = features // 2
    returns = [{"name": "log_return", "horizon": 1 + i} for i in range(features - half)]
    return EnvConfig.from_mapping(
        {"features": [*returns, *({"name": "rsi", "window": 2 + i} for i in range(half))], "random_start": True}
    )


def _train(bars: int, features: int, lanes: int, n_steps: int) -> None:
    config = config_of(features)
    market = market_of(bars, config)
    assert market.features.shape == (bars, features)
    agent = PPOConfig.from_mapping({"n_steps": n_steps, "batch_size": lanes * n_steps // 16, "n_epochs": 1})
    learn(agent, LanesVecEnv(market, config, lanes, windows=False), total_timesteps=1, seed=0)


def _peak() -> int:
    status = Path("/proc/self/status")
    if status.is_file():  # Linux, whose ru_maxrss begins with that of the process that started this one
        line = next(line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    memory: Any = psutil.Process().memory_info()
    if hasattr(memory, "peak_wset"):  # Windows
        return int(memory.peak_wset)
    import resource  # noqa: PLC0415 - only where there is such a module

    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(kilobytes if sys.platform == "darwin" else kilobytes * 1024)


if __name__ == "__main__":
    _train(*json.loads(sys.argv[1]))
    print(_peak())  # noqa: T201 - for the process that asked
