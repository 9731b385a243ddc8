"""The stages of an environment: features, what its policy sees, rewards and backtests, as functions of bars."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from dltrader.agents.baselines import BuyAndHold, RandomTrader
from dltrader.agents.policy import Adapting
from dltrader.envs.cerebro import TradingEnv
from dltrader.envs.contract import EnvConfig
from dltrader.envs.market import Market, aligned
from dltrader.errors import BarsError
from dltrader.evaluation.backtest import backtest
from dltrader.evaluation.leaks.alterations import KINDS
from dltrader.evaluation.leaks.causality import Stage
from dltrader.evaluation.leaks.labels import Labels
from dltrader.evaluation.leaks.revealed import revealed_trading
from dltrader.evaluation.leaks.tables import Frames, Table
from dltrader.evaluation.leaks.trading import Backtest, Recorded, Trading
from dltrader.features import FEATURES, FittedPipeline, NoScaling, Pipeline

CONTEXT = "context "
"""What stands before the names of markets that are seen and not traded, where they stand beside those that are."""

ALTERING = KINDS[:-1]

TRIED_STARTS = 24
"""Beginnings of the bars at which a warm-up is counted that depends on their times."""


def together(traded: Frames, context: Frames) -> dict[str, pd.DataFrame]:
    """Bars of both as one mapping, which alterations go through."""
    return dict(traded) | {f"{CONTEXT}{name}": frame for name, frame in context.items()}


def apart(frames: Frames) -> tuple[dict[str, pd.DataFrame], dict[str, pd.DataFrame]]:
    """The bars that are traded, and those that are only seen."""
    traded = {name: frame for name, frame in frames.items() if not name.startswith(CONTEXT)}
    context = {name.removeprefix(CONTEXT): frames[name] for name in frames if name not in traded}
    return traded, context


def clock_of(frames: Frames) -> pd.DatetimeIndex:
    """The times at which all traded instruments have a bar."""
    return pd.DatetimeIndex(next(iter(aligned(apart(frames)[0]).values())).index)


def feature_stage(config: EnvConfig, frames: Frames) -> Stage:
    """The features before they are scaled, in double precision; none is refused here for looking ahead."""
    names = Pipeline(config.features, NoScaling())
    pipeline = FittedPipeline(
        features=names.specs, scaling=NoScaling(), names=names.names, warmup_bars=names.warmup_bars, moments=None
    )

    def compute(altered: Frames) -> Table:
        traded, context = apart(altered)
        tables = pipeline.transform(aligned(traded), context)
        return Table.of(
            next(iter(tables.values())) if len(tables) == 1 else pd.concat(
                {name: table.add_prefix(f"{name}.") for name, table in tables.items()}, axis=1
            ).droplevel(0, axis=1)
        )  # fmt: skip

    passes = (ALTERING,) if _by_times(config) else (("removed",), ALTERING)
    return Stage("features", compute, _memory(names, config, frames), passes)


def observation_stage(config: EnvConfig, frames: Frames, pipeline: FittedPipeline) -> Stage:
    """The windows of scaled features as a policy sees them, in single precision."""

    def compute(altered: Frames) -> Table:
        traded, context = apart(altered)
        market = Market.build(traded, config, pipeline=pipeline, steps=0, context=context)
        windows = np.lib.stride_tricks.sliding_window_view(market.features, config.window_bars, axis=0)
        seen = windows[market.first - config.window_bars + 1 :].transpose(0, 2, 1)  # (bars, window, features)
        return Table(market.times[market.first :], market.feature_names, seen)

    memory = _memory(Pipeline(config.features, config.scaling), config, frames) + config.window_bars - 1
    return Stage("observations", compute, memory, (ALTERING if _by_times(config) else KINDS,))


def reward_labels(config: EnvConfig, start: pd.Timestamp) -> Labels:
    """What each decision to hold is paid, which tells of the bar after it."""
    holder = BuyAndHold()
    changed = {"episode_bars": None, "random_start": False}
    adapted = holder.adapt(config).model_copy(update=changed)

    def compute(altered: Frames) -> Table:
        env = TradingEnv(apart(altered)[0], adapted, start=start)
        observation, info = env.reset(seed=0)
        times, rewards, ended = [], [], False
        while not ended:
            times.append(info["time"])
            action, _ = holder.predict(observation)
            observation, reward, terminated, truncated, info = env.step(action)
            rewards.append(reward)
            ended = terminated or truncated
        return Table(pd.DatetimeIndex(times), ("reward",), np.array(rewards)[:, None])

    return Labels(compute, 1, "rewards")


def backtest_of(policy: Any, config: EnvConfig, pipeline: FittedPipeline | None, start: pd.Timestamp) -> Backtest:
    """A backtest of a policy that acts deterministically, from a time on, on any bars and on bars that come one by one.

    Args:
        policy: What trades.
        config: The rules.
        pipeline: Computes its features; None where they need no fit.
        start: No decision before this time.
    """
    rules = policy.adapt(config) if isinstance(policy, Adapting) else config

    def trade(altered: Frames) -> Trading:
        traded, context = apart(altered)
        recorded = Recorded(policy)
        result = backtest(recorded, traded, rules, pipeline=pipeline, context=context, start=start, benchmark=False)
        return recorded.trading(pd.DatetimeIndex(result.equity.index), tuple(result.bars), result.orders)

    def market(altered: Frames) -> Market:
        traded, context = apart(altered)
        return Market.build(traded, rules, pipeline=pipeline, context=context, start=start)

    def reveal(frames: Frames, others: Frames) -> Trading:
        return revealed_trading(policy, market(frames), market(others), rules)

    return Backtest(trade, reveal)


def random_backtest(config: EnvConfig, start: pd.Timestamp) -> Backtest:
    """A backtest that trades on most bars: its fills show what those of a policy that never trades cannot."""
    return backtest_of(RandomTrader(), config, None, start)


def _by_times(config: EnvConfig) -> bool:
    """Whether a feature's warm-up depends on the times of bars: leaving bars out changes what it is."""
    return any(spec.looks_elsewhere or hasattr(FEATURES[spec.name], "settled_from") for spec in config.features)


def _memory(pipeline: Pipeline, config: EnvConfig, frames: Frames) -> int:
    """How many bars a row depends on, its own included, wherever it stands."""
    if not _by_times(config):
        return pipeline.warmup_bars + 1
    traded, context = apart(frames)
    bars = next(iter(aligned(traded).values()))
    longest = pipeline.warmup_on(bars, context)
    for start in np.linspace(1, max(len(bars) - longest - 2, 1), TRIED_STARTS).astype(int).tolist():
        begin = bars.index[start]
        later: Mapping[str, pd.DataFrame] = {name: frame.loc[frame.index >= begin] for name, frame in context.items()}
        try:
            longest = max(longest, pipeline.warmup_on(bars.iloc[start:], later))
        except BarsError:  # so near to the end there are too few
            break
    return longest + 1
