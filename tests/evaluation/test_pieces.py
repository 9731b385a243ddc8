from __future__ import annotations

import itertools
import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from dltrader.evaluation.backtest import backtest
from dltrader.evaluation.metrics import sharpe
from dltrader.evaluation.pieces import SCORES, Piece, scores_of
from market_bars import random_walk
from small_runs import untrained


def result_of(equity, orders=(), held=None):
    times = pd.date_range("2001-01-01", periods=len(equity), freq="D", tz="UTC")
    series = pd.Series(np.array(equity, float), times)
    table = pd.DataFrame(
        [(times[bar], size, price) for bar, size, price in orders], columns=["time", "size", "price"]
    ).astype({"time": times.dtype})
    benchmark = None if held is None else SimpleNamespace(equity=pd.Series(np.array(held, float), times))
    return SimpleNamespace(equity=series, orders=table, benchmark=benchmark), times


def test_a_piece_is_scored_as_a_hand_does():
    result, times = result_of(
        [100, 110, 99, 120, 90, 95], orders=[(1, 5, 100), (3, 2, 110), (4, 1, 90)], held=[50, 50, 60, 70, 80, 90]
    )
    scores = scores_of([Piece(result, times[1], times[4])], periods_per_year=252)
    assert tuple(scores) == SCORES
    assert scores["growth"] == pytest.approx(math.log(90 / 110))
    assert scores["buy_and_hold_growth"] == pytest.approx(math.log(80 / 50))
    returns = pd.Series([99 / 110 - 1, 120 / 99 - 1, 90 / 120 - 1])
    assert scores["sharpe"] == pytest.approx(sharpe(returns, periods_per_year=252))
    assert scores["max_drawdown"] == pytest.approx(90 / 120 - 1)
    # The fill on the first bar was decided before the piece.
    assert scores["turnover"] == pytest.approx((2 * 110 + 90) / ((110 + 99 + 120 + 90) / 4) / (3 / 252))


def test_pieces_of_different_backtests_are_joined():
    one, times = result_of([100, 120, 60], held=[1, 1, 2])
    other, _ = result_of([10, 11, 33])
    both = scores_of([Piece(one, times[0], times[1]), Piece(other, times[1], times[2])], periods_per_year=252)
    assert both["growth"] == pytest.approx(math.log(1.2) + math.log(3))
    assert both["max_drawdown"] == 0.0
    assert both["sharpe"] == pytest.approx(sharpe(pd.Series([0.2, 2.0]), periods_per_year=252))
    assert both["turnover"] == 0.0
    assert math.isnan(both["buy_and_hold_growth"])


def test_behind_its_ruin_an_account_earns_nothing():
    result, times = result_of([100, 50, -5])
    later = times[-1] + pd.Timedelta(days=1)
    scores = scores_of([Piece(result, later, later + pd.Timedelta(days=5))], periods_per_year=252)
    assert scores["growth"] == 0.0
    assert scores["turnover"] != scores["turnover"]
    ruined = scores_of([Piece(result, times[0], later)], periods_per_year=252)
    assert ruined["growth"] == pytest.approx(math.log(1e-6), rel=0.01)


def test_growths_of_all_pieces_add_up_to_that_of_the_whole():
    frame = random_walk(160, seed=2)
    result = backtest(untrained(seed=4), frame)
    index = result.equity.index
    cuts = [index[0], index[30], index[77], index[-1]]
    each = [scores_of([Piece(result, first, end)], periods_per_year=365) for first, end in itertools.pairwise(cuts)]
    assert sum(one["growth"] for one in each) == pytest.approx(math.log1p(result.metrics["total_return"]))
    held = result.benchmark.metrics["total_return"]
    assert sum(one["buy_and_hold_growth"] for one in each) == pytest.approx(math.log1p(held))
    (whole,) = [scores_of([Piece(result, index[0], index[-1])], periods_per_year=365)]
    assert whole["turnover"] == pytest.approx(result.metrics["turnover"])
    assert whole["sharpe"] == pytest.approx(result.metrics["sharpe"])
    assert whole["max_drawdown"] == result.metrics["max_drawdown"]
