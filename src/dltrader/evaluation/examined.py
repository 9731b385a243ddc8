"""Examined: one trained policy on the test bars, at its own costs, at others, and acting by lot."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import pandas as pd
import torch

from dltrader.agents.policy import Policy
from dltrader.agents.succession import Succession
from dltrader.envs.contract import EnvConfig
from dltrader.evaluation.backtest import backtest
from dltrader.evaluation.costs import costs_at
from dltrader.evaluation.curves import growth_of
from dltrader.evaluation.lockstep import in_lockstep, is_memoryless
from dltrader.evaluation.result import BacktestResult


@dataclass(frozen=True, eq=False)
class Examined:
    """What a seed did.

    Attributes:
        seed: Of the training.
        path: Where the training lies.
        result: The deterministic policy at its own costs, with buy-and-hold and the same exposure beside it.
        stochastic: Metrics, growth among them, where the policy draws its actions.
        at_cost: Basis points of one side -> metrics, growth among them, of the deterministic policy.
        seconds: How long the first of these backtests took.
    """

    seed: int
    path: str
    result: BacktestResult
    stochastic: Mapping[str, float]
    at_cost: Mapping[float, Mapping[str, float]]
    seconds: float

    @property
    def column(self) -> str:
        """The name of the seed in tables."""
        return f"seed-{self.seed}"


def measures_of(result: BacktestResult) -> dict[str, float]:
    """The metrics of a backtest, and the log growth over all of it."""
    return {"growth": growth_of(result.equity), **result.metrics}


def examine(
    policy: Policy | Succession,
    bars: Mapping[str, pd.DataFrame],
    env: EnvConfig,
    *,
    start: pd.Timestamp | None,
    seed: int,
    path: str,
    costs_bp: Sequence[float],
    context: Mapping[str, pd.DataFrame] | None = None,
) -> Examined:
    """Backtest a policy at its own costs and at others, and once where it draws its actions.

    The draws are those of torch's generator, begun with the seed of the training and set back afterwards.

    Args:
        policy: The policy.
        bars: Instrument -> bars, with the history that warms features up.
        env: The environment; its costs are the policy's own.
        start: No decision before this time.
        seed: Of the training.
        path: Where the training lies.
        costs_bp: Basis points of one side to try.
        context: Markets that features look at, in place of those that the environment names.

    Raises:
        DLTraderError: As of `backtest`.
    """
    began = time.perf_counter()
    own = backtest(policy, bars, env, context=context, start=start)
    seconds = time.perf_counter() - began
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        drawn = backtest(policy, bars, env, context=context, start=start, deterministic=False, benchmark=False)

    def costing(cost_bp: float, trader: Policy | Succession) -> Mapping[str, float]:
        costly = env.model_copy(update={"costs": costs_at(cost_bp)})
        return measures_of(backtest(trader, bars, costly, context=context, start=start, benchmark=False))

    if is_memoryless(policy):
        measured = in_lockstep(policy, [partial(costing, cost) for cost in costs_bp])
    else:
        measured = [costing(cost, policy) for cost in costs_bp]
    return Examined(seed, path, own, measures_of(drawn), dict(zip(costs_bp, measured, strict=True)), seconds)
