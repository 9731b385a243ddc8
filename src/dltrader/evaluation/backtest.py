"""Backtest: a policy on bars, in Cerebro, beside baselines in the same engine at the same costs.

Two stand beside it: buy-and-hold, which any policy has to beat, and the same exposure held constantly, which tells what
the policy earned by choosing its moments from what it earned by being in the market at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from dltrader.agents.baselines import BuyAndHold, ConstantExposure
from dltrader.agents.policy import Adapting, Policy
from dltrader.agents.succession import Succession
from dltrader.data import periods_per_year
from dltrader.envs.cerebro import TradingEnv
from dltrader.envs.contract import EnvConfig
from dltrader.envs.market import BarsLike, ContextLike
from dltrader.envs.records import Fill, Rejection
from dltrader.envs.stepper import Prepare
from dltrader.errors import ConfigError
from dltrader.evaluation.behaviour import mean_exposure
from dltrader.evaluation.metrics import measure
from dltrader.evaluation.result import BacktestResult
from dltrader.evaluation.tables import table_of
from dltrader.evaluation.trades import closed_trades
from dltrader.features import FittedPipeline

LEAST_EXPOSURE = 0.005
"""A smaller mean exposure is printed as 0 %; to hold it constantly is to stay flat, which says nothing."""


def backtest(
    policy: Policy | Succession,
    bars: BarsLike,
    config: EnvConfig | Mapping[str, Any] | Any | None = None,
    *,
    pipeline: FittedPipeline | None = None,
    context: ContextLike | None = None,
    start: str | pd.Timestamp | None = None,
    deterministic: bool = True,
    prepare: Prepare | None = None,
    benchmark: bool = True,
) -> BacktestResult:
    """Let a policy trade bars from the first that can be traded on to the last.

    Args:
        policy: Anything with `predict`; what a run trained, a baseline, a Stable-Baselines3 model. Or a succession of
            such, which trade one account one after the other.
        bars: A frame, a source URI, or a mapping of instruments to either.
        config: An `EnvConfig`, a mapping, or an experiment, whose `env` is taken; by default the policy's own.
            Episodes are not bounded here, whatever it says.
        pipeline: Computes the features; by default the policy's own, else one made from the configuration.
        context: Markets that features look at, names to frames or source URIs, in place of `config.context`.
        start: No decision before this time; earlier bars only warm the features up.
        deterministic: Whether the policy takes its likeliest action rather than drawing one.
        prepare: A hook that gets the Cerebro before it runs, and then those of the baselines: it may set costs of all.
        benchmark: Whether baselines are run beside it: buy-and-hold, and the policy's mean exposure held constantly,
            unless that is 0. Each costs as much time again as the policy's own run takes without the policy.

    Raises:
        BarsError: The bars break their rules, or are too few.
        ConfigError: There is no configuration, or it is none, or its scaling would have to be fitted on these bars.
        BundleError: The policy was trained to see or to do other things than the configuration says.
        Exception: Whatever the policy or the hook raises.
    """
    env_config = _env_config(policy, config)
    pipeline = pipeline or getattr(policy, "pipeline", None)
    if isinstance(policy, Adapting):
        env_config = policy.adapt(env_config)
    env_config.require_fitted(pipeline)
    env = TradingEnv(bars, env_config, pipeline=pipeline, context=context, start=start, prepare=prepare)
    market = env.market
    trader = policy.on(market, env_config) if isinstance(policy, Succession) else policy
    record = _run(trader, env, deterministic=deterministic)
    first = market.times[market.first]
    tested = {name: frame.iloc[market.first :].iloc[: len(record.times)] for name, frame in market.bars.items()}
    times = pd.DatetimeIndex(record.times, name="time")
    equity = pd.Series(record.equity, times, name="equity")
    position = pd.DataFrame(record.positions, times, columns=list(market.instruments))
    closes = pd.DataFrame({name: frame["close"] for name, frame in tested.items()})
    exposure = position.mul(closes).div(equity.where(equity > 0), axis=0)
    orders = table_of(record.fills, Fill._fields, times)
    trades = closed_trades(orders, times)

    def beside(baseline: Policy) -> BacktestResult:
        return backtest(
            baseline, market.bars, env_config, context=market.context, start=first, prepare=prepare, benchmark=False
        )

    matching = _matching(exposure, env_config.leverage) if benchmark else None
    metrics = measure(
        equity, exposure, orders, trades, periods_per_year=periods_per_year(next(iter(market.bars.values())))
    )
    return BacktestResult(
        policy=str(getattr(policy, "name", type(policy).__name__)),
        bars=tested,
        equity=equity,
        position=position,
        exposure=exposure,
        orders=orders,
        rejections=table_of(record.rejections, Rejection._fields, times),
        trades=trades,
        metrics=metrics,
        benchmark=beside(BuyAndHold()) if benchmark else None,
        matched=beside(matching) if matching else None,
    )


class _Record:
    """What a run through the bars leaves behind, one element a bar, a fill or a rejection."""

    def __init__(self) -> None:
        self.times: list[pd.Timestamp] = []
        self.equity: list[float] = []
        self.positions: list[Any] = []
        self.fills: list[Fill] = []
        self.rejections: list[Rejection] = []

    def add(self, info: Mapping[str, Any]) -> None:
        """Take what an environment says of one bar."""
        self.times.append(info["time"])
        self.equity.append(info["equity"])
        self.positions.append(np.atleast_1d(info["position"]))
        self.fills += info["fills"]
        self.rejections += info["rejections"]


def _run(policy: Policy, env: TradingEnv, *, deterministic: bool) -> _Record:
    record = _Record()
    observation, info = env.reset(seed=0)
    record.add(info)
    state, starts, ended = None, np.ones(1, dtype=bool), False
    while not ended:
        action, state = policy.predict(observation, state=state, episode_start=starts, deterministic=deterministic)
        observation, _, terminated, truncated, info = env.step(action)
        record.add(info)
        starts, ended = np.zeros(1, dtype=bool), terminated or truncated
    return record


def _matching(exposure: pd.DataFrame, leverage: float) -> ConstantExposure | None:
    """The baseline with the mean exposure of each instrument; None where that is none to speak of."""
    means = mean_exposure(exposure).to_numpy()
    gross = float(np.abs(means).sum())
    if not gross >= LEAST_EXPOSURE:  # nan of an account that was ruined at once fails too
        return None
    # A short position grows as it loses: its mean may exceed what the account lets a trader ask for.
    weights = means / max(leverage, gross)
    return ConstantExposure(weights=tuple(weights.tolist()))


def _env_config(policy: Policy | Succession, config: Any) -> EnvConfig:
    found = getattr(policy, "env_config", None) if config is None else getattr(config, "env", config)
    if isinstance(found, Mapping):
        found = EnvConfig.from_mapping(found)
    if found is None:
        raise ConfigError("a backtest needs a configuration; pass config=EnvConfig(...) or a run's config")
    if not isinstance(found, EnvConfig):
        raise ConfigError(f"config must be an EnvConfig, a mapping with its keys, or a run's config, was {found!r}")
    trained = getattr(policy, "env_config", None)
    if trained is not None:
        found.require_trained_alike(trained)
    return found.model_copy(update={"episode_bars": None, "random_start": False})
