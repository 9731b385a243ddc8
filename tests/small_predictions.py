"""An ensemble of two untrained policies for the tests of predictions, its run folder, and snapshots that it answers."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from dltrader.envs.market import Market
from dltrader.forecast.members import PolicyMember
from dltrader.forecast.policy import EnsemblePolicy
from dltrader.forecast.trading import TradingConfig
from dltrader.forecast.voting import Weighting
from dltrader.runs.ensemble import EnsembleConfig
from dltrader.runs.ensemble_bundle import save_ensemble
from dltrader.runs.ensemble_run import EnsembleRun
from dltrader.runs.run import FINISHED, POLICY
from market_bars import random_walk
from small_runs import untrained
from snapshots import records

BARS = random_walk(160, 11)
ENV = {"window_bars": 4, "features": ["log_return", "range"], "scaling": {"name": "rolling", "window_bars": 8}}
RULES = {
    "enter_confidence": 0.2,
    "volatility_bars": 5,
    "volatility_stop": 0.025,
    "cool_down_bars": 3,
    "unsure": "close",
}
AGENTS = {"ppo": "ppo", "memory": "recurrent_ppo"}


@cache
def voters() -> EnsemblePolicy:
    """A PPO and a recurrent one, whose vote depends on all that it has seen, under rules with a stop."""
    members = [
        PolicyMember(name, untrained(seed, agent={"name": agent}, **ENV))
        for seed, (name, agent) in enumerate(AGENTS.items())
    ]
    trained = members[0].trained
    return EnsemblePolicy.of(
        members,
        Weighting(weights={"ppo": 0.4, "memory": 0.6}),
        TradingConfig.from_mapping(RULES),
        name="voters",
        env_config=trained.env_config.with_overrides({"action": "target_weight"}),
        pipeline=trained.pipeline,
        instruments=("asset",),
        interval=pd.Timedelta("1D"),
    )


def run_of(folder: Path, ensemble: EnsemblePolicy | None = None) -> Path:
    """The run folder of an ensemble that was not trained."""
    members = {name: {"agent": {"name": agent}} for name, agent in AGENTS.items()}
    data = {"bars": {"asset": "synthetic:gbm?n=160&sigma=0.3&seed=2"}}
    config = EnsembleConfig.from_mapping(
        {"name": "voters", "data": data, "env": ENV, "members": members, "trading": RULES}
    )
    run = EnsembleRun.create(folder, config, data_sha256="0" * 64)
    save_ensemble(ensemble or voters(), run.path / POLICY)
    run.finish(None, status=FINISHED)
    return run.path


@cache
def market_of(policy: EnsemblePolicy) -> Market:
    """The bars and the features that an ensemble sees."""
    return Market.build(BARS, policy.env_config, pipeline=policy.pipeline)


def snapshot(policy: EnsemblePolicy, row: int, *, form: str = "bars", **account: Any) -> dict[str, Any]:
    """A bar as another program would tell of it, with just as many bars or rows as are needed."""
    market = market_of(policy)
    values = {"symbol": "asset", "timestamp": BARS.index[row].isoformat().replace("+00:00", "Z"), **account}
    if form == "bars":
        return values | {"bars": records(BARS.iloc[row - market.first : row + 1])}
    window = market.features[row + 1 - policy.env_config.window_bars : row + 1].tolist()
    named = dict(zip(policy.pipeline.names, window[-1], strict=True))
    return values | {"features": named, "sequence": window[:-1], "close": float(BARS["close"].iloc[row])}
