"""Pieces of a backtest: what was earned on a part of its bars, while the account went on before and behind it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from dltrader.envs.rewards import growth_between
from dltrader.evaluation.metrics import drawdown, returns_of, sharpe
from dltrader.evaluation.result import BacktestResult

SCORES = "growth", "sharpe", "max_drawdown", "turnover", "buy_and_hold_growth"


class Piece(NamedTuple):
    """A part of a backtest.

    Attributes:
        result: The backtest.
        first: Its first bar of which the decision counts.
        end: The bar at which the last of them has earned what it earned: the first of the next part, or the last bar.
    """

    result: BacktestResult
    first: pd.Timestamp
    end: pd.Timestamp


def scores_of(pieces: Sequence[Piece], *, periods_per_year: float) -> Mapping[str, float]:
    """What was earned on pieces together, as if each began where the one before ends.

    Args:
        pieces: In the order of time.
        periods_per_year: Bars in a year.

    Returns:
        growth (log, about -13.8 when ruined), sharpe (annualised, of the returns of all pieces), max_drawdown (<= 0,
        the deepest within a piece), turnover (value traded a year over mean equity), buy_and_hold_growth (log); nan
        where there are no bars or no benchmark.
    """
    equities = [_between(one.result.equity, one) for one in pieces]
    held = [None if one.result.benchmark is None else _between(one.result.benchmark.equity, one) for one in pieces]
    returns = pd.concat([returns_of(equity) for equity in equities])
    years = len(returns) / periods_per_year
    traded = sum(_traded(one) / float(equity.mean()) for one, equity in zip(pieces, equities, strict=True))
    return {
        "growth": sum(map(_log_growth, equities)),
        "sharpe": sharpe(returns, periods_per_year=periods_per_year),
        "max_drawdown": min(float(drawdown(equity).min()) for equity in equities),
        "turnover": traded / years if years > 0 else math.nan,
        "buy_and_hold_growth": sum(math.nan if one is None else _log_growth(one) for one in held),
    }


def _between(equity: pd.Series[float], piece: Piece) -> pd.Series[float]:
    """From the close of the first decision to that of the last reward; of an account ruined before, its last value."""
    found = equity.loc[piece.first : piece.end]
    return found if len(found) else equity.iloc[-1:]


def _traded(piece: Piece) -> float:
    """The value of what was decided in it: it fills on the bars behind the first."""
    orders = piece.result.orders
    of_it = orders[(orders["time"] > piece.first) & (orders["time"] <= piece.end)]
    return float((of_it["size"] * of_it["price"]).sum())


def _log_growth(equity: pd.Series[float]) -> float:
    if len(equity) < 2:
        return 0.0
    return math.log(growth_between(float(equity.iloc[0]), float(equity.iloc[-1])))
