"""Members and ensembles of them for the tests: some say what they are told to, others have learned next to nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from dltrader.agents.trained import TrainedPolicy
from dltrader.envs.contract import EnvConfig
from dltrader.envs.market import Market
from dltrader.features import FittedPipeline, Pipeline
from dltrader.forecast.bundle import TrainedForecaster
from dltrader.forecast.forecasters import FORECASTERS
from dltrader.forecast.labels import LabelsConfig
from dltrader.forecast.members import ForecasterMember, PolicyMember
from dltrader.forecast.policy import EnsemblePolicy
from dltrader.forecast.samples_of import samples_of
from dltrader.forecast.trading import TradingConfig
from dltrader.forecast.vote import SIDES, Vote
from dltrader.forecast.voting import Opinion, Weighting
from market_bars import random_walk
from small_runs import untrained

ENV = {
    "window_bars": 4,
    "features": ["log_return", "range"],
    "scaling": {"name": "rolling", "window_bars": 8},
    "action": "target_weight",
}
TRADING = {"enter_confidence": 0.35, "volatility_bars": 5}
SMALL: dict[str, dict[str, Any]] = {
    "lstm": {"window_bars": 4, "encoder": {"name": "gru", "hidden": 4, "layers": 1}, "epochs": 1},
    "lightgbm": {"window_bars": 2, "horizons": (2, 3), "rounds": 5},
}


def opinion(side: str = "buy", confidence: float = 0.6, **changes: Any) -> Opinion:
    """An opinion that recommends a side; what the rules do not look at is left empty."""
    others = (1.0 - confidence) / 2.0
    probabilities = np.array([confidence if each == side else others for each in SIDES])
    told: dict[str, Any] = {"movement": None, "risk": None, "horizon_bars": None, "value": None}
    return Opinion(probabilities, side, confidence, 1.0, {}, **told | changes, votes={}, weights={})  # type: ignore[arg-type]


def by_last_return(windows: np.ndarray) -> np.ndarray:
    """Probabilities that follow the newest log return: (n, rows, columns) -> (n, 3)."""
    last = windows[:, -1, 0].astype(np.float64)
    odds = np.exp(np.stack([last, -last, np.zeros_like(last)], axis=1))
    return odds / odds.sum(axis=1, keepdims=True)


@dataclass(frozen=True, eq=False)
class Says:
    """A member that computes its probabilities from the windows of its own columns."""

    name: str
    pipeline: FittedPipeline
    says: Callable[[np.ndarray], np.ndarray] = by_last_return
    window_bars: int = 4
    interval: pd.Timedelta | None = None
    remembers: bool = False
    seen: tuple[str, ...] | None = None

    @property
    def models(self) -> tuple[str, ...]:
        return (self.name,)

    def within(self, names: Sequence[str]) -> Says:
        return replace(self, seen=tuple(names))

    def votes(self, market: Any, account: Any, state: Any = None, episode_start: Any = None) -> tuple[Any, Any]:
        seen = self.seen or self.pipeline.names
        columns = [seen.index(name) for name in self.pipeline.names]
        return {self.name: Vote(self.says(market[:, -self.window_bars :, columns]))}, state


def pipeline_of(**env: Any) -> tuple[FittedPipeline, EnvConfig]:
    """The members' pipeline, fitted on random bars, and their environment."""
    config = EnvConfig.from_mapping(ENV | env)
    return Pipeline(config.features, config.scaling).fit(random_walk(120, 3)), config


def ensemble_of(members: Sequence[Any], **trading: Any) -> EnsemblePolicy:
    """An ensemble in which all models weigh the same."""
    pipeline, config = pipeline_of()
    return EnsemblePolicy.of(
        members,
        Weighting(weights={model: 1.0 for member in members for model in member.models}),
        TradingConfig.from_mapping(TRADING | trading),
        name="small",
        env_config=config,
        pipeline=pipeline,
        instruments=("asset",),
        interval=pd.Timedelta(days=1),
    )


def telling_ensemble(
    says: Mapping[str, Callable[[np.ndarray], np.ndarray]] | None = None, **trading: Any
) -> EnsemblePolicy:
    """An ensemble of members that say what they are told to; by default of one that follows the newest return."""
    pipeline, _ = pipeline_of()
    each = says or {"trend": by_last_return}
    return ensemble_of([Says(name, pipeline, tell) for name, tell in each.items()], **trading)


def mixed_ensemble(**trading: Any) -> EnsemblePolicy:
    """An ensemble of two forecasters with three models, and of a policy."""
    members = [
        ForecasterMember("lstm", small_forecaster("lstm")),
        ForecasterMember("lgb", small_forecaster("lightgbm")),
        PolicyMember("ppo", small_policy()),
    ]
    return ensemble_of(members, **trading)


def small_forecaster(name: str = "lstm", seed: int = 0) -> TrainedForecaster:
    """A forecaster that has learned next to nothing, in a second."""
    pipeline, config = pipeline_of()
    learner = FORECASTERS[name].from_mapping({"name": name} | SMALL[name])
    market = Market.build(random_walk(600, 3), config, pipeline=pipeline)
    samples = samples_of(
        market, LabelsConfig(horizon_bars=2), config.costs, horizons=learner.horizons, window_bars=config.window_bars
    )
    found = learner.fit(samples.take(slice(0, 350)), samples.take(slice(360, None)), horizon_bars=2, seed=seed)
    return TrainedForecaster(learner, found, pipeline, 2, ("asset",), pd.Timedelta(days=1))


def small_policy(seed: int = 0) -> TrainedPolicy:
    """A policy that has never learned, which sees what the members of these ensembles see."""
    env = {key: value for key, value in ENV.items() if key != "action"}
    return replace(untrained(seed, **env), pipeline=pipeline_of()[0], interval=pd.Timedelta(days=1))
